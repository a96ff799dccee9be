/** Softmax and its logarithm over the last axis. */
import { apply, expectShapes, type Node, type Operation } from '../graph.ts';
import type { HloValue, OnnxWriter, StableHloWriter } from '../targets.ts';
import { multiply, subtract } from './binary.ts';
import { sum } from './reduce.ts';
import { exp } from './unary.ts';

/** x less its largest entry, so that e^x can't overflow, with its sum of exponentials. */
function hloExponentials(hlo: StableHloWriter, x: HloValue): { shifted: HloValue; exp: HloValue; sum: HloValue } {
  const axes = [x.shape.length - 1];
  const shifted = hlo.elementwise('stablehlo.subtract', x, hlo.reduce('stablehlo.maximum', x, axes));
  const exp = hlo.elementwise('stablehlo.exponential', shifted);
  return { shifted, exp, sum: hlo.reduce('stablehlo.add', exp, axes) };
}

function overLastAxis(
  name: string,
  onnx: (writer: OnnxWriter, x: string) => string,
  tfjs: 'softmax' | 'logSoftmax',
  stablehlo: (hlo: StableHloWriter, x: HloValue) => HloValue,
  gradient: (y: Node, dy: Node, axis: number) => Node,
): (x: Node) => Node {
  const operation: Operation = {
    name,
    infer(inputs) {
      expectShapes(
        inputs[0].dtype === 'f32' && inputs[0].shape.length > 0,
        name,
        'an f32 tensor with at least one axis',
        inputs,
      );
      return { dtype: 'f32', shape: inputs[0].shape };
    },
    gradient: (y, dy) => [gradient(y, dy, y.shape.length - 1)],
    onnx: (writer, [x]) => onnx(writer, x),
    stablehlo: (hlo, [x]) => stablehlo(hlo, x),
    tfjs: (tf, [x]) => tf[tfjs](x),
  };
  return (x) => apply(operation, [x], {});
}

/** y = e^x / Σ e^x;  dx = y · (dy - Σ y·dy) */
export const softmax = overLastAxis(
  'softmax',
  (writer, x) => writer.node('Softmax', [x], { axis: -1 }),
  'softmax',
  (hlo, x) => {
    const { exp, sum } = hloExponentials(hlo, x);
    return hlo.elementwise('stablehlo.divide', exp, sum);
  },
  (y, dy, axis) => multiply(y, subtract(dy, sum(multiply(y, dy), [axis]))),
);

/** y = x - log Σ e^x;  dx = dy - e^y · Σ dy */
export const logSoftmax = overLastAxis(
  'logSoftmax',
  // Not as LogSoftmax, which onnxruntime's WebGPU provider lacks.
  (writer, x) => {
    const axes = writer.integers([-1]);
    const shifted = writer.node('Sub', [x, writer.node('ReduceMax', [x, axes])]);
    return writer.node('Sub', [
      shifted,
      writer.node('Log', [writer.node('ReduceSum', [writer.node('Exp', [shifted]), axes])]),
    ]);
  },
  'logSoftmax',
  (hlo, x) => {
    const { shifted, sum } = hloExponentials(hlo, x);
    return hlo.elementwise('stablehlo.subtract', shifted, hlo.elementwise('stablehlo.log', sum));
  },
  (y, dy, axis) => subtract(dy, multiply(exp(y), sum(dy, [axis]))),
);

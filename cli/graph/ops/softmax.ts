/** Softmax and its logarithm over the last axis. */
import { apply, expectShapes, type Node, type Operation } from '../graph.ts';
import { multiply, subtract } from './binary.ts';
import { sum } from './reduce.ts';
import { exp } from './unary.ts';

function overLastAxis(
  name: string,
  onnx: string,
  tfjs: 'softmax' | 'logSoftmax',
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
    onnx: (writer, inputs) => writer.node(onnx, inputs, { axis: -1 }),
    tfjs: (tf, [x]) => tf[tfjs](x),
  };
  return (x) => apply(operation, [x], {});
}

/** y = e^x / Σ e^x;  dx = y · (dy - Σ y·dy) */
export const softmax = overLastAxis('softmax', 'Softmax', 'softmax', (y, dy, axis) =>
  multiply(y, subtract(dy, sum(multiply(y, dy), [axis]))),
);

/** y = x - log Σ e^x;  dx = dy - e^y · Σ dy */
export const logSoftmax = overLastAxis('logSoftmax', 'LogSoftmax', 'logSoftmax', (y, dy, axis) =>
  subtract(dy, multiply(exp(y), sum(dy, [axis]))),
);

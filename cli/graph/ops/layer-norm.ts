/**
 * Layer norm over the last axis: y = γ·x̂ + β with x̂ = (x - mean)·invStd and invStd = 1/√(variance + ε).
 * ONNX's LayerNormalization gives x̂ and invStd from one kernel; the gradient asks for both, so they are operations
 * here.
 */
import { type Attributes, apply, expectShapes, type Node, type Operation, type Shape } from '../graph.ts';
import type { HloValue, OnnxWriter, StableHloWriter, Tfjs, TfjsTensor } from '../targets.ts';
import { add, divide, multiply, subtract } from './binary.ts';
import { scalar } from './leaf.ts';
import { mean, sumTo } from './reduce.ts';
import { sqrt } from './unary.ts';

interface NormAttributes extends Attributes {
  readonly epsilon: number;
}

const lastAxis = ({ shape }: { shape: Shape }): number => shape.length - 1;

/** The ONNX node that computes both, written once for each x and ε: [x̂, mean, invStd]. */
function onnxStatistics(writer: OnnxWriter, x: string, node: Node<NormAttributes>): readonly string[] {
  const { epsilon } = node.attributes;
  const width = node.inputs[0].shape[lastAxis(node.inputs[0])];
  return writer.once(`layerNorm ${x} ${epsilon}`, () => {
    const ones = writer.floats(new Float32Array(width).fill(1), [width]);
    return writer.nodes('LayerNormalization', [x, ones], { axis: -1, epsilon: writer.float(epsilon) }, 3);
  });
}

/** XLA fuses both passes, and computes what two operations ask for once. */
function hloStatistics(hlo: StableHloWriter, x: HloValue, epsilon: number): { centred: HloValue; invStd: HloValue } {
  const axis = lastAxis(x);
  const meanOf = (value: HloValue): HloValue =>
    hlo.elementwise('stablehlo.multiply', hlo.reduce('stablehlo.add', value, [axis]), hlo.scalar(1 / x.shape[axis]));
  const centred = hlo.elementwise('stablehlo.subtract', x, meanOf(x));
  const variance = meanOf(hlo.elementwise('stablehlo.multiply', centred, centred));
  const shifted = hlo.elementwise('stablehlo.add', variance, hlo.scalar(epsilon));
  return { centred, invStd: hlo.elementwise('stablehlo.rsqrt', shifted) };
}

function tfjsStatistics(tf: Tfjs, x: TfjsTensor, epsilon: number): { centred: TfjsTensor; invStd: TfjsTensor } {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  return { centred, invStd: tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon)) };
}

function gradientOfStandardized(x: Node, epsilon: number, dy: Node): Node {
  // dx = invStd · (dy - mean(dy) - x̂ · mean(dy · x̂))
  const xHat = standardize(x, epsilon);
  const axis = lastAxis(x);
  const inner = subtract(subtract(dy, mean(dy, [axis])), multiply(xHat, mean(multiply(dy, xHat), [axis])));
  return multiply(inner, inverseStd(x, epsilon));
}

const standardizeOperation: Operation<NormAttributes> = {
  name: 'standardize',
  infer(inputs) {
    expectShapes(inputs[0].shape.length > 0, 'standardize', 'at least one axis', inputs);
    return { dtype: 'f32', shape: inputs[0].shape };
  },
  gradient: ({ inputs: [x], attributes: { epsilon } }, dy) => [gradientOfStandardized(x, epsilon, dy)],
  onnx: (writer, [x], node) => onnxStatistics(writer, x, node)[0],
  stablehlo(hlo, [x], { attributes: { epsilon } }) {
    const { centred, invStd } = hloStatistics(hlo, x, epsilon);
    return hlo.elementwise('stablehlo.multiply', centred, invStd);
  },
  tfjs(tf, [x], { attributes: { epsilon } }) {
    const { centred, invStd } = tfjsStatistics(tf, x, epsilon);
    return tf.mul(centred, invStd);
  },
};

const inverseStdOperation: Operation<NormAttributes> = {
  name: 'inverseStd',
  infer(inputs) {
    const { shape } = inputs[0];
    expectShapes(shape.length > 0, 'inverseStd', 'at least one axis', inputs);
    return { dtype: 'f32', shape: [...shape.slice(0, -1), 1] };
  },
  // It stands in gradients only; written out for whoever differentiates twice.
  expand([x], { epsilon }) {
    const axis = lastAxis(x);
    const centred = subtract(x, mean(x, [axis]));
    return divide(scalar(1), sqrt(add(mean(multiply(centred, centred), [axis]), scalar(epsilon))));
  },
  onnx: (writer, [x], node) => onnxStatistics(writer, x, node)[2],
  stablehlo: (hlo, [x], { attributes: { epsilon } }) => hloStatistics(hlo, x, epsilon).invStd,
  tfjs: (tf, [x], { attributes: { epsilon } }) => tfjsStatistics(tf, x, epsilon).invStd,
};

const layerNormOperation: Operation<NormAttributes> = {
  name: 'layerNorm',
  infer(inputs) {
    const [x, gamma, beta] = inputs;
    const width = x.shape[lastAxis(x)];
    const fits = [gamma, beta].every(({ shape }) => shape.length === 1 && shape[0] === width);
    expectShapes(fits, 'layerNorm', `gamma and beta of shape (${width})`, inputs);
    return { dtype: 'f32', shape: x.shape };
  },
  expand: ([x, gamma, beta], { epsilon }) => add(multiply(standardize(x, epsilon), gamma), beta),
  gradient({ inputs: [x, gamma, beta], attributes: { epsilon } }, dy) {
    return [
      gradientOfStandardized(x, epsilon, multiply(dy, gamma)),
      sumTo(multiply(dy, standardize(x, epsilon)), gamma.shape),
      sumTo(dy, beta.shape),
    ];
  },
  onnx(writer, inputs, { attributes }) {
    return writer.node('LayerNormalization', inputs, { axis: -1, epsilon: writer.float(attributes.epsilon) });
  },
};

/** x̂ = (x - mean) / √(variance + ε) over the last axis. */
export function standardize(x: Node, epsilon: number): Node {
  return apply(standardizeOperation, [x], { epsilon });
}

/** 1 / √(variance + ε) over the last axis, which is kept with size 1. */
export function inverseStd(x: Node, epsilon: number): Node {
  return apply(inverseStdOperation, [x], { epsilon });
}

/** γ·x̂ + β over the last axis (Ba, Kiros, Hinton 2016). x (…, D), gamma (D), beta (D). */
export function layerNorm(x: Node, gamma: Node, beta: Node, epsilon: number): Node {
  return apply(layerNormOperation, [x, gamma, beta], { epsilon });
}

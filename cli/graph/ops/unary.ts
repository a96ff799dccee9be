/** Element-wise operations of one tensor. */
import { apply, expectShapes, type Node, type Operation } from '../graph.ts';
import { divide, multiply, scale, subtract } from './binary.ts';
import { scalar } from './leaf.ts';

interface UnaryRule {
  readonly name: string;
  readonly onnx: string;
  readonly stablehlo: string;
  readonly tfjs: 'neg' | 'exp' | 'log' | 'sqrt' | 'erf' | 'tanh' | 'sigmoid' | 'floor';
  /** dx from x, y = f(x) and dy; null where the operation has no gradient. */
  readonly gradient: ((x: Node, y: Node, dy: Node) => Node) | null;
}

function unary(rule: UnaryRule): (x: Node) => Node {
  const { gradient } = rule;
  const operation: Operation = {
    name: rule.name,
    infer(inputs) {
      expectShapes(inputs[0].dtype === 'f32', rule.name, 'an f32 tensor', inputs);
      return { dtype: 'f32', shape: inputs[0].shape };
    },
    gradient: gradient ? (node, dy) => [gradient(node.inputs[0], node, dy)] : undefined,
    onnx: (writer, inputs) => writer.node(rule.onnx, inputs),
    stablehlo: (hlo, [x]) => hlo.elementwise(rule.stablehlo, x),
    tfjs: (tf, [x]) => tf[rule.tfjs](x),
  };
  return (x) => apply(operation, [x], {});
}

/** -x of an f32 tensor. */
export const negate = unary({
  name: 'negate',
  onnx: 'Neg',
  stablehlo: 'stablehlo.negate',
  tfjs: 'neg',
  gradient: (_x, _y, dy) => negate(dy),
});
/** eˣ of an f32 tensor. */
export const exp = unary({
  name: 'exp',
  onnx: 'Exp',
  stablehlo: 'stablehlo.exponential',
  tfjs: 'exp',
  gradient: (_x, y, dy) => multiply(dy, y),
});
/** The natural logarithm of an f32 tensor; values are to be above 0. */
export const log = unary({
  name: 'log',
  onnx: 'Log',
  stablehlo: 'stablehlo.log',
  tfjs: 'log',
  gradient: (x, _y, dy) => divide(dy, x),
});
/** √x of an f32 tensor; its gradient is not finite at 0. */
export const sqrt = unary({
  name: 'sqrt',
  onnx: 'Sqrt',
  stablehlo: 'stablehlo.sqrt',
  tfjs: 'sqrt',
  gradient: (_x, y, dy) => divide(scale(dy, 0.5), y),
});
/** d erf(x) / dx = 2/√π · e^(-x²) */
export const erf = unary({
  name: 'erf',
  onnx: 'Erf',
  stablehlo: 'chlo.erf',
  tfjs: 'erf',
  gradient: (x, _y, dy) => multiply(dy, scale(exp(negate(multiply(x, x))), 2 / Math.sqrt(Math.PI))),
});
/** tanh x of an f32 tensor. */
export const tanh = unary({
  name: 'tanh',
  onnx: 'Tanh',
  stablehlo: 'stablehlo.tanh',
  tfjs: 'tanh',
  gradient: (_x, y, dy) => multiply(dy, subtract(scalar(1), multiply(y, y))),
});
/** 1 / (1 + e^-x) of an f32 tensor. */
export const sigmoid = unary({
  name: 'sigmoid',
  onnx: 'Sigmoid',
  stablehlo: 'stablehlo.logistic',
  tfjs: 'sigmoid',
  gradient: (_x, y, dy) => multiply(dy, multiply(y, subtract(scalar(1), y))),
});
/** The largest whole number that is not above x. It stands in operations with gradients of their own, and has none. */
export const floor = unary({
  name: 'floor',
  onnx: 'Floor',
  stablehlo: 'stablehlo.floor',
  tfjs: 'floor',
  gradient: null,
});

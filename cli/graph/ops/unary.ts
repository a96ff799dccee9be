/** Element-wise operations of one tensor. */
import { apply, expectShapes, type Node, type Operation } from '../graph.ts';
import { divide, multiply, scale, subtract } from './binary.ts';
import { scalar } from './leaf.ts';

interface UnaryRule {
  readonly name: string;
  readonly onnx: string;
  readonly tfjs: 'neg' | 'exp' | 'log' | 'sqrt' | 'erf' | 'tanh' | 'relu' | 'sign';
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
    tfjs: (tf, [x]) => tf[rule.tfjs](x),
  };
  return (x) => apply(operation, [x], {});
}

export const negate = unary({ name: 'negate', onnx: 'Neg', tfjs: 'neg', gradient: (_x, _y, dy) => negate(dy) });
export const exp = unary({ name: 'exp', onnx: 'Exp', tfjs: 'exp', gradient: (_x, y, dy) => multiply(dy, y) });
export const log = unary({ name: 'log', onnx: 'Log', tfjs: 'log', gradient: (x, _y, dy) => divide(dy, x) });
export const sqrt = unary({ name: 'sqrt', onnx: 'Sqrt', tfjs: 'sqrt', gradient: (_x, y, dy) => divide(scale(dy, 0.5), y) });
/** d erf(x) / dx = 2/√π · e^(-x²) */
export const erf = unary({
  name: 'erf',
  onnx: 'Erf',
  tfjs: 'erf',
  gradient: (x, _y, dy) => multiply(dy, scale(exp(negate(multiply(x, x))), 2 / Math.sqrt(Math.PI))),
});
export const tanh = unary({
  name: 'tanh',
  onnx: 'Tanh',
  tfjs: 'tanh',
  gradient: (_x, y, dy) => multiply(dy, subtract(scalar(1), multiply(y, y))),
});
/** -1, 0 or 1. Used in gradients only, so it has no gradient itself. */
export const sign = unary({ name: 'sign', onnx: 'Sign', tfjs: 'sign', gradient: null });
/** max(x, 0); its derivative at 0 is 0, as PyTorch's. */
export const relu = unary({ name: 'relu', onnx: 'Relu', tfjs: 'relu', gradient: (_x, y, dy) => multiply(dy, sign(y)) });

/** Element-wise operations of two tensors, with NumPy's broadcasting. */
import { apply, describeType, type Node, type Operation, type Shape, ShapeError } from '../graph.ts';
import { scalar } from './leaf.ts';
import { sumTo } from './reduce.ts';
import { negate } from './unary.ts';

/** The shape that two shapes broadcast to; null if they don't. */
export function broadcastShape(a: Shape, b: Shape): Shape | null {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) {
    const m = a[a.length - rank + i] ?? 1;
    const n = b[b.length - rank + i] ?? 1;
    if (m !== n && m !== 1 && n !== 1) return null;
    shape.push(m === 1 ? n : m);
  }
  return shape;
}

interface BinaryRule {
  /** StableHLO's name too. */
  readonly name: string;
  readonly onnx: string;
  readonly tfjs: 'add' | 'sub' | 'mul' | 'div' | 'minimum' | 'maximum';
  /** [da, db] before the sum over broadcast axes; null where the operation has no gradient. */
  readonly gradient: ((a: Node, b: Node, dy: Node) => [Node, Node]) | null;
}

function binary(rule: BinaryRule): (a: Node, b: Node) => Node {
  const { gradient } = rule;
  const operation: Operation = {
    name: rule.name,
    infer([a, b]) {
      const shape = broadcastShape(a.shape, b.shape);
      if (!shape || a.dtype !== 'f32' || b.dtype !== 'f32') {
        throw new ShapeError(
          `${rule.name}: expected two f32 tensors whose shapes broadcast, ` +
            `got ${describeType(a)} and ${describeType(b)}`,
        );
      }
      return { dtype: 'f32', shape };
    },
    gradient: gradient
      ? ({ inputs: [a, b] }, dy) => {
          const [da, db] = gradient(a, b, dy);
          return [sumTo(da, a.shape), sumTo(db, b.shape)];
        }
      : undefined,
    onnx: (writer, inputs) => writer.node(rule.onnx, inputs),
    stablehlo: (hlo, [a, b]) => hlo.elementwise(`stablehlo.${rule.name}`, a, b),
    tfjs: (tf, [a, b]) => tf[rule.tfjs](a, b),
  };
  return (a, b) => apply(operation, [a, b], {});
}

/** a + b, broadcast. f32 both; ShapeError where they don't fit. */
export const add = binary({ name: 'add', onnx: 'Add', tfjs: 'add', gradient: (_a, _b, dy) => [dy, dy] });
/** a - b, broadcast. f32 both; ShapeError where they don't fit. */
export const subtract = binary({
  name: 'subtract',
  onnx: 'Sub',
  tfjs: 'sub',
  gradient: (_a, _b, dy) => [dy, negate(dy)],
});
/** a · b element by element, broadcast. f32 both; ShapeError where they don't fit. */
export const multiply = binary({
  name: 'multiply',
  onnx: 'Mul',
  tfjs: 'mul',
  gradient: (a, b, dy) => [multiply(dy, b), multiply(dy, a)],
});
/** a / b element by element, broadcast. f32 both; ShapeError where they don't fit. */
export const divide = binary({
  name: 'divide',
  onnx: 'Div',
  tfjs: 'div',
  gradient: (a, b, dy) => [divide(dy, b), negate(divide(multiply(dy, a), multiply(b, b)))],
});
/** The smaller of two. Used on gradient norms and where a gradient is told by hand, so it has none itself. */
export const minimum = binary({ name: 'minimum', onnx: 'Min', tfjs: 'minimum', gradient: null });
/** The larger of two; as `minimum`. */
export const maximum = binary({ name: 'maximum', onnx: 'Max', tfjs: 'maximum', gradient: null });

/** x · factor. */
export function scale(x: Node, factor: number): Node {
  return factor === 1 ? x : multiply(x, scalar(factor));
}

/**
 * A model, a loss or a whole training step, written once as a graph of operations with static shapes.
 *
 * A `Node` is one value: an operation applied to other values. Nodes are immutable and made by functions (`add(x, y)`),
 * so a graph is an expression, and everything else is a walk over it: gradients (grad.ts), costs (cost.ts), engines
 * (../engines). What an output doesn't reach doesn't exist: dead code needs no pass.
 *
 * Composite operations (layer norm, attention, the low-rank linear ...) keep their name, so that a target can use a
 * fused kernel; a target without one walks `expansionOf(node)` instead. The expansion is made once per node, so that a
 * forward pass and a gradient that both walk it share its values.
 */
import type { HloValue, OnnxWriter, StableHloWriter, Tfjs, TfjsTensor } from './targets.ts';

/** What a value's elements are: f32, i32 for ids and labels, or u8 for pictures as they come (`normalizePictures`). */
export type DType = 'f32' | 'i32' | 'u8';
/** Sizes by axis, row-major; [] is a scalar. */
export type Shape = readonly number[];
/** What an operation is told beside its inputs: plain values, fixed when the node is made. */
export type Attributes = Readonly<Record<string, unknown>>;

/** What is known of a value before it is computed. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * One value of a graph. Made by `apply` alone, which checks it; two nodes are the same value only where they are the
 * same object.
 */
export interface Node<A extends Attributes = Attributes> extends TensorType {
  readonly operation: Operation<A>;
  readonly inputs: readonly Node[];
  readonly attributes: A;
}

/** Everything about one operation, side by side. */
export interface Operation<A extends Attributes = Attributes> {
  readonly name: string;
  /** Checks the inputs and says what comes out. Throws `ShapeError`. */
  infer(inputs: readonly Node[], attributes: A): TensorType;
  /** d loss / d input for each input, given dy = d loss / d output; null where there is none (integers). */
  gradient?(node: Node<A>, dy: Node): readonly (Node | null)[];
  /** A composite in terms of other operations. */
  expand?(inputs: readonly Node[], attributes: A): Node;
  /** Multiply-accumulates of matrix products; 1 MAC = 2 FLOPs. Element-wise work is not counted, as in the papers. */
  macs?(node: Node<A>): number;
  /** Writes ONNX nodes and returns the name of the value. */
  onnx?(writer: OnnxWriter, inputs: readonly string[], node: Node<A>): string;
  /** Writes StableHLO operations and returns the value. */
  stablehlo?(hlo: StableHloWriter, inputs: readonly HloValue[], node: Node<A>): HloValue;
  /** Calls tfjs. */
  tfjs?(tf: Tfjs, inputs: readonly TfjsTensor[], node: Node<A>): TfjsTensor;
}

/** Named results. Its inputs are the `input` nodes that the outputs reach. */
export interface Graph {
  readonly outputs: Readonly<Record<string, Node>>;
}

/** Shapes that don't fit together: `matmul: expected (…, 4, N), got (3, 5)`. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

/** Throws `ShapeError` naming the operation, what was expected and the shapes that came. */
export function expectShapes(
  condition: boolean,
  operation: string,
  expected: string,
  inputs: readonly Node[],
): asserts condition {
  if (condition) return;
  throw new ShapeError(`${operation}: expected ${expected}, got ${inputs.map(describeType).join(' and ')}`);
}

/** A type as errors name it: `f32(4, 3)`. */
export function describeType(type: TensorType): string {
  return `${type.dtype}(${type.shape.join(', ')})`;
}

/** Applies an operation: the one place where nodes are made. */
export function apply<A extends Attributes>(operation: Operation<A>, inputs: readonly Node[], attributes: A): Node {
  const { dtype, shape } = operation.infer(inputs, attributes);
  return { operation: operation as Operation, inputs, attributes, dtype, shape };
}

const expansions = new WeakMap<Node, Node>();

/** The expansion of a composite node, made once. Null for a primitive. */
export function expansionOf(node: Node): Node | null {
  const known = expansions.get(node);
  if (known) return known;
  const expansion = node.operation.expand?.(node.inputs, node.attributes) ?? null;
  if (expansion) {
    if (!sameShape(expansion.shape, node.shape)) {
      throw new ShapeError(
        `${node.operation.name}: its expansion is ${describeType(expansion)}, expected ${describeType(node)}`,
      );
    }
    expansions.set(node, expansion);
  }
  return expansion;
}

/**
 * All nodes that the outputs reach, each after its inputs. `inputsOf` says what a walk follows (the inputs, or an
 * expansion).
 */
export function topological(
  outputs: readonly Node[],
  inputsOf: (node: Node) => readonly Node[] = (node) => node.inputs,
): Node[] {
  const order: Node[] = [];
  const state = new Map<Node, 'open' | 'done'>();
  const stack = [...outputs].reverse();
  while (stack.length > 0) {
    const node = stack[stack.length - 1];
    if (state.get(node) === undefined) {
      state.set(node, 'open');
      const inputs = inputsOf(node);
      for (let i = inputs.length - 1; i >= 0; i--) if (!state.has(inputs[i])) stack.push(inputs[i]);
      continue;
    }
    stack.pop();
    if (state.get(node) === 'open') order.push(node);
    state.set(node, 'done');
  }
  return order;
}

/** How many elements a shape holds; 1 for a scalar. */
export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Whether both have the same axes: no broadcasting. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/**
 * A graph run as tfjs calls that are counted: multiply-accumulates are told from the shapes that matMul is given when it
 * is called, not from the graph. Either tfjs itself computes, or stand-ins that keep shapes alone, for models that would
 * take long.
 */
import { createRequire } from 'node:module';
import { loweredInputs, lowerNode } from '../../cli/engines/lowering.ts';
import { elementCount, type Graph, type Node, topological } from '../../cli/graph/graph.ts';
import { inputName } from '../../cli/graph/ops/leaf.ts';
import type { Tfjs, TfjsTensor } from '../../cli/graph/targets.ts';

type Shaped = { readonly shape: readonly number[] };

/** The multiply-accumulates of running the graph on tfjs, on inputs of ones (ids: zeros). */
export function countOnTfjs(graph: Graph): number {
  const tf = createRequire(import.meta.url)('@tensorflow/tfjs') as Tfjs;
  const input = ({ dtype, shape }: Node): TfjsTensor =>
    dtype === 'f32' ? tf.ones([...shape]) : tf.zeros([...shape], 'int32');
  return tf.tidy(() => countCalls(graph, tf, input));
}

/** The same count of calls that compute nothing but the shape of what they would give. */
export function countShapes(graph: Graph): number {
  return countCalls(graph, shapesOnly as unknown as Tfjs, ({ shape }) => ({ shape }) as unknown as TfjsTensor);
}

function countCalls(graph: Graph, tf: Tfjs, input: (node: Node) => TfjsTensor): number {
  let macs = 0;
  const counting = new Proxy(tf, {
    get(target, name, receiver) {
      if (name !== 'matMul') return Reflect.get(target, name, receiver) as unknown;
      return (a: TfjsTensor, b: TfjsTensor, transA = false, transB = false) => {
        macs += productOf(a, b, transA, transB).macs;
        return target.matMul(a, b, transA, transB);
      };
    },
  });
  const values = new Map<Node, TfjsTensor>();
  for (const node of topological(Object.values(graph.outputs), loweredInputs('tfjs'))) {
    const value =
      inputName(node) === null
        ? lowerNode('tfjs', node, values, (inputs) => node.operation.tfjs!(counting, inputs, node))
        : input(node);
    if (value.shape.join() !== node.shape.join())
      throw new Error(
        `${node.operation.name}: (${value.shape.join()}) came of it, the graph says (${node.shape.join()})`,
      );
    values.set(node, value);
  }
  return macs;
}

/** (…, M, K) × (…, K, N): M·N·K for each of the leading axes, which are the same. */
function productOf(a: Shaped, b: Shaped, transA: boolean, transB: boolean): { shape: number[]; macs: number } {
  const [M, K] = lastTwo(a, transA);
  const [inner, N] = lastTwo(b, transB);
  const leading = a.shape.slice(0, -2);
  if (inner !== K || leading.join() !== b.shape.slice(0, -2).join())
    throw new Error(`matMul of (${a.shape.join()}) and (${b.shape.join()})`);
  return { shape: [...leading, M, N], macs: elementCount(leading) * M * N * K };
}

function lastTwo({ shape }: Shaped, swapped: boolean): readonly number[] {
  const sides = shape.slice(-2);
  return swapped ? sides.toReversed() : sides;
}

const alike = (x: Shaped): Shaped => ({ shape: x.shape });
/** The longer shape, with the larger of both where they have an axis in common. */
const together = (a: Shaped | number, b: Shaped | number): Shaped => {
  const [x, y] = [a, b].map((value) => (typeof value === 'number' ? [] : [...value.shape].reverse()));
  const axes = Array.from({ length: Math.max(x.length, y.length) }, (_, i) => Math.max(x[i] ?? 1, y[i] ?? 1));
  return { shape: axes.reverse() };
};

/** The calls that forward passes make. One that is not here is an error. */
const shapesOnly: Readonly<Record<string, (...given: never[]) => Shaped>> = {
  matMul: (a: Shaped, b: Shaped, transA: boolean, transB: boolean) => productOf(a, b, transA, transB),
  ...Object.fromEntries(['add', 'sub', 'mul', 'div'].map((name) => [name, together])),
  ...Object.fromEntries(
    ['square', 'rsqrt', 'softmax', 'erf', 'tanh', 'relu', 'cast', 'clone'].map((name) => [name, alike]),
  ),
  mean: ({ shape }: Shaped) => ({ shape: [...shape.slice(0, -1), 1] }),
  reshape: (_: Shaped, shape: readonly number[]) => ({ shape }),
  broadcastTo: (_: Shaped, shape: readonly number[]) => ({ shape }),
  transpose: ({ shape }: Shaped, axes: readonly number[]) => ({ shape: axes.map((axis) => shape[axis]) }),
  slice: (_: Shaped, __: unknown, shape: readonly number[]) => ({ shape }),
  concat: (parts: readonly Shaped[], axis: number) => ({
    shape: parts[0].shape.map((size, i) => (i === axis ? parts.reduce((sum, part) => sum + part.shape[i], 0) : size)),
  }),
  gather: (table: Shaped, ids: Shaped) => ({ shape: [...ids.shape, ...table.shape.slice(1)] }),
  tensor: (_: unknown, shape: readonly number[]) => ({ shape }),
};

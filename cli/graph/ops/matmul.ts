import { type Attributes, apply, elementCount, expectShapes, type Node, type Operation, sameShape } from '../graph.ts';
import { transpose } from './transpose.ts';

interface MatmulAttributes extends Attributes {
  readonly transB: boolean;
}

const matmulOperation: Operation<MatmulAttributes> = {
  name: 'matmul',
  infer(inputs, { transB }) {
    const [a, b] = inputs;
    const rank = a.shape.length;
    const batched = rank >= 2 && b.shape.length === rank && sameShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
    expectShapes(batched, 'matmul', 'two stacks of matrices with the same leading axes', inputs);
    const [K2, N] = transB ? [b.shape[rank - 1], b.shape[rank - 2]] : [b.shape[rank - 2], b.shape[rank - 1]];
    expectShapes(a.shape[rank - 1] === K2, 'matmul', `inner sizes that agree (transB ${transB})`, inputs);
    return { dtype: 'f32', shape: [...a.shape.slice(0, -1), N] };
  },
  gradient({ inputs: [a, b], attributes: { transB } }, dy) {
    const da = matmul(dy, b, { transB: !transB });
    const db = transB ? matmul(swapLast(dy), a) : matmul(swapLast(a), dy);
    return [da, db];
  },
  macs: ({ shape, inputs: [a] }) => elementCount(shape) * a.shape[a.shape.length - 1],
  onnx(writer, [a, b], { inputs, attributes: { transB } }) {
    return writer.node('MatMul', [
      a,
      transB ? writer.node('Transpose', [b], { perm: lastSwapped(inputs[1].shape.length) }) : b,
    ]);
  },
  stablehlo(hlo, [a, b], { attributes: { transB } }) {
    const rank = a.shape.length;
    return hlo.product(a, b, { a: rank - 1, b: transB ? rank - 1 : rank - 2, batched: rank - 2 });
  },
  tfjs: (tf, [a, b], { attributes: { transB } }) => tf.matMul(a, b, false, transB),
};

function lastSwapped(rank: number): number[] {
  return Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
}

function swapLast(x: Node): Node {
  return transpose(x, lastSwapped(x.shape.length));
}

/** Products of stacked matrices: (…, M, K) · (…, K, N), or (…, N, K) with transB → (…, M, N). */
export function matmul(a: Node, b: Node, { transB = false } = {}): Node {
  return apply(matmulOperation, [a, b], { transB });
}

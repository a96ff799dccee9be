import { type Attributes, apply, expectShapes, type Node, type Operation } from '../graph.ts';
import type { HloValue } from '../targets.ts';
import { sumTo } from './reduce.ts';

interface GemmAttributes extends Attributes {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
}

/** (rows, columns) of an operand after its optional transpose. */
function oriented({ shape }: Node, transposed: boolean): [rows: number, columns: number] {
  return transposed ? [shape[1], shape[0]] : [shape[0], shape[1]];
}

const gemmOperation: Operation<GemmAttributes> = {
  name: 'gemm',
  infer(inputs, { transA, transB }) {
    const [a, b, c] = inputs;
    expectShapes(a.shape.length === 2 && b.shape.length === 2, 'gemm', 'two matrices', inputs);
    const [M, K] = oriented(a, transA);
    const [K2, N] = oriented(b, transB);
    expectShapes(K === K2, 'gemm', `inner sizes that agree (transA ${transA}, transB ${transB})`, inputs);
    const fits =
      !c ||
      (c.shape.length === 1 && c.shape[0] === N) ||
      (c.shape.length === 2 && c.shape[0] === M && c.shape[1] === N);
    expectShapes(fits, 'gemm', `an addend of shape (${N}) or (${M}, ${N})`, inputs);
    return { dtype: 'f32', shape: [M, N] };
  },
  gradient({ inputs: [a, b, c], attributes: { transA, transB, alpha } }, dy) {
    const options = { alpha };
    // Y = A·B: dA = dY·Bᵀ, dB = Aᵀ·dY; the transposes of the operands move over to their gradients.
    const da = transA
      ? gemm(b, dy, null, { ...options, transA: transB, transB: true })
      : gemm(dy, b, null, { ...options, transB: !transB });
    const db = transB
      ? gemm(dy, a, null, { ...options, transA: true, transB: transA })
      : gemm(a, dy, null, { ...options, transA: !transA });
    return c ? [da, db, sumTo(dy, c.shape)] : [da, db];
  },
  macs: ({ shape: [M, N], inputs: [a], attributes: { transA } }) => M * N * oriented(a, transA)[1],
  onnx(writer, inputs, { attributes: { transA, transB, alpha } }) {
    return writer.node('Gemm', inputs, { transA: Number(transA), transB: Number(transB), alpha: writer.float(alpha) });
  },
  stablehlo(hlo, [a, b, c], { attributes: { transA, transB, alpha } }) {
    const axes = { a: transA ? 0 : 1, b: transB ? 1 : 0 };
    const scaled = (x: HloValue): HloValue =>
      alpha === 1 ? x : hlo.elementwise('stablehlo.multiply', x, hlo.scalar(alpha));
    if (c?.shape.length === 1) return hlo.productPlus(a, scaled(b), c, axes);
    // With A transposed the sum runs over rows of a batch: a gradient of weights.
    const product = scaled(hlo.product(a, b, { ...axes, sums: transA }));
    return c ? hlo.elementwise('stablehlo.add', product, c) : product;
  },
  tfjs(tf, [a, b, c], { attributes: { transA, transB, alpha } }) {
    const product = tf.matMul(a, b, transA, transB);
    const scaled = alpha === 1 ? product : tf.mul(product, alpha);
    return c ? tf.add(scaled, c) : scaled;
  },
};

/**
 * alpha · op(A)·op(B) + C for matrices; C of shape (N) or (M, N), or null.
 * A full C lets a sum of two products cost no pass of its own.
 */
export function gemm(
  a: Node,
  b: Node,
  c: Node | null,
  options: { transA?: boolean; transB?: boolean; alpha?: number } = {},
): Node {
  const { transA = false, transB = false, alpha = 1 } = options;
  return apply(gemmOperation, c ? [a, b, c] : [a, b], { transA, transB, alpha });
}

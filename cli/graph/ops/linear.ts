/** The dense linear layer and the one that PC-LoRA leaves. Weights lie as in PyTorch: (out, in). */
import { type Attributes, apply, expansionOf, expectShapes, type Node, type Operation } from '../graph.ts';
import { scale } from './binary.ts';
import { broadcastTo } from './broadcast.ts';
import { concat } from './concat.ts';
import { gemm } from './gemm.ts';
import { scalar } from './leaf.ts';
import { reshape } from './reshape.ts';
import { slice } from './slice.ts';

interface LayerAttributes extends Attributes {
  /** The layer's name in the model's table; costs and plans are told by layer. */
  readonly layer: string;
}

/** s of s·x·Wᵀ + b, and whose it is. */
export interface LinearAttributes extends LayerAttributes {
  /** 1 where it is absent. */
  readonly scaling?: number;
}

const linearOperation: Operation<LinearAttributes> = {
  name: 'linear',
  infer(inputs) {
    const [x, weight, bias] = inputs;
    const hasBias = bias === undefined || (bias.shape.length === 1 && bias.shape[0] === weight.shape[0]);
    const fits = x.shape.length === 2 && weight.shape.length === 2 && x.shape[1] === weight.shape[1] && hasBias;
    expectShapes(fits, 'linear', 'x (rows, in), weight (out, in), bias (out)', inputs);
    return { dtype: 'f32', shape: [x.shape[0], weight.shape[0]] };
  },
  expand: ([x, weight, bias], { scaling = 1 }) => gemm(x, weight, bias ?? null, { transB: true, alpha: scaling }),
};

/** y = x·Wᵀ + b. x (rows, in), weight (out, in), bias (out) or null → (rows, out). */
export function linear(x: Node, weight: Node, bias: Node | null, layer: string): Node {
  return apply(linearOperation, bias ? [x, weight, bias] : [x, weight], { layer });
}

/**
 * y = s·B·a + C, with a = A x (rows, r) that several layers share: `lowRankLinear` from there on. loraB (out, r),
 * loraC (out) → (rows, out).
 */
export function upLinear(down: Node, loraB: Node, loraC: Node, scaling: number, layer: string): Node {
  return apply(linearOperation, [down, loraB, loraC], { layer, scaling });
}

/** s of s·B(A x) + C, and whose it is. */
export interface LowRankAttributes extends LayerAttributes {
  readonly scaling: number;
}

const lowRankOperation: Operation<LowRankAttributes> = {
  name: 'lowRankLinear',
  infer(inputs) {
    const [x, loraA, loraB, loraC] = inputs;
    const fits =
      [x, loraA, loraB].every(({ shape }) => shape.length === 2) &&
      x.shape[1] === loraA.shape[1] &&
      loraA.shape[0] === loraB.shape[1] &&
      loraC.shape.length === 1 &&
      loraC.shape[0] === loraB.shape[0];
    expectShapes(fits, 'lowRankLinear', 'x (rows, in), loraA (r, in), loraB (out, r), loraC (out)', inputs);
    return { dtype: 'f32', shape: [x.shape[0], loraB.shape[0]] };
  },
  expand: ([x, loraA, loraB, loraC], { scaling }) =>
    gemm(gemm(x, loraA, null, { transB: true }), loraB, loraC, { transB: true, alpha: scaling }),
  gradient(node, dy) {
    const [x, loraA, loraB] = node.inputs;
    const { scaling } = node.attributes;
    const [down] = expansionOf(node)!.inputs; // (rows, r)
    const up = gemm(dy, loraB, null, { alpha: scaling }); // (rows, r)
    const [toB, toC] = productAndSum(dy, down);
    return [gemm(up, loraA, null), gemm(up, x, null, { transA: true }), scale(toB, scaling), toC];
  },
};

/**
 * dyᵀ·x and the sum of dy's rows, in one pass over dy: the gradients of a thin factor and of the bias beside it.
 * dy (rows, out), x (rows, r) → (out, r) and (out)
 */
function productAndSum(dy: Node, x: Node): [product: Node, sum: Node] {
  const [rows, rank] = x.shape;
  const ones = broadcastTo(scalar(1), [rows, 1]);
  const both = gemm(dy, concat([x, ones], 1), null, { transA: true }); // (out, r + 1)
  return [slice(both, 1, 0, rank), reshape(slice(both, 1, rank, 1), [dy.shape[1]])];
}

/** y = s·B(A x) + C: what is left of a layer when λ is 0 (PC-LoRA, arXiv 2406.09117). x (rows, in) → (rows, out). */
export function lowRankLinear(x: Node, loraA: Node, loraB: Node, loraC: Node, scaling: number, layer: string): Node {
  return apply(lowRankOperation, [x, loraA, loraB, loraC], { scaling, layer });
}

const updatedLinearOperation: Operation<LowRankAttributes> = {
  name: 'updatedLinear',
  infer(inputs) {
    const [x, frozen, bias, loraA, loraB] = inputs;
    const fits =
      [x, frozen, loraA, loraB].every(({ shape }) => shape.length === 2) &&
      x.shape[1] === frozen.shape[1] &&
      loraA.shape[1] === frozen.shape[1] &&
      loraB.shape[0] === frozen.shape[0] &&
      loraA.shape[0] === loraB.shape[1] &&
      bias.shape.length === 1 &&
      bias.shape[0] === frozen.shape[0];
    const expected = 'x (rows, in), frozen (out, in), bias (out), loraA (r, in), loraB (out, r)';
    expectShapes(fits, 'updatedLinear', expected, inputs);
    return { dtype: 'f32', shape: [x.shape[0], frozen.shape[0]] };
  },
  expand([x, frozen, bias, loraA, loraB], { scaling }) {
    const weight = gemm(loraB, loraA, frozen, { alpha: scaling }); // (out, in)
    return gemm(x, weight, bias, { transB: true });
  },
  gradient(node, dy) {
    const [x, , , loraA, loraB] = node.inputs;
    const { scaling } = node.attributes;
    const [, weight] = expansionOf(node)!.inputs;
    const down = gemm(x, loraA, null, { transB: true, alpha: scaling }); // (rows, r)
    const up = gemm(dy, loraB, null, { alpha: scaling }); // (rows, r)
    const [toB, toBias] = productAndSum(dy, down);
    return [
      gemm(dy, weight, null),
      gemm(dy, x, null, { transA: true }),
      toBias,
      gemm(up, x, null, { transA: true }),
      toB,
    ];
  },
};

/**
 * y = x·(F + s·B·A)ᵀ + b: a frozen weight with its low-rank update, as one product over the rows. The gradients of A and
 * B pass through r columns, not through the weight's. x (rows, in), frozen (out, in) → (rows, out).
 */
export function updatedLinear(
  x: Node,
  frozen: Node,
  bias: Node,
  loraA: Node,
  loraB: Node,
  scaling: number,
  layer: string,
): Node {
  return apply(updatedLinearOperation, [x, frozen, bias, loraA, loraB], { scaling, layer });
}

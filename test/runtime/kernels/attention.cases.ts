/** `attention` and `attentionInt16`, on the same operands. */
import { EXTREMES, type KernelCase, normals, type Side } from './harness.ts';

export type AttentionOp = 'attention' | 'attentionInt16';

export interface AttentionShape {
  readonly queries: number;
  readonly tokens: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly keySize: number;
  readonly valueSize: number;
}

export interface Operands {
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly scale: number;
}

/** `spread` 1: weights much alike; 20: one token has nearly all. */
export function normalOperands(
  { queries, tokens, heads, keyHeads, keySize, valueSize }: AttentionShape,
  spread = 1,
): Operands {
  return {
    q: normals(queries * heads * keySize, 1).map((v) => v * spread),
    k: normals(tokens * keyHeads * keySize, 2),
    v: normals(tokens * keyHeads * valueSize, 3),
    scale: 1 / Math.sqrt(keySize),
  };
}

export function runAttention(side: Side, op: AttentionOp, shape: AttentionShape, operands: Operands): Float32Array {
  const { queries, tokens, heads, keyHeads, keySize, valueSize } = shape;
  const [q, k, v] = [operands.q, operands.k, operands.v].map((values) => side.put(values));
  const out = side.floats(queries * heads * valueSize);
  const scratch = side.scratch(op, shape);
  side.kernels[op](
    q,
    k,
    v,
    out.byteOffset,
    scratch,
    queries,
    tokens,
    heads,
    keyHeads,
    keySize,
    valueSize,
    operands.scale,
  );
  return out;
}

/**
 * (heads, keyHeads, keySize, valueSize): sizes that are no multiples of anything; keys of each head and keys that all
 * share.
 */
export const HEADS = [
  [1, 1, 1, 1],
  [2, 2, 3, 9],
  [3, 1, 9, 3],
  [2, 2, 33, 64],
  [2, 1, 64, 33],
  [12, 12, 1, 33],
  [2, 1, 768, 5],
] as const;

const TOKENS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33];

/** All queries, and one token's, as of a last block that only the class is read from. */
export function shapesOf(
  tokens: number,
  heads: readonly (readonly [number, number, number, number])[] = HEADS,
): AttentionShape[] {
  return heads.flatMap(([heads, keyHeads, keySize, valueSize]) =>
    [...new Set([tokens, 1, Math.min(tokens, 5)])].map((queries) => ({
      queries,
      tokens,
      heads,
      keyHeads,
      keySize,
      valueSize,
    })),
  );
}

export function shapeName({ queries, tokens, heads, keyHeads, keySize, valueSize }: AttentionShape): string {
  return `${queries} queries, ${tokens} tokens, ${heads} heads (${keyHeads}), ${keySize} → ${valueSize}`;
}

const SHAPES = [
  ...TOKENS.flatMap((tokens) => shapesOf(tokens)),
  ...shapesOf(197, [
    [1, 1, 64, 64],
    [2, 1, 33, 9],
  ]),
  // As many tokens as no register or block divides, few queries: the scalar reference takes long.
  ...[768, 3072].map((tokens) => ({ queries: 2, tokens, heads: 1, keyHeads: 1, keySize: 4, valueSize: 3 })),
  { queries: 2, tokens: 5, heads: 1, keyHeads: 1, keySize: 3072, valueSize: 768 },
];

function attention(op: AttentionOp, name: string, shape: AttentionShape, operands: Operands): KernelCase {
  return {
    kernel: op,
    name: `${name}: ${shapeName(shape)}`,
    run: (side) => ({ close: [runAttention(side, op, shape, operands)] }),
  };
}

const EXTREME_SHAPE: AttentionShape = { queries: 5, tokens: 9, heads: 2, keyHeads: 2, keySize: 9, valueSize: 9 };

export const ATTENTION_CASES: readonly KernelCase[] = (['attention', 'attentionInt16'] as const).flatMap((op) => [
  ...SHAPES.flatMap((shape) =>
    [1, 20].map((spread) => attention(op, spread === 1 ? 'even' : 'peaked', shape, normalOperands(shape, spread))),
  ),
  ...Object.entries(EXTREMES).flatMap(([name, make]) =>
    (['q', 'k', 'v'] as const).map((operand) => {
      const operands = normalOperands(EXTREME_SHAPE);
      return attention(op, `${operand}: ${name}`, EXTREME_SHAPE, {
        ...operands,
        [operand]: make(operands[operand].length),
      });
    }),
  ),
]);

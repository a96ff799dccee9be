/** What a text encoder does before its first block: rows of tables, one for each token. */
import { type Attributes, apply, elementCount, expectShapes, type Node, type Operation } from '../graph.ts';
import { broadcastTo } from './broadcast.ts';
import { gather } from './gather.ts';
import { gemm } from './gemm.ts';
import { flatten, reshape } from './reshape.ts';
import { slice } from './slice.ts';

const embeddingOperation: Operation = {
  name: 'embedding',
  infer(inputs) {
    const [table, ids] = inputs;
    expectShapes(
      table.shape.length === 2 && isBatchOfIds(ids),
      'embedding',
      'a table (V, D) and i32 ids (B, T)',
      inputs,
    );
    return { dtype: 'f32', shape: [elementCount(ids.shape), table.shape[1]] };
  },
  expand: ([table, ids]) => gather(table, flatten(ids)),
};

/** The rows of a table for texts of tokens: table (V, D), ids (B, T) below V → (B·T, D) */
export function embedding(table: Node, ids: Node): Node {
  return apply(embeddingOperation, [table, ids], {});
}

interface PositionAttributes extends Attributes {
  readonly batch: number;
  readonly tokens: number;
}

const positionEmbeddingOperation: Operation<PositionAttributes> = {
  name: 'positionEmbedding',
  infer(inputs, { batch, tokens }) {
    const { shape } = inputs[0];
    expectShapes(
      shape.length === 2 && tokens <= shape[0],
      'positionEmbedding',
      `a table (P, D) of at least ${tokens} rows`,
      inputs,
    );
    return { dtype: 'f32', shape: [batch * tokens, shape[1]] };
  },
  expand([table], { batch, tokens }) {
    const width = table.shape[1];
    const rows = reshape(slice(table, 0, 0, tokens), [1, tokens, width]);
    return reshape(broadcastTo(rows, [batch, tokens, width]), [batch * tokens, width]);
  },
};

/** Row i of a table for the token at place i of each text: table (P, D), T up to P → (B·T, D) */
export function positionEmbedding(table: Node, batch: number, tokens: number): Node {
  return apply(positionEmbeddingOperation, [table], { batch, tokens });
}

/** s of s·B[ids]·A, and whose it is. */
export interface LowRankEmbeddingAttributes extends Attributes {
  readonly scaling: number;
  /** The table's name among the model's layers. */
  readonly layer: string;
}

const lowRankEmbeddingOperation: Operation<LowRankEmbeddingAttributes> = {
  name: 'lowRankEmbedding',
  infer(inputs) {
    const [ids, loraA, loraB] = inputs;
    const fits =
      isBatchOfIds(ids) && [loraA, loraB].every(({ shape }) => shape.length === 2) && loraB.shape[1] === loraA.shape[0];
    expectShapes(fits, 'lowRankEmbedding', 'i32 ids (B, T), loraA (r, D), loraB (V, r)', inputs);
    return { dtype: 'f32', shape: [elementCount(ids.shape), loraA.shape[1]] };
  },
  expand: ([ids, loraA, loraB], { scaling }) => gemm(embedding(loraB, ids), loraA, null, { alpha: scaling }),
};

/**
 * s·B[ids]·A: the rows of a table that is a product, made one by one. ids (B, T), loraA (r, D), loraB (V, r) → (B·T, D)
 */
export function lowRankEmbedding(ids: Node, loraA: Node, loraB: Node, scaling: number, layer: string): Node {
  return apply(lowRankEmbeddingOperation, [ids, loraA, loraB], { scaling, layer });
}

function isBatchOfIds({ dtype, shape }: Node): boolean {
  return dtype === 'i32' && shape.length === 2;
}

/** Rows of sequences as heads, and scores of padding: what attention is made of, and what compares attentions. */
import type { Node } from './graph.ts';
import { scale, subtract } from './ops/binary.ts';
import { scalar } from './ops/leaf.ts';
import { reshape } from './ops/reshape.ts';
import { transpose } from './ops/transpose.ts';

/** Added to the scores of padding: e^(-1e9) is 0, and -1e9 plus a score is still a number. */
const PADDING_SCORE = 1e9;

/** (B, 1, 1, T) to add to scores (B, H, Q, T): nothing for tokens, so much less for padding that its e^x is 0. */
export function paddingScores(mask: Node): Node {
  const [batch, tokens] = mask.shape;
  return reshape(scale(subtract(mask, scalar(1)), PADDING_SCORE), [batch, 1, 1, tokens]);
}

/** (B·rows, parts·d) → (B, parts, rows, d) */
export function splitHeads(x: Node, batch: number, rows: number, parts: number): Node {
  return transpose(reshape(x, [batch, rows, parts, x.shape[1] / parts]), [0, 2, 1, 3]);
}

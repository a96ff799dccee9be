/** Self-attention relations, which a student may be compared by beside its features (MiniLMv2, Wang et al. 2020). */
import type { Node } from '../graph/graph.ts';
import { paddingScores, splitHeads } from '../graph/heads.ts';
import { type AttentionAttributes, attentionsOf } from '../graph/ops/attention.ts';
import { add, divide, multiply, scale, subtract } from '../graph/ops/binary.ts';
import { matmul } from '../graph/ops/matmul.ts';
import { sum, sumOfAll } from '../graph/ops/reduce.ts';
import { reshape } from '../graph/ops/reshape.ts';
import { logSoftmax, softmax } from '../graph/ops/softmax.ts';

/** The last attention that an output comes from. */
export function lastAttention(output: Node): Node<AttentionAttributes> {
  const last = attentionsOf(output).at(-1);
  if (last === undefined) throw new Error('no attention in this graph');
  return last;
}

/**
 * L_rel, of shape (): how the tokens of a sequence relate in queries, in keys and in values, softmax(X·Xᵀ/√d) for each
 * head; the Kullback-Leibler divergence of the student's from the teacher's, a mean over the three, heads and tokens
 * (MiniLMv2, arXiv 2012.15828, section 3.1). With a mask (B, T) padding is left out. Both have the same sizes.
 */
export function relationLoss(
  student: Node<AttentionAttributes>,
  teacher: Node<AttentionAttributes>,
  mask: Node | null = null,
): Node {
  const { batch, tokens, heads } = teacher.attributes;
  const divergences = [0, 1, 2].map((i) => {
    const [s, t] = [student, teacher].map(({ inputs }) => scoresOf(inputs[i], teacher.attributes, mask));
    return sum(multiply(softmax(t), subtract(logSoftmax(t), logSoftmax(s))), [3]); // (B, H, T, 1)
  });
  const total = divergences.map((divergence) =>
    sumOfAll(mask ? multiply(divergence, reshape(mask, [batch, 1, tokens, 1])) : divergence),
  );
  const all = total.reduce(add);
  return mask ? divide(all, scale(sumOfAll(mask), 3 * heads)) : scale(all, 1 / (3 * heads * batch * tokens));
}

/** (B·T, D) → (B, H, T, T) */
function scoresOf(x: Node, { batch, tokens, heads }: AttentionAttributes, mask: Node | null): Node {
  const split = splitHeads(x, batch, tokens, heads);
  const scores = scale(matmul(split, split, { transB: true }), 1 / Math.sqrt(x.shape[1] / heads));
  return mask ? add(scores, paddingScores(mask)) : scores;
}

import type { Node } from '../graph/graph.ts';
import { add, divide, multiply, scale, subtract } from '../graph/ops/binary.ts';
import { meanOfAll, sum, sumOfAll } from '../graph/ops/reduce.ts';
import { reshape } from '../graph/ops/reshape.ts';

/**
 * L_feat: the mean over blocks of the mean squared difference between student's and teacher's block outputs, (B·T, D)
 * each. With a mask (B, T), 1 for a token and 0 for padding, the mean is over tokens alone. The teacher's are constants
 * to it: gradients flow to what trains, and only the student has that.
 */
export function featureLoss(student: readonly Node[], teacher: readonly Node[], mask: Node | null = null): Node {
  const perBlock = student.map((output, i) => {
    const difference = subtract(output, teacher[i]);
    return meanOfTokens(multiply(difference, difference), mask);
  });
  return scale(perBlock.reduce(add), 1 / perBlock.length);
}

/** The mean of all elements of x (B·T, D) in rows that the mask (B, T) counts, or in all. */
function meanOfTokens(x: Node, mask: Node | null): Node {
  if (!mask) return meanOfAll(x);
  const [rows, width] = x.shape;
  return divide(sumOfAll(multiply(sum(x, [1]), reshape(mask, [rows, 1]))), scale(sumOfAll(mask), width));
}

/** L = α·L_task + (1 - α)·L_feat, of shape (). */
export function distillationLoss(task: Node, feature: Node, alpha: number): Node {
  return add(scale(task, alpha), scale(feature, 1 - alpha));
}

import type { Node } from '../graph/graph.ts';
import { add, multiply, scale, subtract } from '../graph/ops/binary.ts';
import { meanOfAll } from '../graph/ops/reduce.ts';

/**
 * L_feat: the mean over blocks of the mean squared difference between student's and teacher's block outputs.
 * The teacher's are constants to it: gradients flow to what trains, and only the student has that.
 */
export function featureLoss(student: readonly Node[], teacher: readonly Node[]): Node {
  const perBlock = student.map((output, i) => {
    const difference = subtract(output, teacher[i]);
    return meanOfAll(multiply(difference, difference));
  });
  return scale(perBlock.reduce(add), 1 / perBlock.length);
}

/** L = α·L_task + (1 - α)·L_feat, of shape (). */
export function distillationLoss(task: Node, feature: Node, alpha: number): Node {
  return add(scale(task, alpha), scale(feature, 1 - alpha));
}

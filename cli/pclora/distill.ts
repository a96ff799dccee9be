import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import type { Node } from '../graph/graph.ts';
import { add, divide, multiply, scale, subtract } from '../graph/ops/binary.ts';
import { meanSquaredError } from '../graph/ops/mean-squared-error.ts';
import { meanOfAll, sum, sumOfAll } from '../graph/ops/reduce.ts';
import { reshape } from '../graph/ops/reshape.ts';
import { binaryCrossEntropy, sigmoid } from '../graph/ops/sigmoid-cross-entropy.ts';
import { logSoftmax, softmax } from '../graph/ops/softmax.ts';
import { usageError } from '../io/errors.ts';

/**
 * L_feat: the mean over blocks, all or those that are chosen, of the mean squared difference between student's and
 * teacher's block outputs, (B·T, D) each. With a mask (B, T), 1 for a token and 0 for padding, the mean is over tokens
 * alone. The teacher's are constants to it: gradients flow to what trains, and only the student has that.
 */
export function featureLoss(student: readonly Node[], teacher: readonly Node[], mask: Node | null = null): Node {
  const perBlock = student.map((output, i) => {
    const difference = subtract(output, teacher[i]);
    return meanOfTokens(multiply(difference, difference), mask);
  });
  return scale(perBlock.reduce(add), 1 / perBlock.length);
}

/**
 * The blocks, from 0 and in their order, whose outputs `featureLoss` is to compare, of so many: `all`, `last`, or numbers
 * with commas. Usage errors for what names no block, or one twice.
 */
export function blocksNamed(text: string, count: number): readonly number[] {
  if (text === 'all') return Array.from({ length: count }, (_, block) => block);
  if (text === 'last') return [count - 1];
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !/^\d{1,6}$/.test(name) || Number(name) >= count);
  if (wrong !== undefined)
    throw usageError(
      `--feature-blocks ${text}: ${JSON.stringify(wrong)} is not a block`,
      `Expected all, last, or numbers from 0 to ${count - 1} with commas, such as 0,${count - 1}.`,
    );
  const blocks = names.map(Number);
  const twice = blocks.find((block, i) => blocks.indexOf(block) < i);
  if (twice !== undefined)
    throw usageError(
      `--feature-blocks ${text} names block ${twice} twice`,
      'Name each block once: all weigh the same.',
    );
  return blocks.sort((a, b) => a - b);
}

/** The mean of all elements of x (B·T, D) in rows that the mask (B, T) counts, or in all. */
function meanOfTokens(x: Node, mask: Node | null): Node {
  if (!mask) return meanOfAll(x);
  const [rows, width] = x.shape;
  return divide(sumOfAll(multiply(sum(x, [1]), reshape(mask, [rows, 1]))), scale(sumOfAll(mask), width));
}

/**
 * What the student's logits (B, K) miss of the teacher's, of shape (), 0 where they agree: T² times the Kullback-Leibler
 * divergence of their distributions at temperature T, a mean over samples (Hinton, Vinyals, Dean 2015); of decisions the
 * same for each, a mean over samples and labels; of numbers the mean squared difference.
 */
export function logitLoss(student: Node, teacher: Node, problemType: ProblemType, temperature: number): Node {
  const [labels, square] = [student.shape[1], temperature ** 2];
  const [s, t] = [student, teacher].map((logits) => scale(logits, 1 / temperature));
  switch (problemType) {
    case 'single_label_classification':
      return scale(meanOfAll(multiply(softmax(t), subtract(logSoftmax(t), logSoftmax(s)))), square * labels);
    case 'multi_label_classification': {
      const said = sigmoid(t);
      return scale(subtract(binaryCrossEntropy(s, said), binaryCrossEntropy(t, said)), square);
    }
    case 'regression':
      return meanSquaredError(student, teacher);
    default:
      return problemType satisfies never;
  }
}

/** L = α·L_task + (1 - α)·L_feat, of shape (). */
export function distillationLoss(task: Node, feature: Node, alpha: number): Node {
  return add(scale(task, alpha), scale(feature, 1 - alpha));
}

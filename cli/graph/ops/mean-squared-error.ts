import type { Node } from '../graph.ts';
import { multiply, subtract } from './binary.ts';
import { meanOfAll } from './reduce.ts';

/** The mean of (x - y)² over all samples and numbers, of shape (): PyTorch's MSELoss. Both are (B, K). */
export function meanSquaredError(numbers: Node, targets: Node): Node {
  const difference = subtract(numbers, targets);
  return meanOfAll(multiply(difference, difference));
}

/**
 * Muon (Jordan 2024, kellerjordan.github.io/posts/muon): a matrix moves by its momentum made orthogonal, U·Vᵀ for
 * U·S·Vᵀ, so that all directions move alike.
 */
import type { Node } from '../graph/graph.ts';
import { add, divide, maximum, multiply, scale } from '../graph/ops/binary.ts';
import { concat } from '../graph/ops/concat.ts';
import { scalar } from '../graph/ops/leaf.ts';
import { matmul } from '../graph/ops/matmul.ts';
import { sum } from '../graph/ops/reduce.ts';
import { reshape } from '../graph/ops/reshape.ts';
import { slice } from '../graph/ops/slice.ts';
import { transpose } from '../graph/ops/transpose.ts';
import { sqrt } from '../graph/ops/unary.ts';

/** Jordan's: a singular value s from 0.01 to 1 goes by a·s + b·s³ + c·s⁵, five times, to one from 0.68 to 1.14. */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const ROUNDS = 5;

/** The least norm that is divided by: a matrix of zeros stays one. */
const EPSILON = 1e-7;

/**
 * The root mean square of AdamW's steps over the learning rate, as measured by Liu et al. 2025 (Muon is Scalable for LLM
 * Training, arXiv 2502.16982, section 2.2): U·Vᵀ (m, n) times it and √max(m, n) has that of a full rank.
 */
const ADAMW_RMS = 0.2;

/**
 * What matrices move by for a learning rate of 1, by their names, from what they are to move along: orthogonal, and of
 * the size of AdamW's steps. Those of one shape, or of its transpose, are computed as one stack.
 */
export function muonDirections(matrices: ReadonlyMap<string, Node>): ReadonlyMap<string, Node> {
  const stacks = new Map<string, [name: string, matrix: Node][]>();
  for (const [name, matrix] of matrices) {
    const key = [...matrix.shape].sort((m, n) => m - n).join(' ');
    stacks.set(key, [...(stacks.get(key) ?? []), [name, matrix]]);
  }
  return new Map(
    [...stacks.values()].flatMap((named): [string, Node][] => {
      const stack = concat(
        named.map(([, matrix]) => reshape(wide(matrix), [1, ...wide(matrix).shape])),
        0,
      );
      const [, short, long] = stack.shape;
      const moved = scale(orthogonalized(stack), ADAMW_RMS * Math.sqrt(long));
      return named.map(([name, matrix], i) => {
        const own = reshape(slice(moved, 0, i, 1), [short, long]);
        return [name, isTall(matrix) ? transpose(own, [1, 0]) : own];
      });
    }),
  );
}

function isTall({ shape: [rows, columns] }: Node): boolean {
  return rows > columns;
}

/** With no more rows than columns: X·Xᵀ then is the smaller of the two squares. */
function wide(matrix: Node): Node {
  return isTall(matrix) ? transpose(matrix, [1, 0]) : matrix;
}

/** Newton–Schulz: X ← a·X + (b·G + c·G²)·X with G = X·Xᵀ, for each of (n, r, k), r ≤ k, from a norm of 1 on. */
function orthogonalized(stack: Node): Node {
  const norms = sqrt(sum(multiply(stack, stack), [1, 2])); // (n, 1, 1)
  let x = divide(stack, maximum(norms, scalar(EPSILON)));
  for (let round = 0; round < ROUNDS; round++) {
    const gram = matmul(x, x, { transB: true }); // (n, r, r)
    const powers = add(scale(gram, B), scale(matmul(gram, gram), C));
    x = add(scale(x, A), matmul(powers, x));
  }
  return x;
}

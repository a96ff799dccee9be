/** The randomized SVD against matrices whose singular values are known, because they were put together from them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../cli/engines/engine.ts';
import { createTruncator } from '../../cli/pclora/svd.ts';
import { symmetricEigen } from '../../cli/pclora/symmetric-eigen.ts';
import { type Random, random } from '../../runtime/random.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

/** `columns` orthonormal vectors of length `rows`: Householder reflections of the unit vectors, exact to float64. */
function orthonormal(rows: number, columns: number, source: Random): number[][] {
  const vectors = Array.from({ length: columns }, (_, c) =>
    Array.from({ length: rows }, (_, i): number => (i === c ? 1 : 0)),
  );
  for (let reflection = 0; reflection < 3; reflection++) {
    const h = Array.from({ length: rows }, () => source.normal());
    const squares = h.reduce((sum, v) => sum + v * v, 0);
    for (const vector of vectors) {
      const factor = (2 * vector.reduce((sum, v, i) => sum + v * h[i], 0)) / squares;
      for (let i = 0; i < rows; i++) vector[i] -= factor * h[i];
    }
  }
  return vectors;
}

/** U·diag(σ)·Vᵀ, (m, n). */
function matrixOf(m: number, n: number, sigma: readonly number[], source: Random): Float32Array {
  const u = orthonormal(m, sigma.length, source);
  const v = orthonormal(n, sigma.length, source);
  return Float32Array.from({ length: m * n }, (_, at) => {
    const i = Math.floor(at / n);
    const j = at % n;
    return sigma.reduce((sum, s, k) => sum + s * u[k][i] * v[k][j], 0);
  });
}

/** ‖W - s·B·A‖ (Frobenius). */
function distance(
  weight: Float32Array,
  { loraA, loraB }: { loraA: Float32Array; loraB: Float32Array },
  m: number,
  n: number,
  r: number,
  scaling: number,
): number {
  let squares = 0;
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let product = 0;
      for (let k = 0; k < r; k++) product += loraB[i * r + k] * loraA[k * n + j];
      squares += (weight[i * n + j] - scaling * product) ** 2;
    }
  }
  return Math.sqrt(squares);
}

/** Slow, as in trained weights. */
const falling = (count: number): number[] => Array.from({ length: count }, (_, k) => 10 / (k + 1));

const SHAPES: [m: number, n: number, r: number, scaling: number][] = [
  [24, 24, 5, 1],
  [40, 17, 3, 1],
  [17, 40, 3, 1],
  [64, 96, 8, 0.5],
  [96, 64, 8, 4],
  [5, 3, 3, 1],
  [3, 1, 1, 2],
  [1, 5, 1, 1],
];

describe.each(SHAPES)('a %d×%d matrix at rank %d, scaling %d', (m, n, r, scaling) => {
  const sigma = falling(Math.min(m, n));
  const source = random(m, n);
  const weight = matrixOf(m, n, sigma, source);

  it("is left with the tail's norm, the least that any rank-r matrix can (Eckart, Young 1936)", async () => {
    const truncator = createTruncator(engine, source);
    const lowRank = await truncator.truncate(weight, m, n, r, scaling);
    await truncator.dispose();
    expect(lowRank.loraA).toHaveLength(r * n);
    expect(lowRank.loraB).toHaveLength(m * r);
    const tail = Math.hypot(0, ...sigma.slice(r));
    const error = distance(weight, lowRank, m, n, r, scaling);
    const rounding = 1e-6 * Math.hypot(...sigma);
    expect(error).toBeGreaterThanOrEqual(tail - rounding);
    expect(error).toBeLessThanOrEqual(1.001 * tail + rounding);
  });

  it('shares the singular values evenly: A·Aᵀ = Bᵀ·B = diag(σ / s)', async () => {
    const truncator = createTruncator(engine, source);
    const { loraA, loraB } = await truncator.truncate(weight, m, n, r, scaling);
    await truncator.dispose();
    const expected = Array.from({ length: r * r }, (_, at) => (at % (r + 1) === 0 ? sigma[at / (r + 1)] / scaling : 0));
    const gram = (entry: (row: number, i: number) => number, length: number): number[] =>
      Array.from({ length: r * r }, (_, at) => {
        let sum = 0;
        for (let i = 0; i < length; i++) sum += entry(Math.floor(at / r), i) * entry(at % r, i);
        return sum;
      });
    expectClose(
      gram((row, i) => loraA[row * n + i], n),
      expected,
      2e-3,
      'A·Aᵀ',
    );
    expectClose(
      gram((row, i) => loraB[i * r + row], m),
      expected,
      2e-3,
      'Bᵀ·B',
    );
  });
});

it('gives zeros, not NaN, beyond the rank of the matrix', async () => {
  const weight = matrixOf(20, 16, [3, 2], random(5));
  const truncator = createTruncator(engine, random(6));
  const lowRank = await truncator.truncate(weight, 20, 16, 6, 1);
  expect(distance(weight, lowRank, 20, 16, 6, 1)).toBeLessThan(1e-5);
  const zero = await truncator.truncate(new Float32Array(20 * 16), 20, 16, 6, 1);
  await truncator.dispose();
  expect(Math.max(...zero.loraA.map(Math.abs), ...zero.loraB.map(Math.abs))).toBe(0);
});

describe('symmetricEigen', () => {
  it('finds the values and vectors of a matrix put together from them', () => {
    const n = 9;
    const values = [7, 5, 5, 3, 1, 0.5, 0, -2, -4];
    const q = orthonormal(n, n, random(3));
    const matrix = Float64Array.from({ length: n * n }, (_, at) =>
      values.reduce((sum, s, k) => sum + s * q[k][Math.floor(at / n)] * q[k][at % n], 0),
    );
    const found = symmetricEigen(matrix, n);
    expectClose(found.values, values, 1e-12, 'values');
    const rebuilt = matrix.map((_, at) => {
      let sum = 0;
      for (let k = 0; k < n; k++)
        sum += found.values[k] * found.vectors[Math.floor(at / n) * n + k] * found.vectors[(at % n) * n + k];
      return sum;
    });
    expectClose(rebuilt, matrix, 1e-12, 'V·diag·Vᵀ');
  });

  it('takes matrices as large as the largest ranks ask for', () => {
    const n = 400;
    const { values } = symmetricEigen(
      Float64Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? at / (n + 1) : 0)),
      n,
    );
    expect([...values]).toEqual(Array.from({ length: n }, (_, i) => n - 1 - i));
  });

  it('leaves a diagonal matrix as it is, sorted', () => {
    const { values, vectors } = symmetricEigen(Float64Array.of(1, 0, 0, 3), 2);
    expect([...values]).toEqual([3, 1]);
    expect([...vectors]).toEqual([0, 1, 1, 0]);
  });
});

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

/** a·b, a·bᵀ or aᵀ·b for matrices by rows. */
function product(
  [a, rows, inner]: readonly [ArrayLike<number>, number, number],
  [b, , columns]: readonly [ArrayLike<number>, number, number],
): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += a[i * inner + k] * b[k * columns + j];
    return sum;
  });
}

const transposed = (a: ArrayLike<number>, rows: number, columns: number): Float32Array =>
  Float32Array.from({ length: rows * columns }, (_, at) => a[(at % rows) * columns + Math.floor(at / rows)]);

describe.each([
  [24, 24, 5, 1],
  [40, 17, 3, 0.5],
  [17, 40, 3, 4],
] as [number, number, number, number][])('a %d×%d layer at rank %d, scaling %d', (m, n, r, scaling) => {
  /** M = W·L, whose singular values are known, for a symmetric L; the moment of the inputs is L·L. */
  const sigma = falling(Math.min(m, n));
  const source = random(m, n, 7);
  const seen = matrixOf(m, n, sigma, source);
  const basis = orthonormal(n, n, source);
  const spread = Array.from({ length: n }, (_, k) => 0.2 + (2 * k) / n);
  const spectral = (f: (d: number) => number): Float32Array =>
    Float32Array.from({ length: n * n }, (_, at) =>
      spread.reduce((sum, d, k) => sum + f(d) * basis[k][Math.floor(at / n)] * basis[k][at % n], 0),
    );
  const L = spectral((d) => d);
  const weight = product([seen, m, n], [spectral((d) => 1 / d), n, n]);
  const errorOf = ({ loraA, loraB }: { loraA: Float32Array; loraB: Float32Array }): number =>
    distance(seen, { loraA: product([loraA, r, n], [L, n, n]), loraB }, m, n, r, scaling);
  const tail = Math.hypot(...sigma.slice(r));

  it.each([
    ['inputs', () => spectral((d) => d * d)],
    ['outputs', () => product([seen, m, n], [transposed(seen, m, n), n, m])],
  ] as const)('by the moment of its %s leaves of its outputs what any rank-r layer must', async (of, values) => {
    const truncator = createTruncator(engine, source);
    const projected = await truncator.project(weight, m, n, r, scaling, { of, values: values() });
    const truncated = await truncator.truncate(weight, m, n, r, scaling);
    await truncator.dispose();
    expect(errorOf(projected)).toBeGreaterThanOrEqual(tail * (1 - 1e-4));
    expect(errorOf(projected)).toBeLessThanOrEqual(tail * 1.001);
    // The best approximation of the weight alone is not that of what it says.
    expect(errorOf(truncated)).toBeGreaterThan(tail * 1.02);
    const norms = (matrix: Float32Array, step: (k: number, i: number) => number, length: number): number[] =>
      Array.from({ length: r }, (_, k) => Math.hypot(...Array.from({ length }, (_, i) => matrix[step(k, i)])));
    expectClose(
      norms(projected.loraA, (k, i) => k * n + i, n),
      norms(projected.loraB, (k, i) => i * r + k, m),
      1e-4,
      'norms of A and B',
    );
  });

  it('tells what the factors miss of the weight where a vector goes in', async () => {
    const truncator = createTruncator(engine, source);
    const { loraA, loraB } = await truncator.truncate(weight, m, n, r, scaling);
    const x = Float32Array.from({ length: n }, () => source.normal());
    const missed = await truncator.missed(weight, m, n, r, scaling, { loraA, loraB }, x);
    await truncator.dispose();
    const expected = Float64Array.from({ length: m }, (_, i) =>
      x.reduce((sum, value, j) => {
        let held = 0;
        for (let k = 0; k < r; k++) held += loraB[i * r + k] * loraA[k * n + j];
        return sum + (weight[i * n + j] - scaling * held) * value;
      }, 0),
    );
    expectClose(missed, expected, 1e-5, '(W - s·B·A)·x');
  });

  it('as a table, by the rows that are looked up, leaves of them what any rank-r table must', async () => {
    // Words that come often count more: M holds each as often as it comes.
    const frequency = Array.from({ length: m }, (_, i) => 0.3 + (3 * i) / m);
    const table = Float32Array.from(seen, (value, at) => value / frequency[Math.floor(at / n)]);
    const truncator = createTruncator(engine, source);
    const values = product([transposed(seen, m, n), n, m], [seen, m, n]);
    const { loraA, loraB } = await truncator.project(table, m, n, r, scaling, { of: 'rows', values });
    await truncator.dispose();
    const often = { loraA, loraB: loraB.map((value, at) => value * frequency[Math.floor(at / r)]) };
    const error = distance(seen, often, m, n, r, scaling);
    expect(error).toBeGreaterThanOrEqual(tail * (1 - 1e-4));
    expect(error).toBeLessThanOrEqual(tail * 1.001);
  });
});

it('by a moment without full rank keeps the directions that it has, and gives no NaN', async () => {
  const [m, n, r] = [12, 10, 6];
  const weight = matrixOf(m, n, falling(n), random(8));
  const rows = matrixOf(4, n, [3, 2, 1, 1], random(9)); // four inputs, of which all outputs can be kept
  const values = product([transposed(rows, 4, n), n, 4], [rows, 4, n]);
  const truncator = createTruncator(engine, random(10));
  const { loraA, loraB } = await truncator.project(weight, m, n, r, 1, { of: 'inputs', values });
  const none = await truncator.project(weight, m, n, r, 1, { of: 'inputs', values: new Float32Array(n * n) });
  await truncator.dispose();
  const kept = product([product([rows, 4, n], [transposed(loraA, r, n), n, r]), 4, r], [transposed(loraB, m, r), r, m]);
  expectClose(kept, product([rows, 4, n], [transposed(weight, m, n), n, m]), 1e-4, 'outputs');
  expect([...none.loraA, ...none.loraB].every(Number.isFinite)).toBe(true);
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

/**
 * The best rank-r approximation of a weight matrix, by randomized subspace iteration (Halko, Martinsson, Tropp 2011,
 * algorithms 4.4 and 5.1): the products with W run on the engine, what is left works on matrices of a few dozen
 * columns.
 */
import type { Random } from '../../runtime/random.ts';
import { type Engine, floats, type Program } from '../engines/engine.ts';
import { gemm } from '../graph/ops/gemm.ts';
import { input } from '../graph/ops/leaf.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

/**
 * Columns beyond the rank, and rounds of (W Wᵀ): what trained weights, whose spectra fall slowly, need for a
 * near-optimal error.
 */
const OVERSAMPLING = 12;
const ITERATIONS = 4;

/** W (out, in) ≈ s·B·A. */
export interface LowRank {
  readonly loraA: Float32Array<ArrayBuffer>; // (r, in)
  readonly loraB: Float32Array<ArrayBuffer>; // (out, r)
}

/**
 * What is known of the rows that go through a layer: XᵀX of its inputs, (in, in); YᵀY of its outputs before the bias,
 * (out, out); or, of a table, of the rows that are looked up, (in, in). Any factor before it means nothing.
 */
export interface Moment {
  readonly of: 'inputs' | 'outputs' | 'rows';
  readonly values: Float32Array;
  /** The mean of a layer's inputs, (in), whatever the moment is of; where it was asked for. */
  readonly mean?: Float32Array;
}

/** Splits weights into B·A, one after another; programs are shared by weights of one shape. */
export interface Truncator {
  /** W (out, in) ≈ scaling·B·A with the singular values shared evenly: A = √(S/s)·Vᵀ, B = U·√(S/s). */
  truncate(
    weight: Float32Array,
    outFeatures: number,
    inFeatures: number,
    rank: number,
    scaling: number,
  ): Promise<LowRank>;
  /**
   * W (out, in) ≈ scaling·B·A = U·Uᵀ·W, where U holds the r directions in which the layer's outputs are largest; of a
   * table W·V·Vᵀ, with the directions of the rows that are looked up. It is the best approximation of these outputs:
   * SVD_r(W·L)·L⁻¹ with L·Lᵀ the second moment of the inputs (SVD-LLM, Wang et al. 2024, section 3.1), whose left singular
   * vectors are U; but without L and its inverse, so that a moment without full rank needs no floor.
   */
  project(
    weight: Float32Array,
    outFeatures: number,
    inFeatures: number,
    rank: number,
    scaling: number,
    moment: Moment,
  ): Promise<LowRank>;
  /** (W - scaling·B·A)·x, (out): what the factors miss of W where x (in) goes in. */
  missed(
    weight: Float32Array,
    outFeatures: number,
    inFeatures: number,
    rank: number,
    scaling: number,
    lowRank: LowRank,
    x: Float32Array,
  ): Promise<Float32Array<ArrayBuffer>>;
  dispose(): Promise<void>;
}

/**
 * Compiles a program for each size of weight when it first comes; `dispose` gives them back. The same source of random
 * numbers and the same order of weights give the same factors.
 */
export function createTruncator(engine: Engine, source: Random): Truncator {
  const programs = new Map<string, Promise<Program>>();

  /** W·X, or Wᵀ·X. */
  async function product(
    weight: Float32Array,
    m: number,
    n: number,
    x: Float32Array,
    columns: number,
    transposed: boolean,
  ): Promise<Float32Array> {
    const key = `${m} ${n} ${columns} ${transposed}`;
    const xShape = [transposed ? m : n, columns];
    const compiled =
      programs.get(key) ??
      engine.compile({ outputs: { y: gemm(input('w', [m, n]), input('x', xShape), null, { transA: transposed }) } });
    programs.set(key, compiled);
    const w = engine.upload(floats(weight, [m, n]));
    const right = engine.upload(floats(x, xShape));
    const { y } = await (await compiled).run({ w, x: right });
    const values = (await y.read()).slice() as Float32Array;
    for (const tensor of [w, right, y]) tensor.dispose();
    return values;
  }

  /** The leading eigenvectors (size, rank) of a symmetric matrix, by what it makes of k columns (size, k). */
  async function directions(
    size: number,
    rank: number,
    applied: (q: Float32Array, k: number) => Promise<Float32Array>,
  ): Promise<Float32Array> {
    const k = Math.min(rank + OVERSAMPLING, size);
    const drawn = Float32Array.from({ length: size * k }, () => source.normal());
    let q = orthonormalized(drawn, size, k);
    for (let round = 0; round < ITERATIONS; round++) q = orthonormalized(await applied(q, k), size, k);
    const { vectors } = symmetricEigen(gramOf(q, await applied(q, k), size, k), k);
    const leading = new Float32Array(size * rank);
    for (let i = 0; i < size; i++) for (let r = 0; r < rank; r++) leading[i * rank + r] = rowDot(q, i, k, vectors, r);
    return leading;
  }

  return {
    async truncate(weight, m, n, rank, scaling) {
      const k = Math.min(rank + OVERSAMPLING, m, n);
      let basis: Float32Array = Float32Array.from({ length: n * k }, () => source.normal()); // (n, k)
      let q: Float32Array = new Float32Array(0);
      for (let round = 0; round <= ITERATIONS; round++) {
        q = orthonormalized(await product(weight, m, n, basis, k, false), m, k); // (m, k)
        basis = await product(weight, m, n, q, k, true); // (n, k) = (QᵀW)ᵀ
        if (round < ITERATIONS) basis = orthonormalized(basis, n, k);
      }
      return fromProjection(q, basis, m, n, k, rank, scaling);
    },
    async project(weight, m, n, rank, scaling, { of, values }) {
      if (of === 'rows') {
        const right = await directions(n, rank, (q, k) => product(values, n, n, q, k, false));
        return evened(await product(weight, m, n, right, rank, false), right, m, n, rank, scaling);
      }
      const left = await directions(m, rank, async (q, k) => {
        if (of === 'outputs') return product(values, m, m, q, k, false);
        const seen = await product(values, n, n, await product(weight, m, n, q, k, true), k, false);
        return product(weight, m, n, seen, k, false);
      });
      return evened(left, await product(weight, m, n, left, rank, true), m, n, rank, scaling);
    },
    async missed(weight, m, n, rank, scaling, { loraA, loraB }, x) {
      const whole = await product(weight, m, n, x, 1, false);
      const held = await product(loraB, m, rank, await product(loraA, rank, n, x, 1, false), 1, false);
      return Float32Array.from(whole, (value, i) => value - scaling * held[i]);
    },
    async dispose() {
      for (const program of programs.values()) await (await program).dispose();
    },
  };
}

/** The symmetric part of QᵀY for matrices (rows, k). */
function gramOf(q: Float32Array, y: Float32Array, rows: number, k: number): Float64Array {
  const gram = new Float64Array(k * k);
  for (let i = 0; i < rows; i++)
    for (let a = 0; a < k; a++) for (let b = 0; b < k; b++) gram[a * k + b] += q[i * k + a] * y[i * k + b];
  for (let a = 0; a < k; a++)
    for (let b = 0; b < a; b++) gram[a * k + b] = gram[b * k + a] = (gram[a * k + b] + gram[b * k + a]) / 2;
  return gram;
}

/** scaling·B·A = left·rightᵀ for (m, r) and (n, r), with B and A of one norm in each direction. */
function evened(left: Float32Array, right: Float32Array, m: number, n: number, rank: number, scaling: number): LowRank {
  const loraA = new Float32Array(rank * n);
  const loraB = new Float32Array(m * rank);
  for (let r = 0; r < rank; r++) {
    const [ofLeft, ofRight] = [columnNorm(left, m, rank, r), columnNorm(right, n, rank, r)];
    // A direction in which nothing goes out stays zero.
    if (ofLeft === 0 || ofRight === 0) continue;
    const [toB, toA] = [Math.sqrt(ofRight / (ofLeft * scaling)), Math.sqrt(ofLeft / (ofRight * scaling))];
    for (let i = 0; i < m; i++) loraB[i * rank + r] = toB * left[i * rank + r];
    for (let i = 0; i < n; i++) loraA[r * n + i] = toA * right[i * rank + r];
  }
  return { loraA, loraB };
}

function columnNorm(matrix: Float32Array, rows: number, columns: number, column: number): number {
  let squares = 0;
  for (let i = 0; i < rows; i++) squares += matrix[i * columns + column] ** 2;
  return Math.sqrt(squares);
}

/** The singular value decomposition of QᵀW from the eigenvectors of its (k, k) Gram matrix. */
function fromProjection(
  q: Float32Array,
  projected: Float32Array,
  m: number,
  n: number,
  k: number,
  rank: number,
  scaling: number,
): LowRank {
  const gram = new Float64Array(k * k);
  for (let i = 0; i < n; i++) {
    for (let a = 0; a < k; a++)
      for (let b = a; b < k; b++) gram[a * k + b] += projected[i * k + a] * projected[i * k + b];
  }
  for (let a = 0; a < k; a++) for (let b = 0; b < a; b++) gram[a * k + b] = gram[b * k + a];
  const { values, vectors } = symmetricEigen(gram, k);
  const loraA = new Float32Array(rank * n);
  const loraB = new Float32Array(m * rank);
  for (let r = 0; r < rank; r++) {
    // B·Aᵀ's column r is σ·u·vᵀ = (Q·e)·(Wᵀ·Q·e)ᵀ; both sides get √(σ/s).
    const sigma = Math.sqrt(Math.max(values[r], 0));
    const root = Math.sqrt(sigma / scaling);
    for (let i = 0; i < m; i++) loraB[i * rank + r] = root * rowDot(q, i, k, vectors, r);
    if (sigma > 0) for (let i = 0; i < n; i++) loraA[r * n + i] = (root / sigma) * rowDot(projected, i, k, vectors, r);
  }
  return { loraA, loraB };
}

function rowDot(matrix: Float32Array, row: number, k: number, vectors: Float64Array, column: number): number {
  let sum = 0;
  for (let j = 0; j < k; j++) sum += matrix[row * k + j] * vectors[j * k + column];
  return sum;
}

/**
 * Gram-Schmidt, twice over for accuracy in float32. x (rows, columns), columns orthonormal afterwards.
 * Columns lie in one piece each, and four are taken at a time, for word tables, which have tens of thousands of rows:
 * 30,522 × 768 at rank 64 takes 4 s on two cores, where stepping over rows took 12.
 */
function orthonormalized(x: Float32Array, rows: number, columns: number): Float32Array {
  const done: Float64Array[] = [];
  const none = new Float64Array(rows);
  for (let c = 0; c < columns; c++) {
    const column = new Float64Array(rows);
    for (let i = 0; i < rows; i++) column[i] = x[i * columns + c];
    for (let pass = 0; pass < 2; pass++) {
      for (let p = 0; p < c; p += 4)
        removeFour(column, done[p], done[p + 1] ?? none, done[p + 2] ?? none, done[p + 3] ?? none);
    }
    let squares = 0;
    for (let i = 0; i < rows; i++) squares += column[i] ** 2;
    const inverse = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let i = 0; i < rows; i++) column[i] *= inverse;
    done.push(column);
  }
  const q = new Float32Array(rows * columns);
  done.forEach((column, c) => {
    for (let i = 0; i < rows; i++) q[i * columns + c] = column[i];
  });
  return q;
}

/** Takes from x what lies along four orthonormal vectors. */
function removeFour(x: Float64Array, a: Float64Array, b: Float64Array, c: Float64Array, d: Float64Array): void {
  let [alongA, alongB, alongC, alongD] = [0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const v = x[i];
    alongA += a[i] * v;
    alongB += b[i] * v;
    alongC += c[i] * v;
    alongD += d[i] * v;
  }
  for (let i = 0; i < x.length; i++) x[i] -= alongA * a[i] + alongB * b[i] + alongC * c[i] + alongD * d[i];
}

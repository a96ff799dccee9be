/** What the directions of a layer are worth, by which ranks are spread over the layers (`growth`). */
import { type Layer, linearSize } from '../models/layers.ts';
import type { Moment } from './svd.ts';
import { symmetricEigenvalues } from './symmetric-eigen.ts';

/**
 * The root of the least pivot of correlations, whose diagonal is 1: above what is left of them by rounding in sums of float32,
 * below what matters.
 */
const LEAST_ROOT = Math.sqrt(1e-5);

/**
 * The squared singular values of W·L, with L·Lᵀ = XᵀX of the layer's inputs: how much of its squared outputs each of its
 * directions carries (SVD-LLM, Wang et al. 2024, section 3.1). In falling order, as shares of all that the layer puts out:
 * outputs of layers are not comparable, where some are added to a stream and some make scores.
 */
export function energies(layer: Layer, weight: Float32Array, { of, values }: Moment): Float64Array {
  const { inFeatures, outFeatures } = linearSize(layer);
  const spectrum =
    of === 'outputs'
      ? symmetricEigenvalues(Float64Array.from(values), outFeatures)
      : productSpectrum(values, gramOfRows(weight, inFeatures), inFeatures);
  const positive = spectrum.map((value) => Math.max(value, 0));
  const all = positive.reduce((sum, value) => sum + value, 0);
  return all > 0 ? positive.map((value) => value / all) : positive;
}

/**
 * What errors in a layer's directions cost: the eigenvalues of the Gauss-Newton matrix of the block outputs' squared error
 * with respect to W, taken together with W, under K-FAC's assumption that a layer's inputs and what flows back to its
 * outputs are independent (Martens, Grosse 2015, section 3): an error E in W costs tr(E·XᵀX·Eᵀ·ΔᵀΔ), so that of W·L,
 * weighted by R with R·Rᵀ = ΔᵀΔ, each singular direction costs its squared singular value where it is left out. Comparable
 * between layers, for all are costs of one loss. In falling order, up to one factor for all layers.
 * @param backwards of `collectBackwards`
 */
export function costsOfErrors(layer: Layer, { values }: Moment, backwards: Float32Array): Float64Array {
  const { inFeatures, outFeatures } = linearSize(layer);
  const spectrum = productSpectrum(values, backwards, Math.min(inFeatures, outFeatures));
  return spectrum.map((value) => Math.max(value, 0));
}

/**
 * The eigenvalues of S·P for symmetric, positive semidefinite S and P (n, n), in falling order: those of Lᵀ·P·L with
 * L·Lᵀ = S.
 */
export function productSpectrum(s: ArrayLike<number>, p: ArrayLike<number>, n: number): Float64Array {
  const l = choleskyFactor(s, n);
  const pl = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) addRow(pl, i * n, p[i * n + k], l, k * n, k + 1);
  const product = new Float64Array(n * n);
  for (let k = 0; k < n; k++) for (let i = 0; i <= k; i++) addRow(product, i * n, l[k * n + i], pl, k * n, i + 1);
  return symmetricEigenvalues(product, n);
}

/**
 * L of S = L·Lᵀ, below and on the diagonal. S is what a sum in float32 makes of a semidefinite matrix: its correlations'
 * pivots get a floor, so that directions that nothing came from are no rounding error's. What is left below such a pivot is
 * rounding, too: divided by it, it would grow from row to row until it overflows.
 */
function choleskyFactor(s: ArrayLike<number>, n: number): Float64Array {
  const deviations = Float64Array.from({ length: n }, (_, i) => Math.sqrt(Math.max(s[i * n + i], 0)));
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const scale = deviations[i] * deviations[j];
      let left = scale > 0 ? s[i * n + j] / scale : 0;
      for (let k = 0; k < j; k++) left -= l[i * n + k] * l[j * n + k];
      const pivot = l[j * n + j];
      if (i === j) l[i * n + i] = Math.max(Math.sqrt(Math.max(left, 0)), LEAST_ROOT);
      else l[i * n + j] = pivot > LEAST_ROOT ? left / pivot : 0;
    }
  }
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) l[i * n + j] *= deviations[i];
  return l;
}

/** XᵀX of rows (rows, n). */
function gramOfRows(rows: Float32Array, n: number): Float64Array {
  const gram = new Float64Array(n * n);
  for (let row = 0; row < rows.length; row += n)
    for (let i = 0; i < n; i++) addRow(gram, i * n, rows[row + i], rows, row, i + 1);
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) gram[j * n + i] = gram[i * n + j];
  return gram;
}

/** Adds a multiple of `count` values of one matrix to those of another. */
function addRow(
  to: Float64Array,
  at: number,
  factor: number,
  from: Float64Array | Float32Array,
  start: number,
  count: number,
): void {
  if (factor === 0) return;
  for (let j = 0; j < count; j++) to[at + j] += factor * from[start + j];
}

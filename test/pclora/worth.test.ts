/** Spectra of layers against Jacobi's rotations in float64, and eigenvalues against those that are known in closed form. */
import { describe, expect, it } from 'vitest';
import { linearLayer } from '../../cli/models/layers.ts';
import { symmetricEigen, symmetricEigenvalues } from '../../cli/pclora/symmetric-eigen.ts';
import { costsOfErrors, energies, productSpectrum } from '../../cli/pclora/worth.ts';
import { random } from '../../runtime/random.ts';
import { expectClose } from '../support/compare.ts';

/** Left times right, (rows, inner) and (inner, columns). */
function product(left: ArrayLike<number>, right: ArrayLike<number>, rows: number, inner: number): Float64Array {
  const columns = right.length / inner;
  return Float64Array.from({ length: rows * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += left[i * inner + k] * right[k * columns + j];
    return sum;
  });
}

function transposed(x: ArrayLike<number>, columns: number): Float64Array {
  const rows = x.length / columns;
  return Float64Array.from({ length: x.length }, (_, at) => x[(at % rows) * columns + Math.floor(at / rows)]);
}

/** Random rows of which each column is e^(-fall·i) large. */
function rowsOf(rows: number, columns: number, fall: number, seed: number): Float32Array {
  const source = random(seed);
  return Float32Array.from({ length: rows * columns }, (_, at) => source.normal() * Math.exp(-fall * (at % columns)));
}

const gram = (rows: ArrayLike<number>, columns: number): Float32Array =>
  Float32Array.from(product(transposed(rows, columns), rows, columns, rows.length / columns));

describe('eigenvalues', () => {
  it.each([1, 2, 3, 8, 50])('of the second difference of %d values are 2 - 2·cos(kπ / (n + 1))', (n) => {
    const matrix = Float64Array.from({ length: n * n }, (_, at) => {
      const apart = Math.abs(Math.floor(at / n) - (at % n));
      return apart === 0 ? 2 : apart === 1 ? -1 : 0;
    });
    const expected = Array.from({ length: n }, (_, k) => 2 - 2 * Math.cos(((n - k) * Math.PI) / (n + 1)));
    expectClose(symmetricEigenvalues(matrix, n), expected, 1e-14, 'eigenvalues');
  });

  it('of no, equal and negative values', () => {
    expect([...symmetricEigenvalues(new Float64Array(16), 4)]).toEqual([0, 0, 0, 0]);
    expect([...symmetricEigenvalues(Float64Array.of(3, 0, 0, 0, 3, 0, 0, 0, -5), 3)]).toEqual([3, 3, -5]);
  });

  it.each([
    [40, 0],
    [40, 0.5],
    [17, 2],
  ])('of %d random ones that fall by e^-%d are those that rotations find', (n, fall) => {
    const matrix = Float64Array.from(gram(rowsOf(n + 3, n, fall, n), n));
    expectClose(symmetricEigenvalues(matrix, n), symmetricEigen(matrix, n).values, 1e-12, 'eigenvalues');
  });

  it('are refused where the matrix is none', () => {
    expect(() => symmetricEigenvalues(new Float64Array(9).fill(NaN), 3)).toThrow(/finite/);
  });
});

describe("a layer's energies", () => {
  const shares = (spectrum: Float64Array, count: number): Float64Array => {
    const all = spectrum.reduce((sum, value) => sum + value, 0);
    return spectrum.map((value) => value / all).subarray(0, count);
  };

  it.each([
    ['wider outputs', 12, 20, 200],
    ['as wide outputs', 16, 16, 200],
    ['fewer rows than inputs', 12, 20, 7],
  ])('are the shares of W·XᵀX·Wᵀ of %s', (_, inFeatures, outFeatures, seen) => {
    const layer = linearLayer('block.0.up', inFeatures, outFeatures, 'linear', 0);
    const weight = rowsOf(outFeatures, inFeatures, 0, 5);
    const values = gram(rowsOf(seen, inFeatures, 0.4, 6), inFeatures);
    const outputs = product(
      product(weight, values, outFeatures, inFeatures),
      transposed(weight, inFeatures),
      outFeatures,
      inFeatures,
    );
    const expected = shares(symmetricEigen(outputs, outFeatures).values, inFeatures);
    // Floors of pivots are told from nothing, not from what matters.
    expectClose(energies(layer, weight, { of: 'inputs', values }), expected, 3e-5, 'energies');
  });

  it.each([1e-6, 1e-5])('are those of inputs in a narrow space whose moment is off by %d of rounding', (rounding) => {
    // As a ViT's first layers see them: pixels, places and nothing else. 24 of 64 directions are rounding.
    const [width, rank] = [64, 40];
    const layer = linearLayer('block.0.up', width, width, 'linear', 0);
    const seen = product(rowsOf(500, rank, 0, 11), rowsOf(rank, width, 0, 12), 500, rank);
    const exact = product(transposed(seen, width), seen, width, 500);
    const source = random(13);
    const values = Float32Array.from(exact);
    for (let i = 0; i < width; i++)
      for (let j = 0; j < i; j++) {
        const off = rounding * source.normal() * Math.sqrt(exact[i * width + i] * exact[j * width + j]);
        values[i * width + j] = values[j * width + i] = exact[i * width + j] + off;
      }
    const weight = rowsOf(width, width, 0, 14);
    const outputs = product(product(weight, exact, width, width), transposed(weight, width), width, width);
    const expected = shares(symmetricEigen(outputs, width).values, width);
    expectClose(energies(layer, weight, { of: 'inputs', values }), expected, 2e-3, 'energies');
  });

  it('are those of YᵀY where the outputs are narrower', () => {
    const layer = linearLayer('block.0.down', 20, 12, 'linear', 0);
    const values = gram(rowsOf(100, 12, 0.5, 7), 12);
    const expected = shares(symmetricEigen(Float64Array.from(values), 12).values, 12);
    expectClose(energies(layer, rowsOf(12, 20, 0, 8), { of: 'outputs', values }), expected, 1e-12, 'energies');
  });

  it('are nothing where nothing goes through', () => {
    const layer = linearLayer('block.0.up', 3, 4, 'linear', 0);
    const values = new Float32Array(9);
    expect([...energies(layer, new Float32Array(12).fill(1), { of: 'inputs', values })]).toEqual([0, 0, 0]);
  });

  it('lie in the direction that alone is seen', () => {
    const layer = linearLayer('block.0.query', 3, 3, 'linear', 0);
    const weight = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
    const [first, ...others] = energies(layer, weight, {
      of: 'inputs',
      values: Float32Array.of(4, 0, 0, 0, 0, 0, 0, 0, 0),
    });
    expect(first).toBeCloseTo(1, 12);
    for (const other of others) expect(other).toBeCloseTo(0, 12);
  });
});

it.each([
  ['as wide', 8, 8],
  ['with wider outputs', 6, 9],
  ['with wider inputs', 9, 6],
])('what errors cost in a layer %s are the squared singular values of R·W·L', (_, inFeatures, outFeatures) => {
  const layer = linearLayer('block.0.up', inFeatures, outFeatures, 'linear', 0);
  const weight = rowsOf(outFeatures, inFeatures, 0.1, 3);
  const [inputs, delta] = [rowsOf(60, inFeatures, 0.2, 4), rowsOf(60, outFeatures, 0.2, 5)];
  const outputs = product(inputs, transposed(weight, inFeatures), 60, inFeatures);
  // ΔᵀΔ·W·XᵀX·Wᵀ, made symmetric by the root of ΔᵀΔ.
  const { values, vectors } = symmetricEigen(Float64Array.from(gram(delta, outFeatures)), outFeatures);
  const root = Float64Array.from(
    { length: outFeatures ** 2 },
    (_, at) => vectors[at] * Math.sqrt(Math.max(values[at % outFeatures], 0)),
  );
  const weighted = product(outputs, root, 60, outFeatures);
  const expected = symmetricEigen(Float64Array.from(gram(weighted, outFeatures)), outFeatures).values;
  const n = Math.min(inFeatures, outFeatures);
  const moment =
    inFeatures <= outFeatures
      ? { of: 'inputs' as const, values: gram(inputs, inFeatures) }
      : { of: 'outputs' as const, values: gram(outputs, outFeatures) };
  const flow = inFeatures <= outFeatures ? product(delta, weight, 60, outFeatures) : delta;
  expectClose(costsOfErrors(layer, moment, gram(flow, n)), expected.subarray(0, n), 1e-4, 'costs');
});

it('the spectrum of a product is that of S·P', () => {
  const n = 10;
  const [s, p] = [gram(rowsOf(30, n, 0.3, 1), n), gram(rowsOf(30, n, 0.2, 2), n)];
  const { values, vectors } = symmetricEigen(Float64Array.from(s), n);
  const root = Float64Array.from({ length: n * n }, (_, at) => vectors[at] * Math.sqrt(Math.max(values[at % n], 0)));
  const similar = product(product(transposed(root, n), p, n, n), root, n, n);
  expectClose(productSpectrum(s, p, n), symmetricEigen(similar, n).values, 1e-5, 'spectrum');
});

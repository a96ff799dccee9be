/** Tensors in float64 with nothing clever: what an operation is proven against. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export type Index = readonly number[];

/** The tensor whose entry at `index` is `value(index)`. */
export function tensor(shape: readonly number[], value: (index: Index) => number): Tensor {
  const data = new Float64Array(shape.reduce((product, size) => product * size, 1));
  for (let flat = 0; flat < data.length; flat++) data[flat] = value(indexOf(flat, shape));
  return { shape, data };
}

function indexOf(flat: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  let rest = flat;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return index;
}

/** An entry, as NumPy broadcasts: leading axes that the tensor lacks are skipped, axes of size 1 are read at 0. */
export function at({ shape, data }: Tensor, ...index: Index): number {
  let flat = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const i = index[index.length - shape.length + axis];
    flat = flat * shape[axis] + (shape[axis] === 1 ? 0 : i);
  }
  return data[flat];
}

export function sumOver(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}

/** erf(x) = 2/√π · e^(-x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!: all terms of one sign, so no digits are lost. */
export function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** e^x / Σ e^x over a row. */
export function softmaxOf(row: readonly number[]): number[] {
  const largest = Math.max(...row);
  const powers = row.map((x) => Math.exp(x - largest));
  const total = sumOver(row.length, (i) => powers[i]);
  return powers.map((power) => power / total);
}

/** Mean and 1/√(variance + ε) of a row. */
export function statisticsOf(row: readonly number[], epsilon: number): { mean: number; invStd: number } {
  const mean = sumOver(row.length, (i) => row[i]) / row.length;
  const variance = sumOver(row.length, (i) => (row[i] - mean) ** 2) / row.length;
  return { mean, invStd: 1 / Math.sqrt(variance + epsilon) };
}

/** The last axis at an index without it. */
export function rowOf(x: Tensor, leading: Index): number[] {
  return Array.from({ length: x.shape[x.shape.length - 1] }, (_, i) => at(x, ...leading, i));
}

/**
 * d f / d x[i] for every entry of an input by central differences. f is given in float64, so that they are good to nine
 * digits.
 */
export function centralDifferences(f: () => number, x: Tensor): Float64Array {
  const h = 1e-5;
  return x.data.map((_, i) => {
    const kept = x.data[i];
    x.data[i] = kept + h;
    const above = f();
    x.data[i] = kept - h;
    const below = f();
    x.data[i] = kept;
    const slope = (above - below) / (2 * h);
    return Math.abs(slope) < 1e-8 ? 0 : slope; // below the differences' own rounding
  });
}

/**
 * Int4 weights in groups of 32 along a row: w ≈ scale · factor · q, with q in -8..7, a whole factor for each group, of
 * either sign and at most 15, and an f32 scale for each row. Factor times q is an int8 (at most 120), so that products
 * stay those of int8 weights. Where a factor is small so is what its rounding does, beside the row's largest weights: a
 * group's own scale in f32 would leave an error that is 1 to 2 % smaller, a scale for a whole tensor one that is 1 to
 * 10 % larger (a ViT of 128 at rank 16, MiniLM-L6 at rank 26).
 */
import { INT4_GROUP, int4Shape, MAX_INT4_FACTOR } from '../../runtime/artifact/steps.ts';

/** A weight (rows, columns) in int4, as it is stored. */
export interface Int4Weight {
  /** Two values a byte, (rows, bytes): see `int4Shape`. */
  readonly packed: Uint8Array;
  /** (rows, groups) */
  readonly factors: Int8Array;
  readonly scales: Float32Array;
}

/** The most that factor times q may be; a row's largest weight is as large. */
export const LARGEST_INT4 = 8 * MAX_INT4_FACTOR;

/**
 * Whether a weight whose rows have so many columns is stored in int4 where that is asked for. Rows that are shorter
 * than a group, as those of most second factors, would take as many bytes as in int8, or hardly fewer: they stay int8.
 */
export function takesInt4(columns: number): boolean {
  return columns >= INT4_GROUP;
}

/**
 * Quantizes each row of a weight (rows, columns). Of -8..7 a group's value of largest size is to be -8, which decides
 * the factor: the nearest whole one.
 * @throws RangeError naming a weight that is not finite
 */
export function quantizeInt4(values: Float32Array, rows: number, columns: number, name: string): Int4Weight {
  const [, rowBytes] = int4Shape(rows, columns);
  const groups = Math.ceil(columns / INT4_GROUP);
  const packed = new Uint8Array(rows * rowBytes);
  const factors = new Int8Array(rows * groups);
  const scales = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    const row = values.subarray(r * columns, (r + 1) * columns);
    const largest = Math.abs(largestOf(row));
    if (!Number.isFinite(largest))
      throw new RangeError(`${name}: row ${r} holds a value that is not finite; it can't be quantized`);
    scales[r] = largest / LARGEST_INT4;
    if (scales[r] === 0) continue;
    for (let g = 0; g < groups; g++) {
      const group = row.subarray(g * INT4_GROUP, (g + 1) * INT4_GROUP);
      const factor = factorOf(largestOf(group), scales[r]);
      factors[r * groups + g] = factor;
      packGroup(group, scales[r] * factor, packed, r * rowBytes + (g * INT4_GROUP) / 2);
    }
  }
  return { packed, factors, scales };
}

/** What is left of the values (rows, columns): whole numbers of -120..120, to be multiplied with their row's scale. */
export function unpackInt4({ packed, factors }: Omit<Int4Weight, 'scales'>, rows: number, columns: number): Int8Array {
  const [, rowBytes] = int4Shape(rows, columns);
  const half = INT4_GROUP / 2;
  return Int8Array.from({ length: rows * columns }, (_, at) => {
    const [r, i] = [Math.floor(at / columns), at % columns];
    const group = Math.floor(i / INT4_GROUP);
    const byte = packed[r * rowBytes + group * half + (i % half)];
    const bits = i % INT4_GROUP < half ? byte & 15 : byte >> 4;
    return (bits < 8 ? bits : bits - 16) * factors[(r * rowBytes) / half + group];
  });
}

function factorOf(largest: number, scale: number): number {
  const size = Math.max(1, Math.min(MAX_INT4_FACTOR, Math.round(Math.abs(largest) / (8 * scale))));
  return largest < 0 ? size : -size;
}

function packGroup(group: Float32Array, step: number, packed: Uint8Array, at: number): void {
  const half = INT4_GROUP / 2;
  group.forEach((value, i) => {
    const bits = Math.max(-8, Math.min(7, Math.round(value / step)));
    packed[at + (i % half)] |= (bits & 15) << (i < half ? 0 : 4);
  });
}

/**
 * The value of largest size, with its sign; of two that differ in that alone the one above 0. NaN where there is one.
 */
function largestOf(values: Float32Array): number {
  let [low, high] = [0, 0];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return -low > high ? low : high;
}

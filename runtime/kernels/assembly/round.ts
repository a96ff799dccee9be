import { constant } from './constants';

const TABLE: usize = memory.data<f32>([12582912]);

/**
 * 1.5 · 2^23: a float of at most 2^22 plus this is rounded to an integer (halves to even), which stands in the low bits
 * of the sum.
 */
// @ts-ignore: decorator
@inline
export function roundingMagic(): v128 {
  return constant(TABLE, 0);
}

/** round(v · factor) + (magic - offset) as integers, the last in i32: an offset of magic itself adds nothing. */
// @ts-ignore: decorator
@inline
export function rounded(v: v128, factor: v128, magic: v128, offset: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(v, factor), magic), offset);
}

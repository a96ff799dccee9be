/** The tiles with SIMD128 alone: eight products an instruction, of 16-bit values. See ./tile for the layout. */
import { finished, startOf } from './epilogue';
import { groupsOf } from './lanes';
import { quantizedRowBytes } from './quantize';

/** out (rows, groups · 4) i16 = the rows' values. */
export function widen(x: usize, out: usize, rows: i32, inputs: i32): void {
  const stride = quantizedRowBytes(inputs);
  const bytes = <usize>groupsOf(inputs) << 2;
  for (let r = 0; r < rows; r++, x += stride) {
    for (let i: usize = 0; i < bytes; i += 4, out += 8) {
      v128.store64_lane(out, i16x8.extend_low_i8x16_s(v128.load32_zero(x + i)), 0);
    }
  }
}

/**
 * Two rows of x, `stride` bytes apart, with their scales and zeros at `trailer`, and their values as 16-bit numbers in
 * `wide`.
 */
export function tileTwoWide(
  x: usize, stride: usize, trailer: usize, wide: usize, weight: usize, columns: usize, out: usize, outStride: usize,
  groups: i32,
): void {
  let a0 = i32x4.splat(0);
  let b0 = i32x4.splat(0);
  let c0 = i32x4.splat(0);
  let d0 = i32x4.splat(0);
  let a1 = i32x4.splat(0);
  let b1 = i32x4.splat(0);
  let c1 = i32x4.splat(0);
  let d1 = i32x4.splat(0);
  let wide1 = wide + (<usize>groups << 3);
  for (const end = wide1; wide < end; wide += 8, wide1 += 8, weight += 32) {
    const v0 = v128.load64_splat(wide);
    const v1 = v128.load64_splat(wide1);
    const a = v128.load8x8_s(weight);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(a, v0));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(a, v1));
    const b = v128.load8x8_s(weight, 8);
    b0 = i32x4.add(b0, i32x4.dot_i16x8_s(b, v0));
    b1 = i32x4.add(b1, i32x4.dot_i16x8_s(b, v1));
    const c = v128.load8x8_s(weight, 16);
    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(c, v0));
    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(c, v1));
    const d = v128.load8x8_s(weight, 24);
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(d, v0));
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(d, v1));
  }
  store(out, x + trailer, columns, a0, b0, c0, d0);
  store(out + outStride, x + trailer + stride, columns, a1, b1, c1, d1);
}

/** One row of x. */
export function tileOneWide(
  x: usize, trailer: usize, wide: usize, weight: usize, columns: usize, out: usize, groups: i32,
): void {
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  for (const end = wide + (<usize>groups << 3); wide < end; wide += 8, weight += 32) {
    const v = v128.load64_splat(wide);
    a = i32x4.add(a, i32x4.dot_i16x8_s(v128.load8x8_s(weight), v));
    b = i32x4.add(b, i32x4.dot_i16x8_s(v128.load8x8_s(weight, 8), v));
    c = i32x4.add(c, i32x4.dot_i16x8_s(v128.load8x8_s(weight, 16), v));
    d = i32x4.add(d, i32x4.dot_i16x8_s(v128.load8x8_s(weight, 24), v));
  }
  store(out, x + trailer, columns, a, b, c, d);
}

/** Each register holds two outputs, as two sums each. */
// @ts-ignore: decorator
@inline
function store(out: usize, trailer: usize, columns: usize, a: v128, b: v128, c: v128, d: v128): void {
  const low = i32x4.add(pairSums(a, b), startOf(trailer, v128.load(columns, 32)));
  const high = i32x4.add(pairSums(c, d), startOf(trailer, v128.load(columns, 48)));
  v128.store(out, finished(low, trailer, v128.load(columns), v128.load(columns, 64)));
  v128.store(out, finished(high, trailer, v128.load(columns, 16), v128.load(columns, 80)), 16);
}

// @ts-ignore: decorator
@inline
function pairSums(a: v128, b: v128): v128 {
  return i32x4.add(v128.shuffle<i32>(a, b, 0, 2, 4, 6), v128.shuffle<i32>(a, b, 1, 3, 5, 7));
}

// A quantized row: its values, one byte each in 0..127 and padded with zeros to a multiple of 16; then its scale (f32)
// and its zero point (i32), in 16 bytes of their own. x ≈ scale · (value - zero). 7 bits, not 8: the relaxed dot
// product is only defined for them.
import { alignUp, LANES, maxF32, minF32, REGISTER, sumF32 } from './lanes';
import { rounded, roundingMagic } from './round';

/** A row whose values lie closer together than this counts as zeros: its scale would not be a normal number. */
const TINY: f32 = 1e-30;

/** Bytes of a quantized row: its values, padded, and what stands behind them. */
// @ts-ignore: decorator
@inline
export function quantizedRowBytes(columns: i32): usize {
  return alignUp(<usize>columns) + 16;
}

/** Quantizes each row of x (rows, columns). */
export function quantizeRows(x: usize, quantized: usize, rows: i32, columns: i32): void {
  const stride = quantizedRowBytes(columns);
  for (let r = 0; r < rows; r++) {
    quantizeRow(x, quantized, columns);
    x += <usize>columns << 2;
    quantized += stride;
  }
}

/**
 * Quantizes one row. The range always holds 0, so that zero is exact and lies in 0..127 too. A row that holds NaN or
 * infinity gets a scale that is NaN or infinite, so that what is computed of it is NaN.
 */
export function quantizeRow(x: usize, quantized: usize, columns: i32): void {
  let low = f32x4.splat(0);
  let high = f32x4.splat(0);
  // pmin and pmax are single instructions, but drop NaN; sums keep it. Two of them: one alone waits for each addition.
  let even = f32x4.splat(0);
  let odd = f32x4.splat(0);
  let i = 0;
  for (; i + 2 * LANES <= columns; i += 2 * LANES) {
    const first = v128.load(x + (<usize>i << 2));
    const second = v128.load(x + (<usize>i << 2), 16);
    low = f32x4.pmin(f32x4.pmin(low, first), second);
    high = f32x4.pmax(f32x4.pmax(high, first), second);
    even = f32x4.add(even, first);
    odd = f32x4.add(odd, second);
  }
  for (; i < columns; i++) {
    const v = v128.load32_zero(x + (<usize>i << 2));
    low = f32x4.pmin(low, v);
    high = f32x4.pmax(high, v);
    even = f32x4.add(even, v);
  }
  const least = minF32(low);
  const range = maxF32(high) - least + sumF32(f32x4.add(even, odd)) * 0;
  const inverse: f32 = range > TINY ? 127 / range : 0;
  const zero = <i32>nearest(-least * inverse);
  const trailer = quantized + alignUp(<usize>columns);
  writeValues(x, quantized, columns, inverse, zero);
  v128.store(trailer, i32x4(reinterpret<i32>(range / 127), zero, 0, 0));
}

/** values = x / scale + zero, rounded, kept in 0..127. */
function writeValues(x: usize, out: usize, columns: i32, inverse: f32, zero: i32): void {
  const factor = f32x4.splat(inverse);
  const magic = roundingMagic();
  const offset = i32x4.sub(magic, i32x4.splat(zero));
  let i = 0;
  for (; i + 16 <= columns; i += 16, x += 64, out += REGISTER) {
    v128.store(out, sixteen(x, factor, magic, offset));
  }
  if (i < columns) {
    v128.store(out, i8x16.splat(0));
    for (; i < columns; i++, x += 4, out++) {
      const v = rounded(v128.load32_splat(x), factor, magic, offset);
      store<u8>(out, <u8>max(0, min(127, i32x4.extract_lane(v, 0))));
    }
  }
}

// @ts-ignore: decorator
@inline
function sixteen(x: usize, factor: v128, magic: v128, offset: v128): v128 {
  const low = i16x8.narrow_i32x4_s(
    rounded(v128.load(x), factor, magic, offset), rounded(v128.load(x, 16), factor, magic, offset),
  );
  const high = i16x8.narrow_i32x4_s(
    rounded(v128.load(x, 32), factor, magic, offset), rounded(v128.load(x, 48), factor, magic, offset),
  );
  return i8x16.max_s(i8x16.narrow_i16x8_s(low, high), i8x16.splat(0));
}

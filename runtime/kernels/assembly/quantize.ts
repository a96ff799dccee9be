import { LANES } from './lanes';

/** A row whose values lie closer together than this counts as zeros: its scale would not be a normal number. */
const TINY: f32 = 1e-30;

/**
 * Quantizes each row of x (rows, columns) to 7 bits: x ≈ scale · (quantized - zero), quantized in 0..127. The range always
 * holds 0, so that zero is exact and lies in 0..127 too. 7 bits, not 8: i32x4.relaxed_dot_i8x16_i7x16_add_s is only defined for them.
 */
export function quantizeRows(x: usize, quantized: usize, scales: usize, zeros: usize, rows: i32, columns: i32): void {
  for (let r = 0; r < rows; r++) {
    const low = lowest(x, columns);
    const range = highest(x, columns) - low;
    const inverse: f32 = range > TINY ? 127 / range : 0;
    const zero = <i32>nearest(-low * inverse);
    store<f32>(scales, range / 127);
    store<i32>(zeros, zero);
    quantizeRow(x, quantized, columns, inverse, zero);
    x += <usize>columns << 2;
    quantized += columns;
    scales += 4;
    zeros += 4;
  }
}

/** The least of 0 and the values. */
function lowest(x: usize, count: i32): f32 {
  let lanes = f32x4.splat(0);
  let i = 0;
  for (; i + LANES <= count; i += LANES) lanes = f32x4.min(lanes, v128.load(x + (<usize>i << 2)));
  let result = min(
    min(f32x4.extract_lane(lanes, 0), f32x4.extract_lane(lanes, 1)),
    min(f32x4.extract_lane(lanes, 2), f32x4.extract_lane(lanes, 3)),
  );
  for (; i < count; i++) result = min(result, load<f32>(x + (<usize>i << 2)));
  return result;
}

/** The greatest of 0 and the values. */
function highest(x: usize, count: i32): f32 {
  let lanes = f32x4.splat(0);
  let i = 0;
  for (; i + LANES <= count; i += LANES) lanes = f32x4.max(lanes, v128.load(x + (<usize>i << 2)));
  let result = max(
    max(f32x4.extract_lane(lanes, 0), f32x4.extract_lane(lanes, 1)),
    max(f32x4.extract_lane(lanes, 2), f32x4.extract_lane(lanes, 3)),
  );
  for (; i < count; i++) result = max(result, load<f32>(x + (<usize>i << 2)));
  return result;
}

// @ts-ignore: decorator
@inline
function quantizeRow(x: usize, quantized: usize, columns: i32, inverse: f32, zero: i32): void {
  let i = 0;
  for (; i + LANES <= columns; i += LANES) {
    const scaled = f32x4.nearest(f32x4.mul(v128.load(x + (<usize>i << 2)), f32x4.splat(inverse)));
    const shifted = i32x4.add(i32x4.trunc_sat_f32x4_s(scaled), i32x4.splat(zero));
    const clamped = i32x4.min_s(i32x4.max_s(shifted, i32x4.splat(0)), i32x4.splat(127));
    const words = i16x8.narrow_i32x4_s(clamped, clamped);
    store<i32>(quantized + i, i32x4.extract_lane(i8x16.narrow_i16x8_u(words, words), 0));
  }
  for (; i < columns; i++) {
    const shifted = <i32>nearest(load<f32>(x + (<usize>i << 2)) * inverse) + zero;
    store<u8>(quantized + i, <u8>min(max(shifted, 0), 127));
  }
}

/** out (rows) i32 = the sum of each row of weight (rows, columns) int8: what a zero point adds to a dot product. */
export function sumRows(weight: usize, out: usize, rows: i32, columns: i32): void {
  for (let r = 0; r < rows; r++, out += 4) {
    let sum = 0;
    for (let i = 0; i < columns; i++, weight++) sum += load<i8>(weight);
    store<i32>(out, sum);
  }
}

/**
 * Int4 tensors become int8 ones, which all other kernels read. A row lies in groups of 32 values, 16 bytes: byte j
 * holds value j in its low bits and value 16 + j in its high ones, -8..7 each. A group's factor is at most 15, so that
 * bits times factor fit eight bits.
 */
import { groupsOf, PANEL } from './lanes';

/** Bytes of a group. */
const GROUP_BYTES: usize = 16;
/** Values of half a group, which is a register of int8. */
const HALF: i32 = 16;

/** The panels (./tile) of a weight (outputs, inputs). */
export function unpackWeight(values: usize, factors: usize, out: usize, outputs: i32, inputs: i32): void {
  const fours = groupsOf(inputs);
  const panel = <usize>fours << 5;
  memory.fill(out, 0, panel * <usize>((outputs + PANEL - 1) / PANEL));
  for (let o = 0; o < outputs; o++) {
    let at = out + panel * <usize>(o / PANEL) + (<usize>(o % PANEL) << 2);
    for (let left = fours; left > 0; left -= 8, at += 256, values += GROUP_BYTES, factors++) {
      const packed = v128.load(values);
      const factor = i16x8.splat(<i16>load<i8>(factors));
      storeFours(scaled(lowBits(packed), factor), at, left);
      storeFours(scaled(highBits(packed), factor), at + 128, left - 4);
    }
  }
}

/** The rows of a table (rows, columns). */
export function unpackTable(values: usize, factors: usize, out: usize, rows: i32, columns: i32): void {
  for (let r = 0; r < rows; r++) {
    for (let left = columns; left > 0; left -= 2 * HALF, values += GROUP_BYTES, factors++) {
      const packed = v128.load(values);
      const factor = i16x8.splat(<i16>load<i8>(factors));
      out = storeValues(scaled(lowBits(packed), factor), out, left);
      out = storeValues(scaled(highBits(packed), factor), out, left - HALF);
    }
  }
}

// @ts-ignore: decorator
@inline
function lowBits(packed: v128): v128 {
  return i8x16.shr_s(i8x16.shl(packed, 4), 4);
}

// @ts-ignore: decorator
@inline
function highBits(packed: v128): v128 {
  return i8x16.shr_s(packed, 4);
}

// @ts-ignore: decorator
@inline
function scaled(bits: v128, factor: v128): v128 {
  return i8x16.narrow_i16x8_s(
    i16x8.mul(i16x8.extend_low_i8x16_s(bits), factor), i16x8.mul(i16x8.extend_high_i8x16_s(bits), factor),
  );
}

/** Up to four times four values, each where its panel has the output's next ones. */
function storeFours(v: v128, at: usize, count: i32): void {
  if (count > 0) store<i32>(at, i32x4.extract_lane(v, 0));
  if (count > 1) store<i32>(at, i32x4.extract_lane(v, 1), 32);
  if (count > 2) store<i32>(at, i32x4.extract_lane(v, 2), 64);
  if (count > 3) store<i32>(at, i32x4.extract_lane(v, 3), 96);
}

/** Up to sixteen values. Returns where the next ones go. */
function storeValues(v: v128, out: usize, count: i32): usize {
  if (count >= HALF) {
    v128.store(out, v);
    return out + HALF;
  }
  for (; count > 0; count--, out++) {
    store<i8>(out, i8x16.extract_lane_s(v, 0));
    v = v128.shuffle<i8>(v, v, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0);
  }
  return out;
}

/**
 * The tiles with relaxed SIMD: sixteen products an instruction. See ./tile for the layout. There are two ways to add
 * them up, which give the same bits. T = i32: relaxed_dot_i8x16_i7x16_add, one instruction where the processor has it
 * (ARM's SDOT, x86's AVX-VNNI) and five where it does not. T = i16: sums of pairs, then pmaddwd with ones, three
 * instructions on any x86, twelve on ARM. (Zen 4, without AVX-VNNI: 84 and 109 GOP/s.)
 */
import { COLUMNS_BYTES, finished, startOf } from './epilogue';

const ONES: usize = memory.data<i16>([1, 1, 1, 1, 1, 1, 1, 1]);

/**
 * Four rows of x, `stride` bytes apart, each with its scale and zero at `trailer`, times `panels` panels of weights,
 * which follow each other as their columns do.
 */
export function tileFourRelaxed<T>(
  x: usize, stride: usize, trailer: usize, weight: usize, columns: usize, out: usize, outStride: usize,
  groups: i32, panels: i32,
): void {
  const ones = v128.load(ONES);
  const end = x + (<usize>groups << 2);
  const t0 = x + trailer;
  const t1 = t0 + stride;
  const t2 = t1 + stride;
  const t3 = t2 + stride;
  for (; panels > 0; panels--, columns += COLUMNS_BYTES, out += 32) {
    const lowSums = v128.load(columns, 32);
    const highSums = v128.load(columns, 48);
    let low0 = startOf(t0, lowSums);
    let low1 = startOf(t1, lowSums);
    let low2 = startOf(t2, lowSums);
    let low3 = startOf(t3, lowSums);
    let high0 = startOf(t0, highSums);
    let high1 = startOf(t1, highSums);
    let high2 = startOf(t2, highSums);
    let high3 = startOf(t3, highSums);
    let x0 = x;
    let x1 = x + stride;
    let x2 = x1 + stride;
    let x3 = x2 + stride;
    for (; x0 < end; x0 += 8, x1 += 8, x2 += 8, x3 += 8, weight += 64) {
      const low = v128.load(weight);
      const high = v128.load(weight, 16);
      const v0 = v128.load32_splat(x0);
      low0 = dot<T>(low, v0, low0, ones);
      high0 = dot<T>(high, v0, high0, ones);
      const v1 = v128.load32_splat(x1);
      low1 = dot<T>(low, v1, low1, ones);
      high1 = dot<T>(high, v1, high1, ones);
      const v2 = v128.load32_splat(x2);
      low2 = dot<T>(low, v2, low2, ones);
      high2 = dot<T>(high, v2, high2, ones);
      const v3 = v128.load32_splat(x3);
      low3 = dot<T>(low, v3, low3, ones);
      high3 = dot<T>(high, v3, high3, ones);
      const lowNext = v128.load(weight, 32);
      const highNext = v128.load(weight, 48);
      const v0Next = v128.load32_splat(x0, 4);
      low0 = dot<T>(lowNext, v0Next, low0, ones);
      high0 = dot<T>(highNext, v0Next, high0, ones);
      const v1Next = v128.load32_splat(x1, 4);
      low1 = dot<T>(lowNext, v1Next, low1, ones);
      high1 = dot<T>(highNext, v1Next, high1, ones);
      const v2Next = v128.load32_splat(x2, 4);
      low2 = dot<T>(lowNext, v2Next, low2, ones);
      high2 = dot<T>(highNext, v2Next, high2, ones);
      const v3Next = v128.load32_splat(x3, 4);
      low3 = dot<T>(lowNext, v3Next, low3, ones);
      high3 = dot<T>(highNext, v3Next, high3, ones);
    }
    const lowScales = v128.load(columns);
    const highScales = v128.load(columns, 16);
    const lowBias = v128.load(columns, 64);
    const highBias = v128.load(columns, 80);
    const out1 = out + outStride;
    const out2 = out1 + outStride;
    const out3 = out2 + outStride;
    v128.store(out, finished(low0, t0, lowScales, lowBias));
    v128.store(out, finished(high0, t0, highScales, highBias), 16);
    v128.store(out1, finished(low1, t1, lowScales, lowBias));
    v128.store(out1, finished(high1, t1, highScales, highBias), 16);
    v128.store(out2, finished(low2, t2, lowScales, lowBias));
    v128.store(out2, finished(high2, t2, highScales, highBias), 16);
    v128.store(out3, finished(low3, t3, lowScales, lowBias));
    v128.store(out3, finished(high3, t3, highScales, highBias), 16);
  }
}

/** One row of x. */
export function tileOneRelaxed<T>(
  x: usize, trailer: usize, weight: usize, columns: usize, out: usize, groups: i32,
): void {
  const ones = v128.load(ONES);
  const t = x + trailer;
  let low = startOf(t, v128.load(columns, 32));
  let high = startOf(t, v128.load(columns, 48));
  for (const end = x + (<usize>groups << 2); x < end; x += 4, weight += 32) {
    const v = v128.load32_splat(x);
    low = dot<T>(v128.load(weight), v, low, ones);
    high = dot<T>(v128.load(weight, 16), v, high, ones);
  }
  v128.store(out, finished(low, t, v128.load(columns), v128.load(columns, 64)));
  v128.store(out, finished(high, t, v128.load(columns, 16), v128.load(columns, 80)), 16);
}

// @ts-ignore: decorator
@inline
function dot<T>(weights: v128, values: v128, sums: v128, ones: v128): v128 {
  if (sizeof<T>() == 4) return i32x4.relaxed_dot_i8x16_i7x16_add_s(weights, values, sums);
  return i32x4.add(sums, i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(weights, values), ones));
}

/** The tiles with relaxed SIMD: sixteen products an instruction. See ./tile for the layout. */
import { finished, startOf } from './epilogue';

/** Four rows of x, `stride` bytes apart, each with its scale and zero at `trailer`. */
export function tileFourPairs(
  x: usize, stride: usize, trailer: usize, weight: usize, columns: usize, out: usize, outStride: usize, groups: i32,
): void {
  const t0 = x + trailer;
  const t1 = t0 + stride;
  const t2 = t1 + stride;
  const t3 = t2 + stride;
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
  let x1 = x + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  for (const end = x + (<usize>groups << 2); x < end; x += 8, x1 += 8, x2 += 8, x3 += 8, weight += 64) {
    const low = v128.load(weight);
    const high = v128.load(weight, 16);
    const v0 = v128.load32_splat(x);
    low0 = dot(low, v0, low0);
    high0 = dot(high, v0, high0);
    const v1 = v128.load32_splat(x1);
    low1 = dot(low, v1, low1);
    high1 = dot(high, v1, high1);
    const v2 = v128.load32_splat(x2);
    low2 = dot(low, v2, low2);
    high2 = dot(high, v2, high2);
    const v3 = v128.load32_splat(x3);
    low3 = dot(low, v3, low3);
    high3 = dot(high, v3, high3);
    const lowNext = v128.load(weight, 32);
    const highNext = v128.load(weight, 48);
    const v0Next = v128.load32_splat(x, 4);
    low0 = dot(lowNext, v0Next, low0);
    high0 = dot(highNext, v0Next, high0);
    const v1Next = v128.load32_splat(x1, 4);
    low1 = dot(lowNext, v1Next, low1);
    high1 = dot(highNext, v1Next, high1);
    const v2Next = v128.load32_splat(x2, 4);
    low2 = dot(lowNext, v2Next, low2);
    high2 = dot(highNext, v2Next, high2);
    const v3Next = v128.load32_splat(x3, 4);
    low3 = dot(lowNext, v3Next, low3);
    high3 = dot(highNext, v3Next, high3);
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

/** One row of x. */
export function tileOnePairs(x: usize, trailer: usize, weight: usize, columns: usize, out: usize, groups: i32): void {
  const t = x + trailer;
  let low = startOf(t, v128.load(columns, 32));
  let high = startOf(t, v128.load(columns, 48));
  for (const end = x + (<usize>groups << 2); x < end; x += 4, weight += 32) {
    const v = v128.load32_splat(x);
    low = dot(v128.load(weight), v, low);
    high = dot(v128.load(weight, 16), v, high);
  }
  v128.store(out, finished(low, t, v128.load(columns), v128.load(columns, 64)));
  v128.store(out, finished(high, t, v128.load(columns, 16), v128.load(columns, 80)), 16);
}

// @ts-ignore: decorator
@inline
function dot(weights: v128, values: v128, sums: v128): v128 {
  return i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(weights, values)));
}

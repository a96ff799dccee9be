/**
 * out (4, 8 · panels) f32 = factor · scale · (x · panel): rows of x (4, 2 · pairs) i16, panels (pairs, 8, 2) i16 that
 * follow each other; factors (4), one a row, and scales (8 · panels), one a column. `pairs` is even.
 */
export function tileFour16(
  x: usize, xStride: usize, panel: usize, factors: usize, scales: usize, out: usize, outStride: usize,
  pairs: i32, panels: i32,
): void {
  const end = x + (<usize>pairs << 2);
  for (; panels > 0; panels--, scales += 32, out += 32) {
    let low0 = i32x4.splat(0);
    let high0 = i32x4.splat(0);
    let low1 = i32x4.splat(0);
    let high1 = i32x4.splat(0);
    let low2 = i32x4.splat(0);
    let high2 = i32x4.splat(0);
    let low3 = i32x4.splat(0);
    let high3 = i32x4.splat(0);
    let x0 = x;
    let x1 = x + xStride;
    let x2 = x1 + xStride;
    let x3 = x2 + xStride;
    for (; x0 < end; x0 += 8, x1 += 8, x2 += 8, x3 += 8, panel += 64) {
      const low = v128.load(panel);
      const high = v128.load(panel, 16);
      const v0 = v128.load32_splat(x0);
      low0 = i32x4.add(low0, i32x4.dot_i16x8_s(low, v0));
      high0 = i32x4.add(high0, i32x4.dot_i16x8_s(high, v0));
      const v1 = v128.load32_splat(x1);
      low1 = i32x4.add(low1, i32x4.dot_i16x8_s(low, v1));
      high1 = i32x4.add(high1, i32x4.dot_i16x8_s(high, v1));
      const v2 = v128.load32_splat(x2);
      low2 = i32x4.add(low2, i32x4.dot_i16x8_s(low, v2));
      high2 = i32x4.add(high2, i32x4.dot_i16x8_s(high, v2));
      const v3 = v128.load32_splat(x3);
      low3 = i32x4.add(low3, i32x4.dot_i16x8_s(low, v3));
      high3 = i32x4.add(high3, i32x4.dot_i16x8_s(high, v3));
      const lowNext = v128.load(panel, 32);
      const highNext = v128.load(panel, 48);
      const v0Next = v128.load32_splat(x0, 4);
      low0 = i32x4.add(low0, i32x4.dot_i16x8_s(lowNext, v0Next));
      high0 = i32x4.add(high0, i32x4.dot_i16x8_s(highNext, v0Next));
      const v1Next = v128.load32_splat(x1, 4);
      low1 = i32x4.add(low1, i32x4.dot_i16x8_s(lowNext, v1Next));
      high1 = i32x4.add(high1, i32x4.dot_i16x8_s(highNext, v1Next));
      const v2Next = v128.load32_splat(x2, 4);
      low2 = i32x4.add(low2, i32x4.dot_i16x8_s(lowNext, v2Next));
      high2 = i32x4.add(high2, i32x4.dot_i16x8_s(highNext, v2Next));
      const v3Next = v128.load32_splat(x3, 4);
      low3 = i32x4.add(low3, i32x4.dot_i16x8_s(lowNext, v3Next));
      high3 = i32x4.add(high3, i32x4.dot_i16x8_s(highNext, v3Next));
    }
    const lowScales = v128.load(scales);
    const highScales = v128.load(scales, 16);
    store(out, low0, high0, lowScales, highScales, v128.load32_splat(factors));
    store(out + outStride, low1, high1, lowScales, highScales, v128.load32_splat(factors, 4));
    store(out + (outStride << 1), low2, high2, lowScales, highScales, v128.load32_splat(factors, 8));
    store(out + outStride * 3, low3, high3, lowScales, highScales, v128.load32_splat(factors, 12));
  }
}

// @ts-ignore: decorator
@inline
function store(out: usize, low: v128, high: v128, lowScales: v128, highScales: v128, factor: v128): void {
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(low), f32x4.mul(lowScales, factor)));
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(high), f32x4.mul(highScales, factor)), 16);
}

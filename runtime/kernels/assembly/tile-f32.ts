/**
 * out (rows, 8) = x · panel + start for at most four rows of f32; the panel (count, 8) holds eight outputs side by
 * side. Rows of x and out lie xStride and outStride bytes apart; start (8).
 */
export function tileRows(
  x: usize, xStride: usize, panel: usize, start: usize, out: usize, outStride: usize, rows: i32, count: i32,
): void {
  if (rows == 4) return tileFour(x, xStride, panel, start, out, outStride, count);
  for (let r = 0; r < rows; r++, x += xStride, out += outStride) tileOne(x, panel, start, out, count);
}

function tileFour(
  x: usize, xStride: usize, panel: usize, start: usize, out: usize, outStride: usize, count: i32,
): void {
  let low0 = v128.load(start);
  let high0 = v128.load(start, 16);
  let low1 = low0;
  let high1 = high0;
  let low2 = low0;
  let high2 = high0;
  let low3 = low0;
  let high3 = high0;
  let x1 = x + xStride;
  let x2 = x1 + xStride;
  let x3 = x2 + xStride;
  for (const end = x + (<usize>count << 2); x < end; x += 4, x1 += 4, x2 += 4, x3 += 4, panel += 32) {
    const low = v128.load(panel);
    const high = v128.load(panel, 16);
    const v0 = v128.load32_splat(x);
    low0 = f32x4.add(low0, f32x4.mul(low, v0));
    high0 = f32x4.add(high0, f32x4.mul(high, v0));
    const v1 = v128.load32_splat(x1);
    low1 = f32x4.add(low1, f32x4.mul(low, v1));
    high1 = f32x4.add(high1, f32x4.mul(high, v1));
    const v2 = v128.load32_splat(x2);
    low2 = f32x4.add(low2, f32x4.mul(low, v2));
    high2 = f32x4.add(high2, f32x4.mul(high, v2));
    const v3 = v128.load32_splat(x3);
    low3 = f32x4.add(low3, f32x4.mul(low, v3));
    high3 = f32x4.add(high3, f32x4.mul(high, v3));
  }
  v128.store(out, low0);
  v128.store(out, high0, 16);
  out += outStride;
  v128.store(out, low1);
  v128.store(out, high1, 16);
  out += outStride;
  v128.store(out, low2);
  v128.store(out, high2, 16);
  out += outStride;
  v128.store(out, low3);
  v128.store(out, high3, 16);
}

function tileOne(x: usize, panel: usize, start: usize, out: usize, count: i32): void {
  let low = v128.load(start);
  let high = v128.load(start, 16);
  for (const end = x + (<usize>count << 2); x < end; x += 4, panel += 32) {
    const v = v128.load32_splat(x);
    low = f32x4.add(low, f32x4.mul(v128.load(panel), v));
    high = f32x4.add(high, f32x4.mul(v128.load(panel, 16), v));
  }
  v128.store(out, low);
  v128.store(out, high, 16);
}

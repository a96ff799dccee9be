import { LANES, sumF32 } from './lanes';
import { quantizeRow, quantizedRowBytes } from './quantize';

/**
 * y = gamma · (x - mean) / sqrt(variance + epsilon) + beta for each row of x (rows, columns); the variance is the
 * biased one. y goes to `out` (or 0) as f32 and to `quantized` (or 0). scratch holds one row.
 */
export function layerNorm(
  x: usize, gamma: usize, beta: usize, out: usize, quantized: usize, scratch: usize,
  rows: i32, columns: i32, epsilon: f32,
): void {
  const stride = <usize>columns << 2;
  for (let r = 0; r < rows; r++, x += stride) {
    const mean = sum(x, columns) / <f32>columns;
    const variance = sumOfSquares(x, mean, columns) / <f32>columns;
    const y = out ? out : scratch;
    normalize(x, gamma, beta, y, columns, mean, 1 / sqrt(variance + epsilon));
    if (out) out += stride;
    if (quantized) {
      quantizeRow(y, quantized, columns);
      quantized += quantizedRowBytes(columns);
    }
  }
}

function sum(x: usize, count: i32): f32 {
  // Two sums at a time: one alone waits for each addition.
  let even = f32x4.splat(0);
  let odd = f32x4.splat(0);
  let i = 0;
  for (; i + 2 * LANES <= count; i += 2 * LANES) {
    const at = x + (<usize>i << 2);
    even = f32x4.add(even, v128.load(at));
    odd = f32x4.add(odd, v128.load(at, 16));
  }
  let result = sumF32(f32x4.add(even, odd));
  for (; i < count; i++) result += load<f32>(x + (<usize>i << 2));
  return result;
}

/** Σ (x - mean)²: a second pass over the row, because Σ x² - mean² cancels. */
function sumOfSquares(x: usize, mean: f32, count: i32): f32 {
  const centre = f32x4.splat(mean);
  let even = f32x4.splat(0);
  let odd = f32x4.splat(0);
  let i = 0;
  for (; i + 2 * LANES <= count; i += 2 * LANES) {
    const at = x + (<usize>i << 2);
    const first = f32x4.sub(v128.load(at), centre);
    const second = f32x4.sub(v128.load(at, 16), centre);
    even = f32x4.add(even, f32x4.mul(first, first));
    odd = f32x4.add(odd, f32x4.mul(second, second));
  }
  let result = sumF32(f32x4.add(even, odd));
  for (; i < count; i++) {
    const centred = load<f32>(x + (<usize>i << 2)) - mean;
    result += centred * centred;
  }
  return result;
}

function normalize(x: usize, gamma: usize, beta: usize, out: usize, count: i32, mean: f32, inverse: f32): void {
  const centre = f32x4.splat(mean);
  const factor = f32x4.splat(inverse);
  let i = 0;
  for (; i + LANES <= count; i += LANES) {
    const at = <usize>i << 2;
    const standard = f32x4.mul(f32x4.sub(v128.load(x + at), centre), factor);
    v128.store(out + at, f32x4.add(f32x4.mul(standard, v128.load(gamma + at)), v128.load(beta + at)));
  }
  for (; i < count; i++) {
    const at = <usize>i << 2;
    const standard = (load<f32>(x + at) - mean) * inverse;
    store<f32>(out + at, standard * load<f32>(gamma + at) + load<f32>(beta + at));
  }
}

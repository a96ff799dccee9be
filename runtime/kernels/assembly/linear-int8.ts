import { REGISTER, sumI32 } from './lanes';

/**
 * out (rows, outputs) f32 = x · weightᵀ + bias, where x (rows, inputs) is scales · (quantized - zeros), see quantizeRows, and
 * weight (outputs, inputs) int8 has a scale per row. Accumulates in int32:
 *   out = scale · weightScale · (Σ quantized · weight - zero · Σ weight) + bias
 * weightSums (outputs) holds Σ weight; bias (outputs) may be 0. Four outputs at a time share the loads of x.
 */
export function linearInt8(
  quantized: usize, scales: usize, zeros: usize, weight: usize, weightScales: usize, weightSums: usize, bias: usize,
  out: usize, rows: i32, inputs: i32, outputs: i32,
): void {
  const stride = <usize>inputs;
  for (let r = 0; r < rows; r++, quantized += stride, scales += 4, zeros += 4) {
    const scale = load<f32>(scales);
    const zero = load<i32>(zeros);
    let w = weight;
    let o = 0;
    for (; o + 4 <= outputs; o += 4, w += stride << 2, out += REGISTER) {
      const at = <usize>o << 2;
      const sums = i32x4.mul(v128.load(weightSums + at), i32x4.splat(zero));
      const exact = f32x4.convert_i32x4_s(i32x4.sub(dotFour(quantized, w, stride), sums));
      let y = f32x4.mul(exact, f32x4.mul(v128.load(weightScales + at), f32x4.splat(scale)));
      if (bias) y = f32x4.add(y, v128.load(bias + at));
      v128.store(out, y);
    }
    for (; o < outputs; o++, w += stride, out += 4) {
      const at = <usize>o << 2;
      const exact = dotOne(quantized, w, stride) - zero * load<i32>(weightSums + at);
      let y = <f32>exact * (load<f32>(weightScales + at) * scale);
      if (bias) y += load<f32>(bias + at);
      store<f32>(out, y);
    }
  }
}

/** The dot products of x with four rows of w, as one register. */
// @ts-ignore: decorator
@inline
function dotFour(x: usize, w: usize, count: usize): v128 {
  const w1 = w + count;
  const w2 = w1 + count;
  const w3 = w2 + count;
  let s0 = i32x4.splat(0);
  let s1 = i32x4.splat(0);
  let s2 = i32x4.splat(0);
  let s3 = i32x4.splat(0);
  let i: usize = 0;
  for (; i + REGISTER <= count; i += REGISTER) {
    const v = v128.load(x + i);
    const low = i16x8.extend_low_i8x16_s(v);
    const high = i16x8.extend_high_i8x16_s(v);
    s0 = i32x4.add(s0, dotSixteen(low, high, v128.load(w + i)));
    s1 = i32x4.add(s1, dotSixteen(low, high, v128.load(w1 + i)));
    s2 = i32x4.add(s2, dotSixteen(low, high, v128.load(w2 + i)));
    s3 = i32x4.add(s3, dotSixteen(low, high, v128.load(w3 + i)));
  }
  let y = i32x4(sumI32(s0), sumI32(s1), sumI32(s2), sumI32(s3));
  for (; i < count; i++) {
    const weights = i32x4(load<i8>(w + i), load<i8>(w1 + i), load<i8>(w2 + i), load<i8>(w3 + i));
    y = i32x4.add(y, i32x4.mul(i32x4.splat(load<i8>(x + i)), weights));
  }
  return y;
}

/** Sixteen products of int8, summed in fours. */
// @ts-ignore: decorator
@inline
function dotSixteen(xLow: v128, xHigh: v128, w: v128): v128 {
  return i32x4.add(
    i32x4.dot_i16x8_s(xLow, i16x8.extend_low_i8x16_s(w)),
    i32x4.dot_i16x8_s(xHigh, i16x8.extend_high_i8x16_s(w)),
  );
}

function dotOne(x: usize, w: usize, count: usize): i32 {
  let sum = 0;
  for (let i: usize = 0; i < count; i++) sum += <i32>load<i8>(x + i) * <i32>load<i8>(w + i);
  return sum;
}

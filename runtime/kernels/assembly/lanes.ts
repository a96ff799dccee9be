/** Bytes of a SIMD register, and how many f32 it holds. */
export const REGISTER: usize = 16;
export const LANES: i32 = 4;

// @ts-ignore: decorator
@inline
export function sumF32(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

// @ts-ignore: decorator
@inline
export function sumI32(v: v128): i32 {
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
}

/** Σ a[i] · b[i]. */
export function dot(a: usize, b: usize, count: i32): f32 {
  let sum = f32x4.splat(0);
  let i = 0;
  for (; i + LANES <= count; i += LANES) {
    sum = f32x4.add(sum, f32x4.mul(v128.load(a + (<usize>i << 2)), v128.load(b + (<usize>i << 2))));
  }
  let total = sumF32(sum);
  for (; i < count; i++) total += load<f32>(a + (<usize>i << 2)) * load<f32>(b + (<usize>i << 2));
  return total;
}

/** The dot products of x with four rows of w that lie `stride` bytes apart, as one register. */
// @ts-ignore: decorator
@inline
export function dotFour(x: usize, w: usize, stride: usize, count: i32): v128 {
  const w1 = w + stride;
  const w2 = w1 + stride;
  const w3 = w2 + stride;
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let i: usize = 0;
  const end = <usize>count << 2;
  for (; i + REGISTER <= end; i += REGISTER) {
    const v = v128.load(x + i);
    s0 = f32x4.add(s0, f32x4.mul(v, v128.load(w + i)));
    s1 = f32x4.add(s1, f32x4.mul(v, v128.load(w1 + i)));
    s2 = f32x4.add(s2, f32x4.mul(v, v128.load(w2 + i)));
    s3 = f32x4.add(s3, f32x4.mul(v, v128.load(w3 + i)));
  }
  let y = f32x4(sumF32(s0), sumF32(s1), sumF32(s2), sumF32(s3));
  for (; i < end; i += 4) {
    const v = load<f32>(x + i);
    y = f32x4.add(y, f32x4.mul(f32x4.splat(v), f32x4(load<f32>(w + i), load<f32>(w1 + i), load<f32>(w2 + i), load<f32>(w3 + i))));
  }
  return y;
}

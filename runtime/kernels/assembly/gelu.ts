import { erf } from './erf';
import { LANES } from './lanes';

/** out = x · (1 + erf(x / √2)) / 2, the exact GELU; out may be x. */
export function gelu(x: usize, out: usize, count: i32): void {
  let i = 0;
  for (; i + LANES <= count; i += LANES) {
    const at = <usize>i << 2;
    v128.store(out + at, geluOf(v128.load(x + at)));
  }
  for (; i < count; i++) {
    const at = <usize>i << 2;
    v128.store_lane<f32>(out + at, geluOf(v128.load32_splat(x + at)), 0);
  }
}

// @ts-ignore: decorator
@inline
function geluOf(x: v128): v128 {
  const half = f32x4.mul(x, f32x4.splat(0.5));
  return f32x4.add(half, f32x4.mul(half, erf(f32x4.mul(x, f32x4.splat(0.70710678118654752)))));
}

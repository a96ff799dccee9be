import { exp } from './exp';
import { LANES } from './lanes';

/** out = tanh(x); out may be x. */
export function tanh(x: usize, out: usize, count: i32): void {
  let i = 0;
  for (; i + LANES <= count; i += LANES) {
    const at = <usize>i << 2;
    v128.store(out + at, tanhOf(v128.load(x + at)));
  }
  for (; i < count; i++) {
    const at = <usize>i << 2;
    v128.store_lane<f32>(out + at, tanhOf(v128.load32_splat(x + at)), 0);
  }
}

/** 1 - 2 / (e^2x + 1): within 1e-7 everywhere, though not to the last bit near 0. */
// @ts-ignore: decorator
@inline
function tanhOf(x: v128): v128 {
  const e = exp(f32x4.add(x, x));
  return f32x4.sub(f32x4.splat(1), f32x4.div(f32x4.splat(2), f32x4.add(e, f32x4.splat(1))));
}

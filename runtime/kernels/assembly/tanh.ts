import { exp2 } from './exp2';
import { LANES, loadPart, storePart } from './lanes';

/** out = tanh(x) = 1 - 2 / (e^2x + 1), within 3e-7, though not to the last bit near 0; out may be x. */
export function tanh(x: usize, out: usize, rows: i32, columns: i32): void {
  const count = rows * columns;
  for (let i = 0; i < count; i += LANES) {
    const at = <usize>i << 2;
    const left = count - i;
    // tanh(20) is 1 in f32; e^2x = 2^(2 x / ln 2).
    const v = f32x4.pmin(f32x4.pmax(loadPart(x + at, left), f32x4.splat(-20)), f32x4.splat(20));
    const e = exp2(f32x4.mul(v, f32x4.splat(2.8853900817779268)));
    const y = f32x4.sub(f32x4.splat(1), f32x4.div(f32x4.splat(2), f32x4.add(e, f32x4.splat(1))));
    if (left >= LANES) v128.store(out + at, y);
    else storePart(out + at, y, left);
  }
}

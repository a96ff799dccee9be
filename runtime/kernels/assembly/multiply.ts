import { LANES } from './lanes';

/** out = a · b; out may be a or b. */
export function multiply(a: usize, b: usize, out: usize, rows: i32, columns: i32): void {
  const count = rows * columns;
  let i = 0;
  for (; i + LANES <= count; i += LANES) {
    const at = <usize>i << 2;
    v128.store(out + at, f32x4.mul(v128.load(a + at), v128.load(b + at)));
  }
  for (; i < count; i++) {
    const at = <usize>i << 2;
    store<f32>(out + at, load<f32>(a + at) * load<f32>(b + at));
  }
}

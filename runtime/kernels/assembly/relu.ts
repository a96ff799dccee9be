import { LANES, loadPart, storePart } from './lanes';

/** out = the larger of x and 0; NaN stays; out may be x. */
export function relu(x: usize, out: usize, rows: i32, columns: i32): void {
  const count = rows * columns;
  for (let i = 0; i < count; i += LANES) {
    const at = <usize>i << 2;
    const left = count - i;
    const y = f32x4.pmax(loadPart(x + at, left), f32x4.splat(0));
    if (left >= LANES) v128.store(out + at, y);
    else storePart(out + at, y, left);
  }
}

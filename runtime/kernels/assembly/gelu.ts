import { constant } from './constants';
import { LANES, loadPart, storePart } from './lanes';

// x · Φ(x) with Φ(x) = 1/2 + v · P(v²) / Q(v²) and v = x kept within ±5, where the quotient is 1/2 to the last bit: the
// exact GELU within 3.1e-6. The coefficients are a minimax fit of x · Φ(x) (iteratively reweighted least squares), from
// the highest to the lowest; Q ends in 1.
const TABLE: usize = memory.data<f32>([
  -5, 5, 6.303668487817049e-5, 0.004329134244471788, 0.02941068820655346, 0.39896661043167114,
  3.880401891365182e-6, 0.0015118145383894444, 0.0257546566426754, 0.24057458341121674, 1, 0.5,
]);

/** out = x · Φ(x), the GELU by the normal distribution's Φ; out may be x. */
export function gelu(x: usize, out: usize, rows: i32, columns: i32): void {
  const count = rows * columns;
  const low = constant(TABLE, 0);
  const high = constant(TABLE, 1);
  const p3 = constant(TABLE, 2);
  const p2 = constant(TABLE, 3);
  const p1 = constant(TABLE, 4);
  const p0 = constant(TABLE, 5);
  const q4 = constant(TABLE, 6);
  const q3 = constant(TABLE, 7);
  const q2 = constant(TABLE, 8);
  const q1 = constant(TABLE, 9);
  const one = constant(TABLE, 10);
  const half = constant(TABLE, 11);
  for (let i = 0; i < count; i += LANES) {
    const whole = count - i >= LANES;
    const at = <usize>i << 2;
    const value = whole ? v128.load(x + at) : loadPart(x + at, count - i);
    const v = f32x4.pmin(f32x4.pmax(value, low), high);
    const s = f32x4.mul(v, v);
    let p = f32x4.add(f32x4.mul(p3, s), p2);
    p = f32x4.add(f32x4.mul(p, s), p1);
    p = f32x4.add(f32x4.mul(p, s), p0);
    let q = f32x4.add(f32x4.mul(q4, s), q3);
    q = f32x4.add(f32x4.mul(q, s), q2);
    q = f32x4.add(f32x4.mul(q, s), q1);
    q = f32x4.add(f32x4.mul(q, s), one);
    const y = f32x4.mul(value, f32x4.add(half, f32x4.div(f32x4.mul(v, p), q)));
    if (whole) v128.store(out + at, y);
    else storePart(out + at, y, count - i);
  }
}

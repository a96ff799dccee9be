import { constant } from './constants';
import { REGISTER } from './lanes';

// 2^x = 2^n · 2^r with n = round(x), |r| <= 1/2: the Taylor series of e^(r ln 2) to the sixth power, within 2e-7, whose exponent then
// grows by n. Adding 1.5 · 2^23 rounds and leaves n in the low bits. Plain multiplications and additions, so that every host computes
// the same bits: they decide the integers of attention.
const TABLE: usize = memory.data<f32>([
  -126, 12582912, 1.5403530393381608e-4, 1.3333558146428441e-3, 9.618129107628477e-3, 5.550410866482158e-2, 0.2402265069591007,
  0.6931471805599453, 1,
]);

/** 2^x for x up to 127; 2^-126 below that. */
// @ts-ignore: decorator
@inline
export function exp2(x: v128): v128 {
  return exp2With(
    x, constant(TABLE, 0), constant(TABLE, 1), constant(TABLE, 2), constant(TABLE, 3), constant(TABLE, 4), constant(TABLE, 5),
    constant(TABLE, 6), constant(TABLE, 7), constant(TABLE, 8),
  );
}

/** x = 2^(x - most) in place for the registers from x to end. Returns their sum, lane by lane. */
export function exp2Rows(x: usize, end: usize, most: f32): v128 {
  const least = constant(TABLE, 0);
  const magic = constant(TABLE, 1);
  const c6 = constant(TABLE, 2);
  const c5 = constant(TABLE, 3);
  const c4 = constant(TABLE, 4);
  const c3 = constant(TABLE, 5);
  const c2 = constant(TABLE, 6);
  const c1 = constant(TABLE, 7);
  const one = constant(TABLE, 8);
  const top = f32x4.splat(most);
  let total = f32x4.splat(0);
  for (; x < end; x += REGISTER) {
    const power = exp2With(f32x4.sub(v128.load(x), top), least, magic, c6, c5, c4, c3, c2, c1, one);
    v128.store(x, power);
    total = f32x4.add(total, power);
  }
  return total;
}

// @ts-ignore: decorator
@inline
function exp2With(
  x: v128, least: v128, magic: v128, c6: v128, c5: v128, c4: v128, c3: v128, c2: v128, c1: v128, one: v128,
): v128 {
  const kept = f32x4.pmax(x, least);
  const shifted = f32x4.add(kept, magic);
  const r = f32x4.sub(kept, f32x4.sub(shifted, magic));
  let p = f32x4.add(f32x4.mul(c6, r), c5);
  p = f32x4.add(f32x4.mul(p, r), c4);
  p = f32x4.add(f32x4.mul(p, r), c3);
  p = f32x4.add(f32x4.mul(p, r), c2);
  p = f32x4.add(f32x4.mul(p, r), c1);
  p = f32x4.add(f32x4.mul(p, r), one);
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

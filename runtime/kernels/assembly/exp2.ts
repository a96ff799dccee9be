import { constant } from './constants';
import { REGISTER } from './lanes';

/** Scores times this turn e^x into 2^x. */
export const LOG2_E: f32 = 1.4426950408889634;

// 2^x = 2^n · 2^r with n = round(x), |r| <= 1/2: half a minimax polynomial of 2^r (fifth power, within 2e-7 in f32)
// times 2^(n + 1). Adding 1.5 · 2^23 + 128 rounds and leaves n + 128 in the low bits, the exponent of 2^(n + 1). A
// product, where adding to the exponent would make numbers of some NaNs. Plain multiplications and additions, so that
// every host computes the same bits: they decide the integers of attention.
const TABLE: usize = memory.data<f32>([
  -126, 12583040, 6.638235645368695e-4, 4.837770946323872e-3,
  2.7753565460443497e-2, 0.12011060118675232, 0.3465734720230103, 0.5000000596046448,
]);

/** 2^x for x up to 126; 2^-126 below that. */
// @ts-ignore: decorator
@inline
export function exp2(x: v128): v128 {
  return exp2With(
    x, constant(TABLE, 0), constant(TABLE, 1), constant(TABLE, 2), constant(TABLE, 3),
    constant(TABLE, 4), constant(TABLE, 5), constant(TABLE, 6), constant(TABLE, 7),
  );
}

/** x = 2^(x - most) in place for the registers from x to end. Returns their sum, lane by lane. */
export function exp2Rows(x: usize, end: usize, most: f32): v128 {
  const least = constant(TABLE, 0);
  const magic = constant(TABLE, 1);
  const c5 = constant(TABLE, 2);
  const c4 = constant(TABLE, 3);
  const c3 = constant(TABLE, 4);
  const c2 = constant(TABLE, 5);
  const c1 = constant(TABLE, 6);
  const c0 = constant(TABLE, 7);
  const top = f32x4.splat(most);
  let total = f32x4.splat(0);
  for (; x < end; x += REGISTER) {
    const power = exp2With(f32x4.sub(v128.load(x), top), least, magic, c5, c4, c3, c2, c1, c0);
    v128.store(x, power);
    total = f32x4.add(total, power);
  }
  return total;
}

// @ts-ignore: decorator
@inline
function exp2With(
  x: v128, least: v128, magic: v128, c5: v128, c4: v128, c3: v128, c2: v128, c1: v128, c0: v128,
): v128 {
  const kept = f32x4.pmax(x, least);
  const shifted = f32x4.add(kept, magic);
  const r = f32x4.sub(kept, f32x4.sub(shifted, magic));
  let p = f32x4.add(f32x4.mul(c5, r), c4);
  p = f32x4.add(f32x4.mul(p, r), c3);
  p = f32x4.add(f32x4.mul(p, r), c2);
  p = f32x4.add(f32x4.mul(p, r), c1);
  p = f32x4.add(f32x4.mul(p, r), c0);
  return f32x4.mul(p, i32x4.shl(shifted, 23));
}

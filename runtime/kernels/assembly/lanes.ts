/** Bytes of a SIMD register. */
export const REGISTER: usize = 16;
/** How many f32 a SIMD register holds. */
export const LANES: i32 = 4;

/** Rows that a kernel takes at a time: with a panel, what fits the registers. */
export const BLOCK: i32 = 4;
/** Outputs that a panel of packed weights holds. */
export const PANEL: i32 = 8;

/** Bytes, padded to whole registers. */
// @ts-ignore: decorator
@inline
export function alignUp(bytes: usize): usize {
  return (bytes + 15) & ~(<usize>15);
}

/** A count, padded to whole panels. */
// @ts-ignore: decorator
@inline
export function toPanels(count: i32): i32 {
  return (count + PANEL - 1) & -PANEL;
}

/** Groups of four inputs that packed int8 weights hold: an even number, the last ones padded with zeros. */
// @ts-ignore: decorator
@inline
export function groupsOf(inputs: i32): i32 {
  return ((inputs + 7) & ~7) >> 2;
}

/** The sum of four lanes, in the order that decides its last bit: (0 + 1) + (2 + 3). */
// @ts-ignore: decorator
@inline
export function sumF32(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** The largest of four lanes, none of them NaN: shuffles and pmax are single instructions, where f32.max takes ten. */
// @ts-ignore: decorator
@inline
export function maxF32(v: v128): f32 {
  const pairs = f32x4.pmax(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(pairs, v128.shuffle<f32>(pairs, pairs, 1, 0, 3, 2)), 0);
}

/** The smallest of four lanes, none of them NaN. */
// @ts-ignore: decorator
@inline
export function minF32(v: v128): f32 {
  const pairs = f32x4.pmin(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmin(pairs, v128.shuffle<f32>(pairs, pairs, 1, 0, 3, 2)), 0);
}

/** Four floats, or the `left` that there are and zeros. */
// @ts-ignore: decorator
@inline
export function loadPart(x: usize, left: i32): v128 {
  if (left >= LANES) return v128.load(x);
  if (left <= 0) return f32x4.splat(0);
  return f32x4(load<f32>(x), left > 1 ? load<f32>(x, 4) : 0, left > 2 ? load<f32>(x, 8) : 0, 0);
}

/** Stores the first `left` of at most three floats. */
// @ts-ignore: decorator
@inline
export function storePart(out: usize, v: v128, left: i32): void {
  store<f32>(out, f32x4.extract_lane(v, 0));
  if (left > 1) store<f32>(out, f32x4.extract_lane(v, 1), 4);
  if (left > 2) store<f32>(out, f32x4.extract_lane(v, 2), 8);
}

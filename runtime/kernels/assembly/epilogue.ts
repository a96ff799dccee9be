/** Bytes that a panel's columns take: eight scales, sums and biases. */
export const COLUMNS_BYTES: usize = 96;

/** Where the sums of a row start: at -zero · Σ weight, which corrects for the row's zero point. */
// @ts-ignore: decorator
@inline
export function startOf(trailer: usize, sums: v128): v128 {
  return i32x4.mul(sums, i32x4.splat(-load<i32>(trailer, 4)));
}

/** out = scale · weightScale · sum + bias. */
// @ts-ignore: decorator
@inline
export function finished(sum: v128, trailer: usize, weightScales: v128, bias: v128): v128 {
  const scales = f32x4.mul(weightScales, v128.load32_splat(trailer));
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sum), scales), bias);
}

/**
 * What products of matrices take. Everything else (sums, normalisation, softmax, losses, the trained vector and the
 * optimizer) is f32 whatever the products are.
 *
 * - f32: all bits.
 * - tf32: operands rounded to 10 bits of mantissa where the device multiplies those faster (NVIDIA from Ampere on);
 *   elsewhere f32.
 * - bf16: operands rounded to 7 bits of mantissa, added up in f32.
 */
export const PRECISIONS = ['f32', 'tf32', 'bf16'] as const;
/** One of them. */
export type Precision = (typeof PRECISIONS)[number];

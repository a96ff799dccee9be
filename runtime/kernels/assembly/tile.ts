/**
 * Products of quantized rows and one panel of packed int8 weights, four rows or one at a time. A panel holds eight
 * outputs; its bytes lie as (groups, 8, 4), in groups of four inputs, so that a register is four inputs of four outputs
 * and each lane adds up one output. Beside it lie its columns (`prepareColumns`): what the epilogue needs.
 *   out = scale · weightScale · (Σ value · weight - zero · Σ weight) + bias
 * The sum is exact, so that every build and host computes the same bits.
 */
import { tileFourRelaxed, tileOneRelaxed } from './tile-relaxed';
import { tileOneWide, tileTwoWide, widen } from './tile-simd128';
import { COLUMNS_BYTES } from './epilogue';
import { alignUp, BLOCK, groupsOf, PANEL } from './lanes';
import { quantizedRowBytes } from './quantize';

/**
 * out (rows, outputs) f32 = x · weightᵀ + bias for at most four quantized rows. `tile` (128 bytes) and `wide` (four
 * rows of 16-bit values) are scratch.
 */
export function multiplyRows(
  x: usize, weight: usize, columns: usize, out: usize, tile: usize, wide: usize, rows: i32, inputs: i32, outputs: i32,
): void {
  const whole = outputs / PANEL;
  const left = outputs % PANEL;
  const outStride = <usize>outputs << 2;
  if (!ASC_FEATURE_RELAXED_SIMD) widen(x, wide, rows, inputs);
  multiplyPanels(x, wide, weight, columns, out, outStride, rows, inputs, whole);
  if (left == 0) return;
  const panelBytes = <usize>groupsOf(inputs) << 5;
  weight += <usize>whole * panelBytes;
  columns += <usize>whole * COLUMNS_BYTES;
  multiplyPanels(x, wide, weight, columns, tile, 32, rows, inputs, 1);
  out += <usize>whole << 5;
  for (let r = 0; r < rows; r++) memory.copy(out + <usize>r * outStride, tile + (<usize>r << 5), <usize>left << 2);
}

/** `multiplyRows` for whole panels. */
function multiplyPanels(
  x: usize, wide: usize, weight: usize, columns: usize, out: usize, outStride: usize,
  rows: i32, inputs: i32, panels: i32,
): void {
  if (!ASC_FEATURE_RELAXED_SIMD) multiplyWide(x, wide, weight, columns, out, outStride, rows, inputs, panels);
  // Which way is faster is the processor's business: there is a build of each, and a host chooses
  // (../../hosts/node.ts).
  else if (isDefined(ADD_IN_PAIRS)) multiplyRelaxed<i16>(x, weight, columns, out, outStride, rows, inputs, panels);
  else multiplyRelaxed<i32>(x, weight, columns, out, outStride, rows, inputs, panels);
}

function multiplyRelaxed<T>(
  x: usize, weight: usize, columns: usize, out: usize, outStride: usize, rows: i32, inputs: i32, panels: i32,
): void {
  const groups = groupsOf(inputs);
  const stride = quantizedRowBytes(inputs);
  const trailer = alignUp(<usize>inputs);
  if (rows == BLOCK) return tileFourRelaxed<T>(x, stride, trailer, weight, columns, out, outStride, groups, panels);
  for (let r = 0; r < rows; r++, x += stride, out += outStride) {
    for (let p = 0; p < panels; p++) {
      const panel = weight + ((<usize>(p * groups)) << 5);
      tileOneRelaxed<T>(x, trailer, panel, columns + <usize>p * COLUMNS_BYTES, out + (<usize>p << 5), groups);
    }
  }
}

function multiplyWide(
  x: usize, wide: usize, weight: usize, columns: usize, out: usize, outStride: usize,
  rows: i32, inputs: i32, panels: i32,
): void {
  const groups = groupsOf(inputs);
  const stride = quantizedRowBytes(inputs);
  const trailer = alignUp(<usize>inputs);
  const wideStride = <usize>groups << 3;
  for (; panels > 0; panels--, weight += <usize>groups << 5, columns += COLUMNS_BYTES, out += 32) {
    let r = 0;
    for (; r + 2 <= rows; r += 2) {
      tileTwoWide(
        x + <usize>r * stride, stride, trailer, wide + <usize>r * wideStride,
        weight, columns, out + <usize>r * outStride, outStride, groups,
      );
    }
    if (r < rows) {
      tileOneWide(
        x + <usize>r * stride, trailer, wide + <usize>r * wideStride,
        weight, columns, out + <usize>r * outStride, groups,
      );
    }
  }
}

/**
 * Lays out what the epilogue needs of each panel, side by side: eight scales (f32), sums of weights (i32) and biases
 * (f32). scales (outputs), bias (outputs) or 0. What pads the last panel is 0.
 */
export function prepareColumns(
  weight: usize, scales: usize, bias: usize, columns: usize, inputs: i32, outputs: i32,
): void {
  const groups = groupsOf(inputs);
  for (let o = 0; o < outputs; o += PANEL, columns += COLUMNS_BYTES) {
    let low = i32x4.splat(0);
    let high = i32x4.splat(0);
    for (let g = 0; g < groups; g++, weight += 32) {
      low = i32x4.add(low, sumsOfFours(v128.load(weight)));
      high = i32x4.add(high, sumsOfFours(v128.load(weight, 16)));
    }
    memory.fill(columns, 0, COLUMNS_BYTES);
    const bytes = <usize>min(PANEL, outputs - o) << 2;
    memory.copy(columns, scales + (<usize>o << 2), bytes);
    v128.store(columns, low, 32);
    v128.store(columns, high, 48);
    if (bias) memory.copy(columns + 64, bias + (<usize>o << 2), bytes);
  }
}

// @ts-ignore: decorator
@inline
function sumsOfFours(v: v128): v128 {
  return i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(v));
}

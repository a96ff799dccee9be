import { finishRows } from './finish';
import { BLOCK, PANEL } from './lanes';
import { tileRows } from './tile-f32';

/**
 * out (rows, outputs) = activation(x · weightᵀ + bias) + residual; x (rows, inputs), bias (outputs) or 0,
 * residual (rows, outputs) or 0. The weight is packed in panels of eight outputs, (outputs / 8, inputs, 8), the last
 * one padded. scratch takes 160 bytes.
 */
export function linear(
  x: usize, weight: usize, bias: usize, residual: usize, out: usize, scratch: usize,
  rows: i32, inputs: i32, outputs: i32, activation: i32,
): void {
  const xStride = <usize>inputs << 2;
  const outStride = <usize>outputs << 2;
  const start = scratch;
  const tile = scratch + 32;
  for (let r = 0; r < rows; r += BLOCK) {
    const block = min(BLOCK, rows - r);
    let panel = weight;
    for (let o = 0; o < outputs; o += PANEL, panel += xStride << 3) {
      const left = min(PANEL, outputs - o);
      const bytes = <usize>left << 2;
      memory.fill(start, 0, 32);
      if (bias) memory.copy(start, bias + (<usize>o << 2), bytes);
      const target = out + (<usize>o << 2);
      if (left == PANEL) {
        tileRows(x, xStride, panel, start, target, outStride, block, inputs);
        continue;
      }
      tileRows(x, xStride, panel, start, tile, 32, block, inputs);
      for (let i = 0; i < block; i++) memory.copy(target + <usize>i * outStride, tile + (<usize>i << 5), bytes);
    }
    finishRows(out, residual, 0, block, outputs, activation);
    x += <usize>block * xStride;
    out += <usize>block * outStride;
    if (residual) residual += <usize>block * outStride;
  }
}

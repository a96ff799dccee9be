import { finishRows } from './finish';
import { alignUp, BLOCK } from './lanes';
import { quantizedRowBytes, quantizeRows } from './quantize';
import { multiplyRows } from './tile';

/**
 * y (rows, outputs) = activation(x · weightᵀ + bias) + residual, for quantized x (rows, inputs), packed int8 weights
 * and their columns. y goes to `out` (or 0) as f32 and to `quantized` (or 0). Scratch: see `region`.
 */
export function linearInt8(
  x: usize, weight: usize, columns: usize, residual: usize, out: usize, quantized: usize, scratch: usize,
  rows: i32, inputs: i32, outputs: i32, activation: i32,
): void {
  const widest = max(inputs, outputs);
  for (let r = 0; r < rows; r += BLOCK) {
    const block = min(BLOCK, rows - r);
    const y = out ? out + rowsOf(r, outputs) : region(scratch, widest, 0);
    multiplyRows(x, weight, columns, y, scratch, region(scratch, widest, 1), block, inputs, outputs);
    finishRows(y, residual ? residual + rowsOf(r, outputs) : 0, quantized, block, outputs, activation);
    x += <usize>block * quantizedRowBytes(inputs);
    if (quantized) quantized += <usize>block * quantizedRowBytes(outputs);
  }
}

/**
 * `linearInt8` through a low rank: y = activation(loraB · (loraA · x) + bias) + residual. What lies between never
 * leaves the cache.
 */
export function lowRankInt8(
  x: usize, loraA: usize, columnsA: usize, loraB: usize, columnsB: usize, residual: usize, out: usize, quantized: usize,
  scratch: usize, rows: i32, inputs: i32, rank: i32, outputs: i32, activation: i32,
): void {
  const widest = max(max(inputs, outputs), rank);
  const wide = region(scratch, widest, 1);
  const inner = region(scratch, widest, 2);
  const innerQuantized = region(scratch, widest, 3);
  for (let r = 0; r < rows; r += BLOCK) {
    const block = min(BLOCK, rows - r);
    const y = out ? out + rowsOf(r, outputs) : region(scratch, widest, 0);
    multiplyRows(x, loraA, columnsA, inner, scratch, wide, block, inputs, rank);
    quantizeRows(inner, innerQuantized, block, rank);
    multiplyRows(innerQuantized, loraB, columnsB, y, scratch, wide, block, rank, outputs);
    finishRows(y, residual ? residual + rowsOf(r, outputs) : 0, quantized, block, outputs, activation);
    x += <usize>block * quantizedRowBytes(inputs);
    if (quantized) quantized += <usize>block * quantizedRowBytes(outputs);
  }
}

/** Scratch is a tile (128 bytes) and four regions, each with room for four rows of f32 as wide as the widest. */
// @ts-ignore: decorator
@inline
function region(scratch: usize, widest: i32, index: usize): usize {
  return scratch + 128 + index * (alignUp(<usize>widest) << 4);
}

// @ts-ignore: decorator
@inline
function rowsOf(count: i32, columns: i32): usize {
  return <usize>(count * columns) << 2;
}

import { activate } from './activations';
import { add } from './add';
import { gelu } from './gelu';
import { quantizeRows } from './quantize';
import { relu } from './relu';
import { tanh } from './tanh';

/** What follows a linear layer in the same call, as ../../artifact/steps.ts numbers it. 0: nothing. */
export const GELU: i32 = 1;
/** After GELU in the list of activations. */
export const TANH: i32 = 2;
/** After TANH in the list of activations. */
export const RELU: i32 = 3;

/**
 * Finishes rows of y (rows, columns) in place while they are still in the cache: activation, + residual (or 0: none);
 * then quantizes them into `quantized` (or 0: not).
 */
export function finishRows(
  y: usize, residual: usize, quantized: usize, rows: i32, columns: i32, activation: i32,
): void {
  if (activation == GELU) gelu(y, y, rows, columns);
  else if (activation == TANH) tanh(y, y, rows, columns);
  else if (activation == RELU) relu(y, y, rows, columns);
  else if (activation > RELU) activate(y, y, rows * columns, activation);
  if (residual) add(y, residual, y, rows, columns);
  if (quantized) quantizeRows(y, quantized, rows, columns);
}

import { constant } from './constants';
import { exp2 } from './exp2';
import { LANES, loadPart, storePart } from './lanes';

// Numbers of activations, in the order of ../../artifact/steps.ts, after those that have files of their own.
const SIGMOID: i32 = 4;
const SILU: i32 = 5;
const QUICK_GELU: i32 = 6;
const GELU_TANH: i32 = 7;
const MISH: i32 = 8;
const RELU6: i32 = 9;
const RELU_SQUARED: i32 = 10;
const LEAKY_RELU: i32 = 11;
const HARD_SWISH: i32 = 12;

// 1, -log2 e, 127, 1.702, 2 sqrt(2 / pi), 0.044715, 0, 6, 0.01, 3, 1 / 6
const TABLE: usize = memory.data<f32>([
  1, -1.4426950408889634, 127, 1.702, 1.5957691216057308, 0.044715, 0, 6, 0.01, 3, 0.16666666666666666,
]);

/**
 * 1 / (1 + e^-x), within 2e-7. 2^127 is infinite as exp2 computes it, so that the result far below is 0, and x times it
 * is. NaN stays.
 */
// @ts-ignore: decorator
@inline
function sigmoidOf(x: v128): v128 {
  const one = constant(TABLE, 0);
  const power = exp2(f32x4.pmin(f32x4.mul(x, constant(TABLE, 1)), constant(TABLE, 2)));
  return f32x4.div(one, f32x4.add(power, one));
}

/** x kept from 0 to 6; NaN stays. */
// @ts-ignore: decorator
@inline
function clipped(x: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, constant(TABLE, 6)), constant(TABLE, 7));
}

// @ts-ignore: decorator
@inline
function activated(x: v128, activation: i32): v128 {
  switch (activation) {
    case SIGMOID:
      return sigmoidOf(x);
    case SILU:
      return f32x4.mul(x, sigmoidOf(x));
    case QUICK_GELU:
      return f32x4.mul(x, sigmoidOf(f32x4.mul(x, constant(TABLE, 3))));
    case GELU_TANH: {
      const one = constant(TABLE, 0);
      const cubic = f32x4.mul(x, f32x4.add(f32x4.mul(f32x4.mul(x, x), constant(TABLE, 5)), one));
      return f32x4.mul(x, sigmoidOf(f32x4.mul(cubic, constant(TABLE, 4))));
    }
    case MISH: {
      const one = constant(TABLE, 0);
      const t = sigmoidOf(f32x4.neg(x));
      const square = f32x4.mul(t, t);
      return f32x4.mul(x, f32x4.div(f32x4.sub(one, square), f32x4.add(square, one)));
    }
    case RELU6:
      return clipped(x);
    case RELU_SQUARED: {
      const positive = f32x4.pmax(x, constant(TABLE, 6));
      return f32x4.mul(positive, positive);
    }
    case LEAKY_RELU:
      return f32x4.pmax(x, f32x4.mul(x, constant(TABLE, 8)));
    default:
      return f32x4.mul(x, f32x4.mul(clipped(f32x4.add(x, constant(TABLE, 9))), constant(TABLE, 10)));
  }
}

/** out = the activation of that number, for `count` values; out may be x. */
export function activate(x: usize, out: usize, count: i32, activation: i32): void {
  for (let i = 0; i < count; i += LANES) {
    const at = <usize>i << 2;
    const left = count - i;
    const y = activated(loadPart(x + at, left), activation);
    if (left >= LANES) v128.store(out + at, y);
    else storePart(out + at, y, left);
  }
}

/** out = 1 / (1 + e^-x); out may be x. */
export function sigmoid(x: usize, out: usize, rows: i32, columns: i32): void {
  activate(x, out, rows * columns, SIGMOID);
}

/** out = x / (1 + e^-x); out may be x. */
export function silu(x: usize, out: usize, rows: i32, columns: i32): void {
  activate(x, out, rows * columns, SILU);
}

/** out = x / (1 + e^(-1.702 x)); out may be x. */
export function quickGelu(x: usize, out: usize, rows: i32, columns: i32): void {
  activate(x, out, rows * columns, QUICK_GELU);
}

/** out = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), the GELU by tanh; out may be x. */
export function geluTanh(x: usize, out: usize, rows: i32, columns: i32): void {
  activate(x, out, rows * columns, GELU_TANH);
}

/** out = x tanh(ln(1 + e^x)); out may be x. */
export function mish(x: usize, out: usize, rows: i32, columns: i32): void {
  activate(x, out, rows * columns, MISH);
}

/** out = x kept from 0 to 6; out may be x. */
export function relu6(x: usize, out: usize, rows: i32, columns: i32): void {
  activate(x, out, rows * columns, RELU6);
}

/** out = the larger of x and 0, squared; out may be x. */
export function reluSquared(x: usize, out: usize, rows: i32, columns: i32): void {
  activate(x, out, rows * columns, RELU_SQUARED);
}

/** out = x above 0, x / 100 below; out may be x. */
export function leakyRelu(x: usize, out: usize, rows: i32, columns: i32): void {
  activate(x, out, rows * columns, LEAKY_RELU);
}

/** out = x / 6 times x + 3 kept from 0 to 6; out may be x. */
export function hardSwish(x: usize, out: usize, rows: i32, columns: i32): void {
  activate(x, out, rows * columns, HARD_SWISH);
}

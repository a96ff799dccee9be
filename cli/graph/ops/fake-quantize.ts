/**
 * The runtime's rounding while training: values become what is left of them in int8, and stay f32. Its derivative is 0
 * almost everywhere, so gradients pass as if nothing had been rounded: straight through (Bengio, Léonard, Courville
 * 2013; Jacob et al. 2018). What is rounded is always within its range, for the range is its own.
 */
import { type Attributes, apply, expectShapes, type Node, type Operation } from '../graph.ts';
import { add, divide, maximum, minimum, multiply, scale, subtract } from './binary.ts';
import { scalar } from './leaf.ts';
import { largest, least } from './reduce.ts';
import { reshape } from './reshape.ts';
import { pad, slice } from './slice.ts';
import { floor, negate } from './unary.ts';

/** Ranges are taken to be no smaller, so that a row of zeros is divided by a number; runtime/kernels has the same. */
const TINY = 1e-30;

function straightThrough(name: string, expand: (x: Node) => Node): (x: Node) => Node {
  const operation: Operation<Attributes> = {
    name,
    infer(inputs) {
      const [{ dtype, shape }] = inputs;
      expectShapes(dtype === 'f32' && shape.length === 2, name, 'an f32 matrix', inputs);
      return { dtype, shape };
    },
    gradient: (_, dy) => [dy],
    expand: ([x]) => expand(x),
  };
  return (x) => apply(operation, [x], {});
}

/**
 * Rows of x (rows, columns) as a quantized layer reads them (`quantizeRows` of runtime/kernels): 7 bits, 0..127, from
 * the row's least value to its largest, 0 always among them.
 */
export const fakeQuantizeRows = straightThrough('fakeQuantizeRows', (x) => {
  const low = minimum(least(x, [1]), scalar(0)); // (rows, 1)
  const range = maximum(subtract(maximum(largest(x, [1]), scalar(0)), low), scalar(TINY));
  const inverse = divide(scalar(127), range);
  const zero = rounded(negate(multiply(low, inverse)));
  // Two halves that are both rounded up may make 128 of 127.
  const value = minimum(rounded(multiply(x, inverse)), subtract(scalar(127), zero));
  return multiply(value, divide(range, scalar(127)));
});

/**
 * A weight (outputs, inputs), or rows of a table, as `slim quantize` stores it (cli/compress/quantize.ts): -127..127,
 * with a scale for each row.
 */
export const fakeQuantizeWeight = straightThrough('fakeQuantizeWeight', (weight) => {
  const most = maximum(largest(weight, [1]), negate(least(weight, [1]))); // (outputs, 1)
  const step = divide(maximum(most, scalar(TINY)), scalar(127));
  return multiply(rounded(divide(weight, step)), step);
});

/**
 * Columns of a group of int4, and how large a value is in a row's steps at the most: cli/compress/int4.ts has the same.
 */
const [GROUP, LARGEST] = [32, 120];

/** The same in int4, in groups of 32 with whole factors (cli/compress/int4.ts). */
export const fakeQuantizeInt4 = straightThrough('fakeQuantizeInt4', (weight) => {
  const [rows, columns] = weight.shape;
  const groups = Math.ceil(columns / GROUP);
  const whole = pad(weight, 1, 0, groups * GROUP - columns);
  const x = reshape(whole, [rows, groups, GROUP]);
  const [low, high] = [minimum(least(x, [2]), scalar(0)), maximum(largest(x, [2]), scalar(0))]; // (rows, groups, 1)
  const most = maximum(high, negate(low));
  const step = divide(maximum(largest(most, [1]), scalar(TINY)), scalar(LARGEST)); // (rows, 1, 1)
  const size = within(rounded(divide(most, scale(step, 8))), 1, LARGEST / 8);
  const isNegative = subtract(scalar(1), within(add(floor(add(high, low)), scalar(1)), 0, 1));
  const ofGroup = multiply(step, multiply(size, subtract(scale(isNegative, 2), scalar(1))));
  const restored = multiply(within(rounded(divide(x, ofGroup)), -8, 7), ofGroup);
  return slice(reshape(restored, whole.shape), 1, 0, columns);
});

function within(x: Node, low: number, high: number): Node {
  return minimum(maximum(x, scalar(low)), scalar(high));
}

/** To the nearest integer, halves up: kernels round halves to even, for which WebGPU has no operator. */
function rounded(x: Node): Node {
  return floor(add(x, scalar(0.5)));
}

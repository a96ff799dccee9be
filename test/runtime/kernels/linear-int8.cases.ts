/**
 * `linearInt8`, `lowRankInt8`, and the columns that they need. Without an activation all floats are exact: sums are
 * integers.
 */

import type { Activation } from '../../../runtime/artifact/plan.ts';
import { columnBytes } from '../../../runtime/artifact/plan-memory.ts';
import { ACTIVATIONS, alignUp, quantizedRowBytes } from '../../../runtime/artifact/steps.ts';
import {
  ACTIVATION_ERROR,
  activationIndex,
  EXTREMES,
  integers,
  type KernelCase,
  normals,
  type Outputs,
  packedI8,
  ROWS,
  SIZES,
  type Side,
  SMALL_SIZES,
} from './harness.ts';

/** What a row's bytes, zero points and weights are made of. */
interface Fill {
  readonly bytes: (count: number) => Int32Array;
  readonly zeros: (rows: number) => Int32Array;
  readonly weights: (count: number) => Int32Array;
}

const same =
  (value: number) =>
  (count: number): Int32Array =>
    new Int32Array(count).fill(value);
const RANDOM: Fill = {
  bytes: (count) => integers(count, 0, 127, count, 1),
  zeros: (rows) => integers(rows, 0, 127, rows, 2),
  weights: (count) => integers(count, -127, 127, count, 3),
};
const FILLS: Readonly<Record<string, Fill>> = {
  random: RANDOM,
  '127 · 127': { bytes: same(127), zeros: same(0), weights: same(127) },
  '127 · -127': { bytes: same(127), zeros: same(0), weights: same(-127) },
  '127 · -128': { bytes: same(127), zeros: same(0), weights: same(-128) },
  '(0 - 127) · -128': { bytes: same(0), zeros: same(127), weights: same(-128) },
  zeros: { bytes: same(0), zeros: same(0), weights: same(0) },
  'a row of zeros in the middle of its range': { bytes: same(64), zeros: same(64), weights: RANDOM.weights },
};

interface Options {
  readonly fill?: Fill;
  readonly activation?: Activation;
  readonly hasBias?: boolean;
  readonly hasResidual?: boolean;
  /** Rows of x as floats, quantized by the kernel, instead of `fill`'s bytes. */
  readonly values?: (count: number) => Float32Array;
}

/** Quantized rows as `quantizeRows` lays them out. */
function quantizedRows(rows: number, inputs: number, { bytes, zeros }: Fill): Uint8Array {
  const rowBytes = quantizedRowBytes(inputs);
  const out = new Uint8Array(rows * rowBytes);
  const [values, zeroPoints, scales] = [bytes(rows * inputs), zeros(rows), normals(rows, 4)];
  for (let r = 0; r < rows; r++) {
    out.set(values.subarray(r * inputs, (r + 1) * inputs), r * rowBytes);
    const trailer = r * rowBytes + alignUp(inputs);
    new Float32Array(out.buffer, trailer, 1)[0] = Math.abs(scales[r]);
    new Int32Array(out.buffer, trailer + 4, 1)[0] = zeroPoints[r];
  }
  return out;
}

function placeRows(side: Side, rows: number, inputs: number, { fill = RANDOM, values }: Options): number {
  if (values === undefined) return side.put(quantizedRows(rows, inputs, fill));
  const quantized = side.bytes(rows * quantizedRowBytes(inputs)).byteOffset;
  side.kernels.quantizeRows(side.put(values(rows * inputs)), quantized, rows, inputs);
  return quantized;
}

/** A packed weight and its columns. */
function placeWeight(
  side: Side,
  inputs: number,
  outputs: number,
  hasBias: boolean,
  { weights }: Fill,
): { weight: number; columns: Uint8Array } {
  const weight = side.put(packedI8(Int8Array.from(weights(outputs * inputs)), outputs, inputs));
  const scales = side.put(normals(outputs, 5).map(Math.abs));
  const bias = hasBias ? side.put(normals(outputs, 6)) : 0;
  const columns = side.bytes(columnBytes(outputs));
  side.kernels.prepareColumns(weight, scales, bias, columns.byteOffset, inputs, outputs);
  return { weight, columns };
}

/** Calls a kernel for floats alone, for floats and quantized rows, and for quantized rows alone. */
function inEveryWay(
  side: Side,
  rows: number,
  outputs: number,
  activation: Activation,
  columns: readonly Uint8Array[],
  call: (out: number, quantized: number) => void,
): Outputs {
  const [alone, out] = [0, 1].map(() => side.floats(rows * outputs));
  const [beside, only] = [0, 1].map(() => side.bytes(rows * quantizedRowBytes(outputs)));
  call(alone.byteOffset, 0);
  call(out.byteOffset, beside.byteOffset);
  call(0, only.byteOffset);
  const quantized = [beside, only].map((quantizedRows) => ({ rows: quantizedRows, of: out, columns: outputs }));
  if (activation === 'none') return { exact: [...columns, alone, out], quantized };
  return { exact: columns, close: [alone, out], absolute: ACTIVATION_ERROR[activation], quantized };
}

function linearInt8(name: string, rows: number, inputs: number, outputs: number, options: Options = {}): KernelCase {
  const { fill = RANDOM, activation = 'none', hasBias = true, hasResidual = false } = options;
  return {
    kernel: 'linearInt8',
    name: `${name}: ${rows} rows, ${inputs} → ${outputs}`,
    run: (side) => {
      const x = placeRows(side, rows, inputs, options);
      const { weight, columns } = placeWeight(side, inputs, outputs, hasBias, fill);
      const residual = hasResidual ? side.put(normals(rows * outputs, 7)) : 0;
      const scratch = side.scratch('linearInt8', { inputs, outputs });
      return inEveryWay(side, rows, outputs, activation, [columns], (out, quantized) =>
        side.kernels.linearInt8(
          x,
          weight,
          columns.byteOffset,
          residual,
          out,
          quantized,
          scratch,
          rows,
          inputs,
          outputs,
          activationIndex(activation),
        ),
      );
    },
  };
}

function lowRankInt8(
  name: string,
  rows: number,
  inputs: number,
  rank: number,
  outputs: number,
  options: Options = {},
): KernelCase {
  const { fill = RANDOM, activation = 'none', hasBias = true, hasResidual = false } = options;
  return {
    kernel: 'lowRankInt8',
    name: `${name}: ${rows} rows, ${inputs} → ${rank} → ${outputs}`,
    run: (side) => {
      const x = placeRows(side, rows, inputs, options);
      const a = placeWeight(side, inputs, rank, false, fill);
      const b = placeWeight(side, rank, outputs, hasBias, fill);
      const residual = hasResidual ? side.put(normals(rows * outputs, 7)) : 0;
      const scratch = side.scratch('lowRankInt8', { inputs, rank, outputs });
      return inEveryWay(side, rows, outputs, activation, [a.columns, b.columns], (out, quantized) =>
        side.kernels.lowRankInt8(
          x,
          a.weight,
          a.columns.byteOffset,
          b.weight,
          b.columns.byteOffset,
          residual,
          out,
          quantized,
          scratch,
          rows,
          inputs,
          rank,
          outputs,
          activationIndex(activation),
        ),
      );
    },
  };
}

function prepareColumns(inputs: number, outputs: number): KernelCase {
  return {
    kernel: 'prepareColumns',
    name: `${inputs} → ${outputs}`,
    run: (side) => ({
      exact: [...Object.values(FILLS), RANDOM].map(
        (fill, i) => placeWeight(side, inputs, outputs, i % 2 === 0, fill).columns,
      ),
    }),
  };
}

/** Every activation, with and without bias and residual. */
const ENDINGS: readonly (Options & { readonly name: string })[] = ACTIVATIONS.flatMap((activation) =>
  [false, true].flatMap((hasBias) =>
    [false, true].map((hasResidual) => ({
      activation,
      hasBias,
      hasResidual,
      name: `${activation}${hasBias ? ', bias' : ''}${hasResidual ? ', residual' : ''}`,
    })),
  ),
);

export const LINEAR_INT8_CASES: readonly KernelCase[] = [
  ...SIZES.flatMap((size) => [prepareColumns(size, 17), prepareColumns(17, size)]),
  ...SMALL_SIZES.flatMap((inputs) => SMALL_SIZES.map((outputs) => linearInt8('sizes', 5, inputs, outputs))),
  ...[
    [768, 17],
    [17, 768],
    [3072, 5],
    [5, 3072],
    [768, 768],
  ].map(([inputs, outputs]) => linearInt8('sizes', 3, inputs, outputs)),
  ...ROWS.map((rows) => linearInt8('rows', rows, 33, 17, { hasResidual: true })),
  ...Object.entries(FILLS).flatMap(([name, fill]) =>
    [17, 768, 3072].map((inputs) => linearInt8(name, 5, inputs, 9, { fill })),
  ),
  ...ENDINGS.map(({ name, ...ending }) => linearInt8(name, 5, 33, 17, ending)),
  ...Object.entries(EXTREMES).map(([name, values]) => linearInt8(name, 5, 33, 17, { values, hasBias: false })),
];

export const LOW_RANK_INT8_CASES: readonly KernelCase[] = [
  ...SMALL_SIZES.flatMap((size) =>
    [
      [size, 5, 17],
      [17, size, 33],
      [33, 4, size],
      [size, size, size],
    ].map(([inputs, rank, outputs]) => lowRankInt8('sizes', 5, inputs, rank, outputs)),
  ),
  ...[
    [768, 32, 3072],
    [3072, 32, 768],
    [5, 768, 3],
    [3, 3072, 5],
  ].map(([inputs, rank, outputs]) => lowRankInt8('sizes', 2, inputs, rank, outputs)),
  ...ROWS.map((rows) => lowRankInt8('rows', rows, 33, 8, 17, { hasResidual: true })),
  ...Object.entries(FILLS).map(([name, fill]) => lowRankInt8(name, 5, 768, 32, 33, { fill })),
  ...ENDINGS.map(({ name, ...ending }) => lowRankInt8(name, 5, 33, 8, 17, ending)),
  ...Object.entries(EXTREMES).map(([name, values]) => lowRankInt8(name, 5, 33, 8, 17, { values, hasBias: false })),
];

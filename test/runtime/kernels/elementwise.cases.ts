/** The activations, `add`, `multiply`, and what copies or averages: `selectRow`, `meanRows`, `concat`, `patchify`. */
import type { Activation } from '../../../runtime/artifact/plan.ts';
import { ACTIVATION_ERROR, ACTIVATION_KERNELS, EXTREMES, type KernelCase, normals, ROWS, SIZES } from './harness.ts';

/** Around zero, where GELU and tanh stop bending, and far out. */
const SPECIAL = Float32Array.of(
  0,
  -0,
  1e-6,
  -1e-6,
  1e-41,
  0.5,
  -3,
  4,
  -4.999,
  5.001,
  -5.5,
  7,
  -9.1,
  19.9,
  -20.1,
  100,
  -100,
);
const HUGE = Float32Array.of(1e30, -1e30, 3e38, -3e38, 1);

function activation(kernel: Exclude<Activation, 'none'>, name: string, values: Float32Array): KernelCase {
  return {
    kernel,
    name: `${name} (${values.length})`,
    run: (side) => {
      const out = side.floats(values.length);
      side.kernels[kernel](side.put(values), out.byteOffset, 1, values.length);
      // In place, as after a linear layer.
      const inPlace = side.floats(values.length);
      inPlace.set(values);
      side.kernels[kernel](inPlace.byteOffset, inPlace.byteOffset, 1, values.length);
      return { close: [out, inPlace], absolute: ACTIVATION_ERROR[kernel] };
    },
  };
}

function twoOperands(kernel: 'add' | 'multiply', name: string, a: Float32Array): KernelCase {
  return {
    kernel,
    name: `${name} (${a.length})`,
    run: (side) => {
      const [first, second] = [side.put(a), side.put(normals(a.length, 2))];
      const outs = [0, 1, 2].map(() => side.floats(a.length));
      const [out, intoFirst, intoSecond] = outs;
      intoFirst.set(a);
      intoSecond.set(a);
      side.kernels[kernel](first, second, out.byteOffset, 1, a.length);
      side.kernels[kernel](intoFirst.byteOffset, second, intoFirst.byteOffset, 1, a.length);
      side.kernels[kernel](first, intoSecond.byteOffset, intoSecond.byteOffset, 1, a.length);
      return { exact: outs };
    },
  };
}

function meanRows(rows: number, columns: number, index: number, count: number): KernelCase {
  return {
    kernel: 'meanRows',
    name: `${count} from ${index} of (${rows}, ${columns})`,
    run: (side) => {
      const out = side.floats(columns);
      side.kernels.meanRows(side.put(normals(rows * columns, 1)), out.byteOffset, rows, columns, index, count);
      return { close: [out] };
    },
  };
}

function concat(first: number, second: number): KernelCase {
  return {
    kernel: 'concat',
    name: `${first} and ${second}`,
    run: (side) => {
      const out = side.floats(first + second);
      const [a, b] = [side.put(normals(first, 1)), side.put(normals(second, 2))];
      side.kernels.concat(a, b, out.byteOffset, first, second);
      return { exact: [out] };
    },
  };
}

function selectRow(rows: number, columns: number, index: number, x = normals(rows * columns, 1)): KernelCase {
  return {
    kernel: 'selectRow',
    name: `${index} of (${rows}, ${columns})`,
    run: (side) => {
      const out = side.floats(columns);
      side.kernels.selectRow(side.put(x), out.byteOffset, rows, columns, index);
      return { exact: [out] };
    },
  };
}

/** Several rows at once: the count is their product. */
function ofRows(rows: number, columns: number): KernelCase[] {
  const x = normals(rows * columns, 1);
  return ([...ACTIVATION_KERNELS, 'add'] as const).map((kernel) => ({
    kernel,
    name: `(${rows}, ${columns})`,
    run: (side) => {
      const [at, out] = [side.put(x), side.floats(x.length)];
      if (kernel === 'add') side.kernels.add(at, side.put(normals(x.length, 2)), out.byteOffset, rows, columns);
      else side.kernels[kernel](at, out.byteOffset, rows, columns);
      return { close: [out], absolute: kernel === 'add' ? 0 : ACTIVATION_ERROR[kernel] };
    },
  }));
}

function patchify(channels: number, height: number, width: number, patch: number): KernelCase {
  return {
    kernel: 'patchify',
    name: `(${channels}, ${height}, ${width}) in patches of ${patch}`,
    run: (side) => {
      const out = side.floats(channels * height * width);
      side.kernels.patchify(side.put(normals(out.length, 1)), out.byteOffset, channels, height, width, patch);
      return { exact: [out] };
    },
  };
}

export const ELEMENTWISE_CASES: readonly KernelCase[] = [
  ...ACTIVATION_KERNELS.flatMap((kernel) => [
    ...SIZES.map((count) =>
      activation(
        kernel,
        'normal',
        normals(count, 1).map((v) => 3 * v),
      ),
    ),
    ...Object.entries(EXTREMES).map(([name, make]) => activation(kernel, name, make(33))),
    activation(kernel, 'special', SPECIAL),
    // Apart, since what is close is measured against the largest.
    activation(kernel, 'huge', HUGE),
  ]),
  ...(['add', 'multiply'] as const).flatMap((kernel) =>
    SIZES.map((count) => twoOperands(kernel, 'normal', normals(count, 1))),
  ),
  ...SIZES.flatMap((columns) => [meanRows(7, columns, 0, 7), meanRows(7, columns, 2, 4), meanRows(1, columns, 0, 1)]),
  ...SIZES.map((first) => concat(first, 3)),
  ...SIZES.flatMap((columns) => [0, 2, 4].map((index) => selectRow(5, columns, index))),
  ...ROWS.flatMap((rows) => ofRows(rows, 17)),
  ...Object.entries(EXTREMES).flatMap(([name, make]) => [
    twoOperands('add', name, make(33)),
    selectRow(1, 33, 0, make(33)),
  ]),
  ...[1, 3, 4, 5, 15, 16, 17, 31, 32, 33].flatMap((patch) => [
    patchify(3, 2 * patch, 3 * patch, patch),
    patchify(1, patch, patch, patch),
  ]),
  patchify(1, 197, 197, 197),
  patchify(3, 224, 224, 16),
  ...SIZES.map((width) => patchify(2, 1, width, 1)),
];

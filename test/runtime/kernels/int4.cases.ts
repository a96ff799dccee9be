/** `unpackWeight` and `unpackTable`: all that they write is exact. */
import { INT4_GROUP, int4Shape, MAX_INT4_FACTOR, packedShape } from '../../../runtime/artifact/steps.ts';
import { integers, type KernelCase, SMALL_SIZES } from './harness.ts';

export interface Int4 {
  readonly values: Uint8Array;
  readonly factors: Int8Array;
}

/** Any bits, those that pad a row's last group among them, and factors of either sign. */
export function randomInt4(rows: number, columns: number): Int4 {
  const [, rowBytes] = int4Shape(rows, columns);
  const groups = Math.ceil(columns / INT4_GROUP);
  return {
    values: Uint8Array.from(integers(rows * rowBytes, 0, 255, rows, columns, 1)),
    factors: Int8Array.from(integers(rows * groups, -MAX_INT4_FACTOR, MAX_INT4_FACTOR, rows, columns, 2)),
  };
}

const same =
  (value: number, factor: number) =>
  (rows: number, columns: number): Int4 => {
    const { values, factors } = randomInt4(rows, columns);
    return { values: values.fill(value), factors: factors.fill(factor) };
  };
const FILLS: Readonly<Record<string, (rows: number, columns: number) => Int4>> = {
  random: randomInt4,
  '-8 · 15': same(0x88, 15),
  '-8 · -15': same(0x88, -15),
  '7 · -15': same(0x77, -15),
  'low bits alone': same(0x0f, 1),
  'high bits alone': same(0xf0, 1),
};

/** How many bytes each writes. */
export const INT4_KERNELS = {
  unpackWeight: (rows: number, columns: number) => packedShape('I8', rows, columns).reduce((a, b) => a * b, 1),
  unpackTable: (rows: number, columns: number) => rows * columns,
} as const;

function unpack(kernel: keyof typeof INT4_KERNELS, rows: number, columns: number, fill: string): KernelCase {
  return {
    kernel,
    name: `${fill}: ${rows} rows, ${columns} columns`,
    run: (side) => {
      const { values, factors } = FILLS[fill](rows, columns);
      const out = side.bytes(INT4_KERNELS[kernel](rows, columns));
      side.kernels[kernel](side.put(values), side.put(factors), out.byteOffset, rows, columns);
      return { exact: [out] };
    },
  };
}

const ALL = ['unpackWeight', 'unpackTable'] as const;

export const INT4_CASES: readonly KernelCase[] = ALL.flatMap((kernel) => [
  ...SMALL_SIZES.flatMap((columns) => [1, 7, 8, 9].map((rows) => unpack(kernel, rows, columns, 'random'))),
  ...[24, 40, 48, 56, 63, 64, 65, 768].map((columns) => unpack(kernel, 9, columns, 'random')),
  ...Object.keys(FILLS).map((fill) => unpack(kernel, 9, 41, fill)),
]);

import { quantizedRowBytes } from '../../../runtime/artifact/steps.ts';
import { EXTREMES, type KernelCase, normals, ROWS, SIZES } from './harness.ts';

function quantizeRows(name: string, rows: number, columns: number, values: Float32Array): KernelCase {
  return {
    kernel: 'quantizeRows',
    name: `${name} (${rows}, ${columns})`,
    run: (side) => {
      const quantized = side.bytes(rows * quantizedRowBytes(columns));
      side.kernels.quantizeRows(side.put(values), quantized.byteOffset, rows, columns);
      return { exact: [quantized] };
    },
  };
}

/** The row, and the row with the other sign: what was above zero is below. */
const bothSigns = (row: Float32Array): Float32Array => Float32Array.from([...row, ...row.map((v) => -v)]);

export const QUANTIZE_CASES: readonly KernelCase[] = [
  ...SIZES.flatMap((columns) => [
    quantizeRows('normal', 2, columns, bothSigns(normals(columns, 7))),
    ...Object.entries(EXTREMES).map(([name, make]) => quantizeRows(name, 2, columns, bothSigns(make(columns)))),
  ]),
  ...ROWS.map((rows) => quantizeRows('rows', rows, 17, normals(rows * 17, 1))),
  // The scale is the smallest that counts, and just too small to count.
  quantizeRows('a tiny range', 2, 3, Float32Array.of(1.01e-30, 0, 0.5e-30, 0.99e-30, 0, 0.5e-30)),
];

import { quantizedRowBytes } from '../../../runtime/artifact/steps.ts';
import { EXTREMES, type KernelCase, normals, ROWS, SIZES } from './harness.ts';

interface Options {
  readonly values?: (count: number) => Float32Array;
  readonly epsilon?: number;
  readonly absolute?: number;
}

function layerNorm(
  name: string,
  rows: number,
  columns: number,
  { values = (count) => normals(count, 1), epsilon = 1e-5, absolute = 0 }: Options = {},
): KernelCase {
  return {
    kernel: 'layerNorm',
    name: `${name} (${rows}, ${columns})`,
    run: (side) => {
      const x = side.put(Float32Array.from(Array.from({ length: rows }, () => [...values(columns)]).flat()));
      const [gamma, beta] = [side.put(normals(columns, 2)), side.put(normals(columns, 3))];
      const scratch = side.scratch('layerNorm', { columns });
      const [alone, out] = [0, 1].map(() => side.floats(rows * columns));
      const [beside, only] = [0, 1].map(() => side.bytes(rows * quantizedRowBytes(columns)));
      const call = (to: number, quantized: number): void =>
        side.kernels.layerNorm(x, gamma, beta, to, quantized, scratch, rows, columns, epsilon);
      call(alone.byteOffset, 0);
      call(out.byteOffset, beside.byteOffset);
      call(0, only.byteOffset);
      return {
        close: [alone, out],
        absolute,
        quantized: [beside, only].map((quantized) => ({ rows: quantized, of: out, columns })),
      };
    },
  };
}

/** 1e30 squared is no f32: layer-norm.test.ts says what becomes of it. */
const { 'one huge outlier': _, ...EXTREME_ROWS } = EXTREMES;

export const LAYER_NORM_CASES: readonly KernelCase[] = [
  ...SIZES.flatMap((columns) => [
    layerNorm('normal', 2, columns),
    layerNorm('epsilon of BERT', 2, columns, { epsilon: 1e-12 }),
    layerNorm('an outlier of 1e15', 2, columns, {
      values: (count) => normals(count, 8).map((v, i) => (i === count >> 1 ? 1e15 : v)),
    }),
    ...Object.entries(EXTREME_ROWS).map(([name, values]) => layerNorm(name, 1, columns, { values })),
    // The mean is rounded to f32: at 100 by up to 4e-6, which the result keeps.
    layerNorm('far from zero', 2, columns, {
      values: (count) => normals(count, 1).map((v) => 100 + v),
      absolute: 1e-4,
    }),
  ]),
  ...ROWS.map((rows) => layerNorm('rows', rows, 17)),
];

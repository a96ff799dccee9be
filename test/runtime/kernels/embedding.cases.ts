/** `tokens` and `embedding`: rows of tables, f32 or int8, added up. */
import { EXTREMES, integers, type KernelCase, normals, SIZES, type Side, SMALL_SIZES } from './harness.ts';

/** A table (rows, columns), and its scales: 0 where it is f32. */
function placeTable(
  side: Side,
  rows: number,
  columns: number,
  isInt8: boolean,
  seed: number,
): { table: number; scales: number } {
  if (!isInt8) return { table: side.put(normals(rows * columns, seed)), scales: 0 };
  const table = Int8Array.from(integers(rows * columns, -128, 127, seed));
  return { table: side.put(table), scales: side.put(normals(rows, seed + 1).map((v) => Math.abs(v) / 100)) };
}

function tokens(
  name: string,
  rows: number,
  columns: number,
  isInt8: boolean,
  patches = normals((rows - 1) * columns, 1),
): KernelCase {
  return {
    kernel: 'tokens',
    name: `${name}: ${rows} rows, ${columns} columns, ${isInt8 ? 'int8' : 'f32'}`,
    run: (side) => {
      const position = placeTable(side, rows, columns, isInt8, 3);
      const [x, cls] = [side.put(patches), side.put(normals(columns, 2))];
      const out = side.floats(rows * columns);
      side.kernels.tokens(x, cls, position.table, position.scales, out.byteOffset, rows, columns);
      return { close: [out] };
    },
  };
}

function prefixTokens(prefixRows: number, rows: number, columns: number, isInt8: boolean): KernelCase {
  return {
    kernel: 'prefixTokens',
    name: `${prefixRows} before: ${rows} rows, ${columns} columns, ${isInt8 ? 'int8' : 'f32'}`,
    run: (side) => {
      const position = placeTable(side, rows, columns, isInt8, 3);
      const patches = side.put(normals((rows - prefixRows) * columns, 1));
      const prefix = side.put(normals(prefixRows * columns, 2));
      const out = side.floats(rows * columns);
      const { table, scales } = position;
      side.kernels.prefixTokens(patches, prefix, table, scales, out.byteOffset, prefixRows, rows, columns);
      return { close: [out] };
    },
  };
}

interface EmbeddingOptions {
  /** null: without ids. */
  readonly ids?: Int32Array | null;
  readonly isInt8?: boolean;
  readonly residual?: Float32Array | null;
}

const ENTRIES = 37;

function embedding(
  name: string,
  rows: number,
  columns: number,
  {
    ids = integers(rows, 0, ENTRIES - 1, 1),
    isInt8 = false,
    residual = normals(rows * columns, 2),
  }: EmbeddingOptions = {},
): KernelCase {
  return {
    kernel: 'embedding',
    name: `${name}: ${rows} rows, ${columns} columns, ${isInt8 ? 'int8' : 'f32'}`,
    run: (side) => {
      const entries = ids ? ENTRIES : rows;
      const { table, scales } = placeTable(side, entries, columns, isInt8, 3);
      const [idsAt, residualAt] = [ids, residual].map((values) => (values ? side.put(values) : 0));
      const out = side.floats(rows * columns);
      side.kernels.embedding(idsAt, table, scales, residualAt, out.byteOffset, rows, columns, entries);
      return { close: [out] };
    },
  };
}

const EITHER = [false, true] as const;

export const EMBEDDING_CASES: readonly KernelCase[] = [
  ...[1, 2, 5].flatMap((prefixRows) =>
    SMALL_SIZES.flatMap((columns) => [false, true].map((isInt8) => prefixTokens(prefixRows, 9, columns, isInt8))),
  ),
  ...SIZES.flatMap((size) =>
    EITHER.flatMap((isInt8) => [tokens('sizes', size, 5, isInt8), tokens('sizes', 4, size, isInt8)]),
  ),
  ...Object.entries(EXTREMES).map(([name, make]) => tokens(name, 4, 17, true, make(3 * 17))),
  ...SMALL_SIZES.map((rows) => embedding('sizes', rows, 17)),
  ...SIZES.flatMap((columns) => EITHER.map((isInt8) => embedding('sizes', 5, columns, { isInt8 }))),
  ...EITHER.flatMap((isInt8) => [
    embedding('no residual', 5, 17, { isInt8, residual: null }),
    embedding('no ids', 5, 17, { isInt8, ids: null }),
    embedding('no ids, no residual', 5, 17, { isInt8, ids: null, residual: null }),
    embedding('beyond the table', 5, 17, {
      isInt8,
      ids: Int32Array.of(ENTRIES, 2 ** 31 - 1, -1, -(2 ** 31), ENTRIES - 1),
    }),
  ]),
  ...Object.entries(EXTREMES).map(([name, make]) => embedding(name, 3, 17, { residual: make(3 * 17) })),
];

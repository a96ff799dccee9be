/** `tokens` and `textEmbedding`: rows of tables, f32 or int8, added up. */
import { EXTREMES, integers, normals, SIZES, SMALL_SIZES, type KernelCase, type Side } from './harness.ts';

/** A table (rows, columns), and its scales: 0 where it is f32. */
function placeTable(side: Side, rows: number, columns: number, isInt8: boolean, seed: number): { table: number; scales: number } {
  if (!isInt8) return { table: side.put(normals(rows * columns, seed)), scales: 0 };
  const table = Int8Array.from(integers(rows * columns, -128, 127, seed));
  return { table: side.put(table), scales: side.put(normals(rows, seed + 1).map((v) => Math.abs(v) / 100)) };
}

function tokens(name: string, rows: number, columns: number, isInt8: boolean, patches = normals((rows - 1) * columns, 1)): KernelCase {
  return {
    kernel: 'tokens', name: `${name}: ${rows} rows, ${columns} columns, ${isInt8 ? 'int8' : 'f32'}`, run: (side) => {
      const position = placeTable(side, rows, columns, isInt8, 3);
      const [x, cls] = [side.put(patches), side.put(normals(columns, 2))];
      const out = side.floats(rows * columns);
      side.kernels.tokens(x, cls, position.table, position.scales, out.byteOffset, rows, columns);
      return { close: [out] };
    },
  };
}

interface TextOptions {
  readonly ids?: Int32Array;
  readonly types?: Int32Array;
  /** Which of word, position and type are int8. */
  readonly int8?: readonly [boolean, boolean, boolean];
}

const [WORDS, KINDS] = [37, 3];

function textEmbedding(
  name: string, count: number, columns: number,
  { ids = integers(count, 0, WORDS - 1, 1), types = integers(count, 0, KINDS - 1, 2), int8 = [false, false, false] }: TextOptions = {},
): KernelCase {
  return {
    kernel: 'textEmbedding', name: `${name}: ${count} tokens, ${columns} columns`, run: (side) => {
      const word = placeTable(side, WORDS, columns, int8[0], 3);
      const position = placeTable(side, count, columns, int8[1], 5);
      const type = placeTable(side, KINDS, columns, int8[2], 7);
      const [idsAt, typesAt] = [side.put(ids), side.put(types)];
      const out = side.floats(count * columns);
      side.kernels.textEmbedding(
        idsAt, typesAt, word.table, word.scales, position.table, position.scales, type.table, type.scales, out.byteOffset, count, columns, WORDS,
        count, KINDS);
      return { close: [out] };
    },
  };
}

const EITHER = [false, true] as const;

export const EMBEDDING_CASES: readonly KernelCase[] = [
  ...SIZES.flatMap((size) => EITHER.flatMap((isInt8) => [tokens('sizes', size, 5, isInt8), tokens('sizes', 4, size, isInt8)])),
  ...Object.entries(EXTREMES).map(([name, make]) => tokens(name, 4, 17, true, make(3 * 17))),
  ...SMALL_SIZES.map((count) => textEmbedding('sizes', count, 17)),
  ...SIZES.map((columns) => textEmbedding('sizes', 5, columns, { int8: [true, true, true] })),
  ...EITHER.flatMap((word) => EITHER.flatMap((position) => EITHER.map((type) =>
    textEmbedding(`int8: ${[word, position, type]}`, 5, 17, { int8: [word, position, type] })))),
  textEmbedding('beyond the tables', 5, 17, {
    ids: Int32Array.of(WORDS, 2 ** 31 - 1, -1, -(2 ** 31), WORDS - 1), types: Int32Array.of(KINDS - 1, KINDS, -1, 2 ** 31 - 1, -(2 ** 31)),
  }),
];

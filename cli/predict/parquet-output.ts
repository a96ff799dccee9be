/** Parquet of lines of JSON: a row group at a time, so that neither is in memory. */
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { splitLines } from '../data/text/lines.ts';
import { parseWritten, WrittenNumber } from '../data/text/written-numbers.ts';
import { writeAtomic } from '../io/files.ts';
import { NOT_FINITE, toJson, toText } from './plain.ts';
import type { Cells } from './row.ts';

/** Rows of a group: few enough for any reader's memory, many enough for columns to pack well. */
const GROUP_ROWS = 10_000;
/** Or less, where rows are long. */
const GROUP_BYTES = 64 * 1024 ** 2;

/** What a column holds. */
export type ColumnType = 'STRING' | 'BOOLEAN' | 'INT64' | 'DOUBLE';

/** Columns whose type is known whatever the rows hold. */
export type KnownTypes = Readonly<Record<string, ColumnType>>;

/**
 * Writes `path`, whole or not at all, of the objects in `lines`: with these columns, each of a type that all of its
 * values have. Values of several kinds, lists and objects become texts, JSON.
 */
export async function writeParquet(
  path: string,
  lines: string,
  columns: readonly string[],
  known: KnownTypes,
): Promise<void> {
  const types = await typesOf(lines, columns, known);
  await writeAtomic(path, (file) => writeGroups(file, lines, columns, types));
}

async function writeGroups(
  file: FileHandle,
  lines: string,
  columns: readonly string[],
  types: readonly ColumnType[],
): Promise<void> {
  const writer = new ParquetWriter({
    writer: fileWriter(file),
    schema: [
      { name: 'root', num_children: columns.length },
      ...columns.map((name, i) => ({ name, repetition_type: 'OPTIONAL' as const, ...ELEMENTS[types[i]] })),
    ],
    createdBy: 'slim',
  });
  for await (const rows of groupsOf(lines))
    await writer.write({
      rowGroupSize: rows.length,
      columnData: columns.map((name, i) => ({ name, data: rows.map((row) => cellOf(row[name] ?? null, types[i])) })),
    });
  await writer.finish();
}

const ELEMENTS = {
  STRING: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  BOOLEAN: { type: 'BOOLEAN' },
  INT64: { type: 'INT64' },
  DOUBLE: { type: 'DOUBLE' },
} as const;

function cellOf(value: unknown, type: ColumnType): unknown {
  if (value === null) return null;
  if (type === 'INT64') return BigInt(toText(value));
  if (type === 'DOUBLE') return Number(toText(value));
  return type === 'STRING' && typeof value !== 'string' ? toJson(value) : value;
}

async function typesOf(lines: string, columns: readonly string[], known: KnownTypes): Promise<readonly ColumnType[]> {
  const found: (FoundType | null)[] = columns.map((name) => (Object.hasOwn(known, name) ? known[name] : null));
  for await (const row of rowsOf(lines))
    for (const [i, name] of columns.entries()) {
      const value = row[name] ?? null;
      if (value !== null && !Object.hasOwn(known, name)) found[i] = joined(found[i], typeOf(value));
    }
  return found.map((type) => (type === 'LONG' ? 'INT64' : type === null || type === 'NOT_FINITE' ? 'STRING' : type));
}

/** Also whole numbers that no DOUBLE holds, and texts that stand for numbers where others are numbers. */
type FoundType = ColumnType | 'LONG' | 'NOT_FINITE';

/** As many digits as INT64 may have. */
const WHOLE = /^-?\d{1,19}$/;

function typeOf(value: unknown): FoundType {
  if (typeof value === 'boolean') return 'BOOLEAN';
  if (NOT_FINITE.includes(value)) return 'NOT_FINITE';
  if (typeof value !== 'number' && !(value instanceof WrittenNumber)) return 'STRING';
  const written = toText(value);
  if (Number.isSafeInteger(Number(written)) && WHOLE.test(written)) return 'INT64';
  if (WHOLE.test(written) && BigInt.asIntN(64, BigInt(written)) === BigInt(written)) return 'LONG';
  // What a DOUBLE would make another number of: too large a one, or too many digits.
  const isLost = !Number.isFinite(Number(written)) || (value instanceof WrittenNumber && /^-?\d+$/.test(written));
  return isLost ? 'STRING' : 'DOUBLE';
}

const WHOLE_TYPES: readonly FoundType[] = ['INT64', 'LONG'];
const DOUBLE_TYPES: readonly FoundType[] = ['INT64', 'DOUBLE', 'NOT_FINITE'];

/** What holds values of both. */
function joined(a: FoundType | null, b: FoundType): FoundType {
  if (a === null || a === b) return b;
  if (WHOLE_TYPES.includes(a) && WHOLE_TYPES.includes(b)) return 'LONG';
  return DOUBLE_TYPES.includes(a) && DOUBLE_TYPES.includes(b) ? 'DOUBLE' : 'STRING';
}

async function* groupsOf(lines: string): AsyncGenerator<Cells[]> {
  let group: Cells[] = [];
  let bytes = 0;
  for await (const { row, length } of sizedRowsOf(lines)) {
    group.push(row);
    bytes += length;
    if (group.length >= GROUP_ROWS || bytes >= GROUP_BYTES) {
      yield group;
      [group, bytes] = [[], 0];
    }
  }
  if (group.length > 0) yield group;
}

async function* rowsOf(lines: string): AsyncGenerator<Cells> {
  for await (const { row } of sizedRowsOf(lines)) yield row;
}

async function* sizedRowsOf(lines: string): AsyncGenerator<{ readonly row: Cells; readonly length: number }> {
  for await (const { bytes } of splitLines(createReadStream(lines) as AsyncIterable<Buffer>, Infinity))
    if (bytes !== null) yield { row: parseWritten(Buffer.from(bytes).toString()) as Cells, length: bytes.length };
}

/** Hands what was written to the file after each row group. */
function fileWriter(file: FileHandle): ByteWriter {
  const writer = new ByteWriter();
  const flush = async (): Promise<void> => {
    const chunk = new Uint8Array(writer.buffer, 0, writer.index).slice();
    writer.index = 0;
    for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done, chunk.length - done)).bytesWritten;
  };
  return Object.assign(writer, { flush, finish: flush });
}

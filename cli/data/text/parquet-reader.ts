// Reads Parquet in a process of its own, which may be ended, and may die: what a hostile file says of its pages can
// keep the library busy for ever, or have it grow an array until V8 aborts, which would take a thread's process along.
import { asyncBufferFromFile, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { messageOf } from '../../io/errors.ts';
import type { ParquetAnswer, ParquetDescription, ParquetGroup, ParquetRequest } from './parquet.ts';
import { decodeUtf8 } from './rows.ts';

/** Bytes that are no UTF-8 stay bytes, so that the row can be told. */
const parsers = {
  stringFromBytes: (bytes: Uint8Array | undefined): unknown =>
    bytes === undefined ? undefined : (decodeUtf8(bytes) ?? bytes),
};

const file = asyncBufferFromFile(process.argv[2]);
const metadata = file.then((buffer) => parquetMetadataAsync(buffer));

async function answer(request: ParquetRequest): Promise<ParquetAnswer> {
  const known = await metadata;
  if (request === 'description') {
    return {
      columns: columnsOf(known),
      groups: groupsOf(known),
      binary: binaryColumns(known),
      note: known.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value ?? null,
    };
  }
  const { rowStart, rowEnd, columns, from } = request;
  if (group?.rowStart !== rowStart) {
    group = {
      rowStart,
      rows: await parquetReadObjects({
        file: await file,
        metadata: known,
        columns: [...columns],
        rowStart,
        rowEnd,
        compressors,
        parsers,
      }),
    };
  }
  const { rows } = group;
  if (rows.length !== rowEnd - rowStart)
    throw new Error(`expected ${rowEnd - rowStart} rows in a row group, got ${rows.length}`);
  return { rows: rows.slice(from - rowStart, from - rowStart + sliceLength(rows, from - rowStart)) };
}

/** The row group that was read last. */
let group: { readonly rowStart: number; readonly rows: readonly Readonly<Record<string, unknown>>[] } | null = null;

/**
 * How many rows from there on go into one answer, at least one. A few bytes of a dictionary stand for any number of
 * long texts, which grow apart only on the way.
 */
function sliceLength(rows: readonly Readonly<Record<string, unknown>>[], from: number): number {
  let characters = 0;
  let count = 0;
  while (from + count < rows.length && (count === 0 || (characters < SLICE_CHARACTERS && count < SLICE_ROWS))) {
    for (const value of Object.values(rows[from + count])) characters += lengthOf(value);
    count++;
  }
  return count;
}

/** Of a text, of bytes, or of { bytes, path }. */
function lengthOf(value: unknown): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length;
  return typeof value === 'object' && value !== null && 'bytes' in value ? lengthOf(value.bytes) : 0;
}

const SLICE_CHARACTERS = 4 * 1024 ** 2;
const SLICE_ROWS = 10_000;

function columnsOf({ schema: [root, ...elements] }: FileMetaData): readonly string[] {
  const names: string[] = [];
  for (let i = 0; i < elements.length && names.length < (root.num_children ?? 0); i = afterSubtree(elements, i))
    names.push(elements[i].name);
  return names;
}

/** Bytes without a word of what they are, or a group that has such beside a path. */
function binaryColumns({ schema: [root, ...elements] }: FileMetaData): ParquetDescription['binary'] {
  const isBinary = ({ type, converted_type, logical_type }: FileMetaData['schema'][number]): boolean =>
    type === 'BYTE_ARRAY' && converted_type === undefined && logical_type === undefined;
  const found: { column: string; form: 'bytes' | 'struct' }[] = [];
  for (
    let i = 0, top = 0;
    i < elements.length && top < (root.num_children ?? 0);
    i = afterSubtree(elements, i), top++
  ) {
    const within = elements.slice(i + 1, afterSubtree(elements, i));
    if (isBinary(elements[i])) found.push({ column: elements[i].name, form: 'bytes' });
    else if (within.some((element) => element.name === 'bytes' && isBinary(element)))
      found.push({ column: elements[i].name, form: 'struct' });
  }
  return found;
}

/** Where the element after this one and all that is nested in it stands. */
function afterSubtree(elements: FileMetaData['schema'], at: number): number {
  let next = at + 1;
  for (let children = elements[at].num_children ?? 0; children > 0 && next < elements.length; children--)
    next = afterSubtree(elements, next);
  return next;
}

/** The row groups. Error where they are not what the file says it holds. */
function groupsOf({ row_groups, num_rows }: FileMetaData): readonly ParquetGroup[] {
  const groups = row_groups.map(groupOf);
  const sum = groups.reduce((total, { rows }) => total + rows, 0);
  if (groups.some(({ rows }) => !(rows >= 0)) || sum !== Number(num_rows))
    throw new Error(
      `its footer tells of ${num_rows} rows, its row groups of ${groups.map(({ rows }) => rows).join(' + ')}`,
    );
  return groups;
}

function groupOf({ num_rows, columns }: FileMetaData['row_groups'][number]): ParquetGroup {
  const bytes = new Map<string, number>();
  for (const { meta_data: data } of columns) {
    const [column] = data?.path_in_schema ?? [];
    if (data && column !== undefined)
      bytes.set(column, (bytes.get(column) ?? 0) + Number(data.total_uncompressed_size));
  }
  return { rows: Number(num_rows), bytes };
}

process.on('message', async (request: ParquetRequest) => {
  try {
    process.send?.(await answer(request));
  } catch (error) {
    process.send?.({ failure: messageOf(error) } satisfies ParquetAnswer);
  }
});
// Ctrl-C goes to both processes: it is the parent's to say when this one ends.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit());

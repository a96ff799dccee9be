/** Parquet, as the Hugging Face hub and pandas write it: a row group at a time. */
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, type AsyncBuffer, type FileMetaData, type RowGroup } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { isObject } from '../../../runtime/artifact/schema.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import { decodeUtf8, sizeOf, type FileRow, type TableFile } from './rows.ts';

/** What the wanted columns of one row group may take, unpacked: it is read in one piece. */
const MAX_GROUP_BYTES = 1024 ** 3;

/** Bytes that are no UTF-8 stay bytes, so that the row can be told. */
const parsers = { stringFromBytes: (bytes: Uint8Array | undefined): unknown => (bytes === undefined ? undefined : (decodeUtf8(bytes) ?? bytes)) };

export function parquetFile(path: string): TableFile {
  let opened: Promise<{ readonly file: AsyncBuffer; readonly metadata: FileMetaData }> | null = null;
  const open = (): NonNullable<typeof opened> => (opened ??= openParquet(path));
  return {
    path,
    columns: async () => columnsOf((await open()).metadata),
    async *rows(columns) {
      const { file, metadata } = await open();
      const total = Number(metadata.num_rows);
      let rowStart = 0;
      for (const group of metadata.row_groups) {
        const rowEnd = rowStart + Number(group.num_rows);
        expectRoom(path, group, columns);
        const objects = await parquetReadObjects({ file, metadata, columns: [...columns], rowStart, rowEnd, compressors, parsers }).catch((error: unknown) => {
          throw damaged(path, error);
        });
        if (objects.length !== rowEnd - rowStart) throw damaged(path, new Error(`expected ${rowEnd - rowStart} rows in a row group, got ${objects.length}`));
        for (const [i, cells] of objects.entries()) yield rowOf(cells, rowStart + i + 1, total);
        rowStart = rowEnd;
      }
    },
    namesOf: async (column) => classNames((await open()).metadata, column),
  };
}

async function openParquet(path: string): Promise<{ readonly file: AsyncBuffer; readonly metadata: FileMetaData }> {
  await sizeOf(path);
  try {
    const file = await asyncBufferFromFile(path);
    return { file, metadata: await parquetMetadataAsync(file) };
  } catch (error) {
    throw damaged(path, error);
  }
}

function columnsOf({ schema: [root, ...elements] }: FileMetaData): readonly string[] {
  const names: string[] = [];
  for (let i = 0; i < elements.length && names.length < (root.num_children ?? 0); i = afterSubtree(elements, i)) names.push(elements[i].name);
  return names;
}

/** Where the element after this one and all that is nested in it stands. */
function afterSubtree(elements: FileMetaData['schema'], at: number): number {
  let next = at + 1;
  for (let children = elements[at].num_children ?? 0; children > 0 && next < elements.length; children--) next = afterSubtree(elements, next);
  return next;
}

function expectRoom(path: string, { columns }: RowGroup, wanted: readonly string[]): void {
  const bytes = columns.reduce((sum, { meta_data: data }) => sum + (data && wanted.includes(data.path_in_schema[0]) ? Number(data.total_uncompressed_size) : 0), 0);
  if (bytes > MAX_GROUP_BYTES) {
    throw new UserError(`${path}: a row group takes ${bytes} bytes unpacked, expected at most ${MAX_GROUP_BYTES}`, 'Write it with smaller row groups (pandas: row_group_size=10000).');
  }
}

function rowOf(cells: Readonly<Record<string, unknown>>, number: number, total: number): FileRow {
  const place = { place: `row ${number}`, read: number / total };
  const broken = Object.keys(cells).find((name) => cells[name] instanceof Uint8Array);
  return broken === undefined ? { ...place, cells } : { ...place, problem: `${broken} is no valid UTF-8` };
}

/** The names that Hugging Face datasets keeps beside a column of class numbers. */
function classNames({ key_value_metadata: metadata }: FileMetaData, column: string): readonly string[] | null {
  const written = metadata?.find(({ key }) => key === 'huggingface')?.value;
  if (written === undefined) return null;
  let json: unknown;
  try {
    json = JSON.parse(written);
  } catch {
    // A note of another program's; the column's numbers are labels as they are.
    return null;
  }
  const field = (value: unknown, name: string): unknown => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined);
  const names = field(field(field(field(json, 'info'), 'features'), column), 'names');
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? (names as string[]) : null;
}

function damaged(path: string, error: unknown): UserError {
  return error instanceof UserError ? error : new UserError(`can't read ${path}: ${messageOf(error)}`, 'Is it a whole Parquet file?');
}

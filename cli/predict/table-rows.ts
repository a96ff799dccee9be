/** Rows of tables: CSV, TSV, JSON lines, Parquet. */
import { stat } from 'node:fs/promises';
import type { ModelInfo } from '../../runtime/http/classifier.ts';
import { knownColumns } from '../data/text/columns.ts';
import { tableFile } from '../data/text/layout.ts';
import type { FileRow, TableFile } from '../data/text/rows.ts';
import { parseWritten } from '../data/text/written-numbers.ts';
import { UserError } from '../io/errors.ts';
import { kindOf } from '../io/files.ts';
import { type CellFlags, type CellReader, cellReader } from './cells.ts';
import { toJson } from './plain.ts';
import type { Cells, InputRow, RowSource } from './row.ts';

/** Which columns are read, and which are kept; guessed and all unless given. */
export interface TableFlags extends CellFlags {
  readonly columns?: readonly string[];
}

/** Rows, and what there is to say of how they are read. */
export interface OpenedRows {
  readonly source: RowSource;
  readonly notices: readonly string[];
}

/**
 * The rows of tables one after another; their columns may differ, but for those that are read. UserErrors name a file.
 */
export async function tableSource(
  paths: readonly string[],
  task: ModelInfo['task'],
  flags: TableFlags,
): Promise<OpenedRows> {
  const tables = await Promise.all(paths.map(openTable));
  const all = [...new Set(tables.flatMap(({ columns }) => columns))];
  for (const name of flags.columns ?? [])
    if (!all.includes(name))
      throw new UserError(`--columns ${name}: ${knownColumns(paths[0], all)}`, 'Name some of them.');
  // The first decides, and the others have to have the same.
  const reader = cellReader(tables[0].file.path, tables[0].columns, task, flags);
  for (const { file, columns } of tables.slice(1)) reader.expectIn(file.path, columns);
  const total = tables.reduce((sum, { bytes }) => sum + bytes, 0);
  const source: RowSource = {
    columns: flags.columns ?? all,
    inputs: tables.map(({ file, bytes }) => ({ path: file.path, bytes, files: null })),
    reads: reader.reads,
    async *rows() {
      let before = 0;
      for (const { file, columns, bytes } of tables) {
        for await (const row of file.rows(columns))
          yield await tableRow(file.path, row, (before + row.read * bytes) / total, reader, flags.columns);
        before += bytes;
      }
    },
  };
  const notices = [...((await tables[0].file.notices?.()) ?? []), ...(reader.notice === null ? [] : [reader.notice])];
  return { source, notices };
}

interface Table {
  readonly file: TableFile;
  readonly columns: readonly string[];
  readonly bytes: number;
}

async function openTable(path: string): Promise<Table> {
  if ((await kindOf(path)) === 'absent') throw new UserError(`can't read ${path}: there is no such file`);
  const file = await tableFile(path, undefined, parseWritten);
  return { file, columns: await file.columns(), bytes: (await stat(path)).size };
}

async function tableRow(
  path: string,
  row: FileRow,
  read: number,
  reader: CellReader,
  columns: readonly string[] | undefined,
): Promise<InputRow> {
  const place = `${path}, ${row.place}`;
  const json = 'problem' in row ? null : jsonOf(row.cells);
  if ('problem' in row || json === null) {
    const problem = 'problem' in row ? row.problem : 'its values are nested too deeply';
    return { place, cells: {}, identity: `\0${problem}`, bytes: 0, read, load: async () => ({ problem }) };
  }
  const beside = await reader.mark(path, row.cells);
  const kept = reader.kept(row.cells);
  return {
    place,
    cells:
      columns === undefined
        ? kept
        : Object.fromEntries(columns.map((name) => [name, Object.hasOwn(kept, name) ? kept[name] : null])),
    identity: json + beside.mark,
    bytes: 4 * json.length + beside.bytes,
    read,
    load: () => reader.load(path, row.cells),
  };
}

/** Null where lists lie in lists beyond what the stack holds. */
function jsonOf(cells: Cells): string | null {
  try {
    return toJson(cells);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

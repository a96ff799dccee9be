/** Rows of tables: CSV, TSV, JSON lines, Parquet. */
import { stat } from 'node:fs/promises';
import { type Columns, chooseTextColumns, knownColumns } from '../data/text/columns.ts';
import { tableFile } from '../data/text/layout.ts';
import type { FileRow, TableFile } from '../data/text/rows.ts';
import { shown } from '../data/text/source.ts';
import { UserError } from '../io/errors.ts';
import { kindOf } from '../io/files.ts';
import { toJson } from './plain.ts';
import type { Cells, InputRow, Loaded, RowSource } from './row.ts';

/** Which columns are read, and which are kept; guessed and all unless given. */
export interface TableFlags {
  readonly textColumn?: string;
  readonly textPairColumn?: string;
  readonly columns?: readonly string[];
}

type TextColumns = Omit<Columns, 'label'>;

/** The rows of tables one after another; their columns may differ, but for those of the text. UserErrors name a file. */
export async function tableSource(paths: readonly string[], flags: TableFlags): Promise<RowSource> {
  const tables = await Promise.all(paths.map(openTable));
  const all = new Set<string>();
  for (const { columns } of tables) for (const column of columns) all.add(column);
  for (const name of flags.columns ?? [])
    if (!all.has(name))
      throw new UserError(`--columns ${name}: ${knownColumns(paths[0], [...all])}`, 'Name some of them.');
  const text = chooseTextColumns(tables[0].file.path, tables[0].columns, flags);
  // The first decides, and the others have to have the same.
  for (const { file, columns } of tables.slice(1))
    chooseTextColumns(file.path, columns, { textColumn: text.text, textPairColumn: text.pair ?? undefined });
  const total = tables.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    columns: flags.columns ?? [...all],
    files: tables.map(({ file, bytes }) => ({ path: file.path, bytes })),
    async *rows() {
      let before = 0;
      for (const { file, columns, bytes } of tables) {
        for await (const row of file.rows(columns))
          yield tableRow(file.path, row, (before + row.read * bytes) / total, text, flags.columns);
        before += bytes;
      }
    },
  };
}

interface Table {
  readonly file: TableFile;
  readonly columns: readonly string[];
  readonly bytes: number;
}

async function openTable(path: string): Promise<Table> {
  if ((await kindOf(path)) === 'absent') throw new UserError(`can't read ${path}: there is no such file`);
  const file = await tableFile(path);
  return { file, columns: await file.columns(), bytes: (await stat(path)).size };
}

function tableRow(
  path: string,
  row: FileRow,
  read: number,
  text: TextColumns,
  kept: readonly string[] | undefined,
): InputRow {
  const place = `${path}, ${row.place}`;
  if ('problem' in row) {
    const { problem } = row;
    return { place, cells: {}, identity: `\0${problem}`, bytes: 0, read, load: async () => ({ problem }) };
  }
  const { cells } = row;
  const identity = toJson(cells);
  return {
    place,
    cells: kept === undefined ? cells : Object.fromEntries(kept.map((name) => [name, cellOf(cells, name)])),
    identity,
    bytes: 4 * identity.length,
    read,
    load: async () => textOf(cells, text),
  };
}

function textOf(cells: Cells, { text, pair }: TextColumns): Loaded {
  for (const name of pair === null ? [text] : [text, pair])
    if (typeof cellOf(cells, name) !== 'string')
      return { problem: `expected a text in ${name}, got ${shown(cellOf(cells, name))}` };
  return {
    input: { text: cellOf(cells, text) as string, pair: pair === null ? null : (cellOf(cells, pair) as string) },
  };
}

function cellOf(cells: Cells, name: string): unknown {
  return Object.hasOwn(cells, name) ? cells[name] : undefined;
}

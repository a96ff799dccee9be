/** Parquet, as the Hugging Face hub and pandas write it: a row group at a time. */
import { fork } from 'node:child_process';
import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isObject } from '../../../runtime/artifact/schema.ts';
import { builtAsset } from '../../io/assets.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import { expectTable } from './bytes.ts';
import {
  type FileRow,
  MAX_ROW_BYTES,
  notUtf8,
  type RowPlace,
  sizeOf,
  type TableFile,
  TOO_LONG,
  unreadable,
} from './rows.ts';

/**
 * What is asked of the process that reads: what the file holds, or a row group's rows, as many from `from` on as go
 * into one message.
 */
export type ParquetRequest =
  | 'description'
  | { readonly rowStart: number; readonly rowEnd: number; readonly from: number; readonly columns: readonly string[] };

/** What that process sends back, once for each request. */
export type ParquetAnswer = ParquetDescription | { readonly rows: readonly Cells[] } | { readonly failure: string };

/** What the file's footer says. */
export interface ParquetDescription {
  readonly columns: readonly string[];
  readonly groups: readonly ParquetGroup[];
  /** Columns of bytes that are said to be no text, bare or with a path beside them. */
  readonly binary: readonly { readonly column: string; readonly form: 'bytes' | 'struct' }[];
  /** What Hugging Face datasets notes of the columns, as JSON. */
  readonly note: string | null;
}

/** One row group: how many rows it has, and how large its columns are. */
export interface ParquetGroup {
  readonly rows: number;
  /** Unpacked, by column. */
  readonly bytes: ReadonlyMap<string, number>;
}

type Cells = Readonly<Record<string, unknown>>;

/** What the wanted columns of one row group may take, unpacked: it is read in one piece. */
const MAX_GROUP_BYTES = 1024 ** 3;

/** 4 MB a second, so that a slow disk is no damaged file. */
const LEAST_BYTES_PER_MS = 4096;

const MAX_HEAP_MB = 4096;

/** `patienceMs` is how long a piece may take beyond what its size explains. */
export function parquetFile(path: string, { patienceMs = 15_000 } = {}): TableFile {
  let described: Promise<ParquetDescription> | null = null;
  const describe = (): Promise<ParquetDescription> =>
    (described ??= withReader(path, async (ask) => (await ask('description', patienceMs)) as ParquetDescription));
  async function* cellsOf(columns: readonly string[]): AsyncGenerator<RowPlace & { readonly cells: Cells }> {
    const { groups } = await describe();
    const total = groups.reduce((sum, { rows }) => sum + rows, 0);
    const reader = openReader(path);
    try {
      let rowStart = 0;
      for (const group of groups) {
        const rowEnd = rowStart + group.rows;
        const bytes = expectRoom(path, group, columns);
        for (let from = rowStart; from < rowEnd; ) {
          const { rows } = (await reader.ask(
            { rowStart, rowEnd, from, columns },
            patienceMs + bytes / LEAST_BYTES_PER_MS,
          )) as { readonly rows: readonly Cells[] };
          for (const cells of rows) yield { place: `row ${++from}`, read: from / total, cells };
        }
        rowStart = rowEnd;
      }
    } finally {
      reader.close();
    }
  }
  return {
    path,
    columns: async () => (await describe()).columns,
    async *rows(columns) {
      for await (const row of cellsOf(columns)) yield expectTexts(row);
    },
    namesOf: async (column) => classNames((await describe()).note, column),
    pictures: {
      columns: async () => pictureColumns(await describe()),
      rows: cellsOf,
    },
  };
}

interface Reader {
  /** UserError where the process can't answer, or does not within that time. */
  ask(request: ParquetRequest, withinMs: number): Promise<Exclude<ParquetAnswer, { readonly failure: string }>>;
  close(): void;
}

async function withReader<R>(path: string, use: (ask: Reader['ask']) => Promise<R>): Promise<R> {
  await sizeOf(path);
  expectTable(path, await headOf(path));
  const reader = openReader(path);
  try {
    return await use(reader.ask);
  } finally {
    reader.close();
  }
}

/** The first bytes: a clone without Git LFS has pointers in place of files. */
async function headOf(path: string): Promise<Uint8Array> {
  const file = await open(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  try {
    const { bytesRead, buffer } = await file.read(new Uint8Array(64), 0, 64, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function openReader(path: string): Reader {
  const child = fork(fileURLToPath(builtAsset('parquet-reader.mjs')), [path], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [`--max-old-space-size=${MAX_HEAP_MB}`],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  /** Why it answers no more, also between two questions. */
  let ended: string | null = null;
  let settle: ((answer: ParquetAnswer) => void) | null = null;
  const end = (why: string): void => {
    ended ??= why;
    settle?.({ failure: ended });
  };
  child.on('message', (answer) => settle?.(answer as ParquetAnswer));
  child.on('error', (error) => end(messageOf(error)));
  child.on('exit', () => end('its contents crash the reader'));
  return {
    async ask(request, withinMs) {
      let timer: NodeJS.Timeout | undefined;
      const answer = await new Promise<ParquetAnswer>((resolve) => {
        if (ended !== null) return resolve({ failure: ended });
        settle = resolve;
        timer = setTimeout(() => resolve({ failure: `no rows after ${Math.round(withinMs / 1000)} s` }), withinMs);
        // Where it can't be sent the process has ended, and says so.
        child.send(request, (error) => error && end(messageOf(error)));
      });
      clearTimeout(timer);
      if ('failure' in answer) throw damaged(path, answer.failure);
      return answer;
    },
    close() {
      process.off('exit', kill);
      kill();
    },
  };
}

/** How many bytes the wanted columns of a row group take. UserError where that is too much. */
function expectRoom(path: string, { bytes }: ParquetGroup, wanted: readonly string[]): number {
  const sum = wanted.reduce((total, column) => total + (bytes.get(column) ?? 0), 0);
  if (sum <= MAX_GROUP_BYTES) return Math.max(0, sum);
  throw new UserError(
    `${path}: a row group takes ${sum} bytes unpacked, expected at most ${MAX_GROUP_BYTES}`,
    'Write it with smaller row groups (pandas: row_group_size=10000).',
  );
}

function expectTexts({ cells, ...place }: RowPlace & { readonly cells: Cells }): FileRow {
  if (Object.values(cells).some((value) => typeof value === 'string' && value.length > MAX_ROW_BYTES))
    return { ...place, problem: TOO_LONG };
  const broken = Object.keys(cells).find((name) => cells[name] instanceof Uint8Array);
  return broken === undefined
    ? { ...place, cells }
    : { ...place, problem: `${broken} is ${notUtf8([cells[broken] as Uint8Array])}` };
}

/** What Hugging Face datasets says of a column. */
function featureOf(note: string | null, column: string): Readonly<Record<string, unknown>> {
  if (note === null) return {};
  let json: unknown;
  try {
    json = JSON.parse(note);
  } catch {
    // A note of another program's; columns are what they hold.
    return {};
  }
  const field = (value: unknown, name: string): unknown =>
    isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  const feature = field(field(field(json, 'info'), 'features'), column);
  return isObject(feature) ? feature : {};
}

/** The names that it keeps beside a column of class numbers. */
function classNames(note: string | null, column: string): readonly string[] | null {
  const feature = featureOf(note, column);
  // Of a list it is its items that have names.
  const names = feature.names ?? (isObject(feature.feature) ? feature.feature.names : undefined);
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? (names as string[]) : null;
}

/** The columns of bytes that are said to be pictures, or where nothing is said look so by their name or their form. */
function pictureColumns({ binary, note }: ParquetDescription): readonly string[] {
  return binary
    .filter(({ column, form }) => {
      const { _type: type } = featureOf(note, column);
      return type === 'Image' || (type === undefined && (form === 'struct' || PICTURE_COLUMN.test(column)));
    })
    .map(({ column }) => column);
}

const PICTURE_COLUMN = /^(image|img|picture|photo|jpe?g|png)([_-]?(bytes|data))?$/i;

function damaged(path: string, why: string): UserError {
  return new UserError(`can't read ${path}: ${why}`, 'Is it a whole Parquet file?');
}

/** Parquet, as the Hugging Face hub and pandas write it: a row group at a time. */
import { Worker } from 'node:worker_threads';
import { isObject } from '../../../runtime/artifact/schema.ts';
import { builtAsset } from '../../io/assets.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import { sizeOf, type FileRow, type TableFile } from './rows.ts';

/** What is asked of the thread that reads: what the file holds, or some of its rows. */
export type ParquetRequest = 'description' | { readonly rowStart: number; readonly rowEnd: number; readonly columns: readonly string[] };

export type ParquetAnswer = ParquetDescription | { readonly rows: readonly Cells[] } | { readonly failure: string };

export interface ParquetDescription {
  readonly columns: readonly string[];
  readonly groups: readonly ParquetGroup[];
  /** What Hugging Face datasets notes of the columns, as JSON. */
  readonly note: string | null;
}

export interface ParquetGroup {
  readonly rows: number;
  /** Unpacked, by column. */
  readonly bytes: Readonly<Record<string, number>>;
}

type Cells = Readonly<Record<string, unknown>>;

/** What the wanted columns of one row group may take, unpacked: it is read in one piece. */
const MAX_GROUP_BYTES = 1024 ** 3;

/** A quarter of what the slowest codec unpacks. */
const LEAST_BYTES_PER_MS = 4096;

const MAX_THREAD_MB = 4096;

/** `patienceMs` is how long a piece may take beyond what its size explains. */
export function parquetFile(path: string, { patienceMs = 15_000 } = {}): TableFile {
  let described: Promise<ParquetDescription> | null = null;
  const describe = (): Promise<ParquetDescription> => (described ??= withReader(path, async (ask) => (await ask('description', patienceMs)) as ParquetDescription));
  return {
    path,
    columns: async () => (await describe()).columns,
    async *rows(columns) {
      const { groups } = await describe();
      const total = groups.reduce((sum, { rows }) => sum + rows, 0);
      const reader = openReader(path);
      try {
        let rowStart = 0;
        for (const group of groups) {
          const rowEnd = rowStart + group.rows;
          const bytes = expectRoom(path, group, columns);
          const { rows } = (await reader.ask({ rowStart, rowEnd, columns }, patienceMs + bytes / LEAST_BYTES_PER_MS)) as { readonly rows: readonly Cells[] };
          if (rows.length !== group.rows) throw damaged(path, `expected ${group.rows} rows in a row group, got ${rows.length}`);
          for (const [i, cells] of rows.entries()) yield rowOf(cells, rowStart + i + 1, total);
          rowStart = rowEnd;
        }
      } finally {
        await reader.close();
      }
    },
    namesOf: async (column) => classNames((await describe()).note, column),
  };
}

interface Reader {
  /** UserError where the thread can't answer, or does not within that time. */
  ask(request: ParquetRequest, withinMs: number): Promise<Exclude<ParquetAnswer, { readonly failure: string }>>;
  close(): Promise<unknown>;
}

async function withReader<R>(path: string, use: (ask: Reader['ask']) => Promise<R>): Promise<R> {
  await sizeOf(path);
  const reader = openReader(path);
  try {
    return await use(reader.ask);
  } finally {
    await reader.close();
  }
}

function openReader(path: string): Reader {
  const thread = new Worker(builtAsset('parquet-worker.mjs'), { workerData: path, resourceLimits: { maxOldGenerationSizeMb: MAX_THREAD_MB } });
  /** What it ended with, also between two questions. */
  let ended: Error | null = null;
  let settle: ((answer: ParquetAnswer) => void) | null = null;
  thread.on('message', (answer: ParquetAnswer) => settle?.(answer));
  thread.on('error', (error) => {
    ended = error;
    settle?.({ failure: messageOf(error) });
  });
  return {
    async ask(request, withinMs) {
      if (ended !== null) throw damaged(path, messageOf(ended));
      let timer: NodeJS.Timeout | undefined;
      const answer = await new Promise<ParquetAnswer>((resolve) => {
        settle = resolve;
        timer = setTimeout(() => resolve({ failure: `no rows after ${Math.round(withinMs / 1000)} s` }), withinMs);
        thread.postMessage(request);
      });
      clearTimeout(timer);
      if ('failure' in answer) throw damaged(path, answer.failure);
      return answer;
    },
    close: () => thread.terminate(),
  };
}

/** How many bytes the wanted columns of a row group take. UserError where that is too much. */
function expectRoom(path: string, { bytes }: ParquetGroup, wanted: readonly string[]): number {
  const sum = wanted.reduce((total, column) => total + (bytes[column] ?? 0), 0);
  if (sum <= MAX_GROUP_BYTES) return Math.max(0, sum);
  throw new UserError(`${path}: a row group takes ${sum} bytes unpacked, expected at most ${MAX_GROUP_BYTES}`, 'Write it with smaller row groups (pandas: row_group_size=10000).');
}

function rowOf(cells: Cells, number: number, total: number): FileRow {
  const place = { place: `row ${number}`, read: number / total };
  const broken = Object.keys(cells).find((name) => cells[name] instanceof Uint8Array);
  return broken === undefined ? { ...place, cells } : { ...place, problem: `${broken} is no valid UTF-8` };
}

/** The names that Hugging Face datasets keeps beside a column of class numbers. */
function classNames(note: string | null, column: string): readonly string[] | null {
  if (note === null) return null;
  let json: unknown;
  try {
    json = JSON.parse(note);
  } catch {
    // A note of another program's; the column's numbers are labels as they are.
    return null;
  }
  const field = (value: unknown, name: string): unknown => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined);
  const names = field(field(field(field(json, 'info'), 'features'), column), 'names');
  return Array.isArray(names) && names.every((name) => typeof name === 'string') ? (names as string[]) : null;
}

function damaged(path: string, why: string): UserError {
  return new UserError(`can't read ${path}: ${why}`, 'Is it a whole Parquet file?');
}

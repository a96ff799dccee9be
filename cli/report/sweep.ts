/** A sweep: runs of several ranks, methods and seeds, one row each, as `rows.jsonl` has them. */
import { createReadStream } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { splitLines } from '../data/text/lines.ts';
import { messageOf, UserError } from '../io/errors.ts';

/** The file of a sweep's folder that has its rows. */
export const SWEEP_ROWS = 'rows.jsonl';

/** What a model of a sweep costs, and what it is worth. */
export interface SweepRow {
  readonly name: string;
  /** null of the dense model. */
  readonly rank: number | null;
  readonly method: string;
  readonly seed: number | null;
  readonly accuracy: number;
  readonly parameters: number | null;
  readonly macs: number | null;
  readonly bytes: number | null;
  readonly latencyMs: number | null;
}

/** The rows of a folder. */
export interface Sweep {
  readonly name: string;
  readonly rows: readonly SweepRow[];
  /** Rows without a name and a score, as those of runs that failed. */
  readonly unreadable: number;
}

/** What a row may be compared by: less is better. */
export const SWEEP_COSTS = ['parameters', 'bytes', 'macs', 'latencyMs'] as const;
/** One of them. */
export type SweepCost = (typeof SWEEP_COSTS)[number];

/** More would be no picture. */
const MOST_ROWS = 2000;
const LONGEST_LINE = 65_536;

/** Reads a sweep. UserError where it can't be read, or has no rows, or too many. */
export async function readSweep(folder: string): Promise<Sweep> {
  const path = join(folder, SWEEP_ROWS);
  const rows: SweepRow[] = [];
  let unreadable = 0;
  try {
    for await (const { bytes } of splitLines(createReadStream(path), LONGEST_LINE)) {
      const row = bytes === null ? null : rowOf(bytes);
      if (row === null) unreadable++;
      else rows.push(row);
      if (rows.length > MOST_ROWS) break;
    }
  } catch (error) {
    throw new UserError(`can't read ${path}: ${messageOf(error)}`);
  }
  if (rows.length === 0) throw new UserError(`${path} has no row with a name and an accuracy`, 'Has the sweep begun?');
  if (rows.length > MOST_ROWS) throw new UserError(`${path} has more than ${MOST_ROWS} rows`, 'Report on fewer.');
  return { name: basename(resolve(folder)), rows, unreadable };
}

function rowOf(bytes: Uint8Array): SweepRow | null {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return null; // counted
  }
  if (typeof json !== 'object' || json === null) return null;
  const { name, method, accuracy, ...others } = json as Readonly<Record<string, unknown>>;
  const amount = (value: unknown): number | null =>
    typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
  const score = amount(accuracy);
  if (typeof name !== 'string' || score === null) return null;
  return {
    name,
    method: typeof method === 'string' ? method : 'unknown',
    accuracy: score,
    rank: amount(others.rank),
    seed: amount(others.seed),
    parameters: amount(others.parameters),
    macs: amount(others.macs),
    bytes: amount(others.bytes),
    latencyMs: amount(others.latencyMs),
  };
}

/** The rows that no other beats, which costs at most as much and is at least as accurate: cheapest first. */
export function paretoFront(rows: readonly SweepRow[], cost: SweepCost): SweepRow[] {
  const priced = rows.filter((row) => (row[cost] ?? 0) > 0);
  const ordered = [...priced].sort((a, b) => a[cost]! - b[cost]! || b.accuracy - a.accuracy);
  let best = -Infinity;
  return ordered.filter(({ accuracy }) => {
    if (accuracy <= best) return false;
    best = accuracy;
    return true;
  });
}

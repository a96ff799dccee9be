/** A sweep: runs of several ranks, methods and seeds, one row each, as `rows.jsonl` has them. */
import { createReadStream } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { PROBLEMS, type Score, scoreOf } from '../../runtime/artifact/problem-type.ts';
import { splitLines } from '../data/text/lines.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { paretoFront } from '../sweep/front.ts';
import { SWEEP_FILES } from '../sweep/plan.ts';
import { COSTS } from '../sweep/rows.ts';

/** What a model of a sweep costs, and what it is worth: its score stands under its metric's name. */
export interface ReportedRow extends Partial<Score>, Readonly<Record<SweepCost, number | null>> {
  readonly name: string;
  /** null of the dense model. */
  readonly rank: number | null;
  readonly method: string;
  readonly seed: number | null;
}

/** The rows of a folder. */
export interface Sweep {
  readonly name: string;
  readonly rows: readonly ReportedRow[];
  /** Rows without a name and a score, as those of runs that failed. */
  readonly unreadable: number;
}

/** What a row may be compared by: less is better. */
export const SWEEP_COSTS = [...COSTS, 'latencyMs'] as const;
/** One of them. */
export type SweepCost = (typeof SWEEP_COSTS)[number];

const METRICS = Object.values(PROBLEMS).map(({ metric }) => metric);

/** More would be no picture. */
const MOST_ROWS = 2000;
const LONGEST_LINE = 65_536;

/** Reads a sweep. UserError where it can't be read, or has no rows, or too many. */
export async function readSweep(folder: string): Promise<Sweep> {
  const path = join(folder, SWEEP_FILES.rows);
  const rows: ReportedRow[] = [];
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
  if (rows.length === 0) throw new UserError(`${path} has no row with a name and a score`, 'Has the sweep begun?');
  if (rows.length > MOST_ROWS) throw new UserError(`${path} has more than ${MOST_ROWS} rows`, 'Report on fewer.');
  return { name: basename(resolve(folder)), rows, unreadable };
}

function rowOf(bytes: Uint8Array): ReportedRow | null {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return null; // counted
  }
  if (typeof json !== 'object' || json === null) return null;
  const { name, method, ...others } = json as Readonly<Record<string, unknown>>;
  const metric = METRICS.find((one) => Number.isFinite(others[one]));
  if (typeof name !== 'string' || metric === undefined) return null;
  const amount = (value: unknown): number | null =>
    typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
  return {
    name,
    method: typeof method === 'string' ? method : 'unknown',
    [metric]: others[metric],
    rank: amount(others.rank),
    seed: amount(others.seed),
    parameters: amount(others.parameters),
    macs: amount(others.macs),
    bytes: amount(others.bytes),
    latencyMs: amount(others.latencyMs),
  };
}

/** The rows that no other beats at a cost, cheapest first. */
export function frontOf(rows: readonly ReportedRow[], cost: SweepCost): readonly ReportedRow[] {
  return paretoFront(
    rows,
    (row) => scoreOf(row).value,
    (row) => row[cost] || null, // a logarithmic axis has no 0
  );
}

/** The runs of a sweep, some at a time, to their end; what is done already is not done again. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Interrupted, messageOf, UserError, usageError } from '../io/errors.ts';
import { exists, kindOf, makeFolderOf, temporaryOf } from '../io/files.ts';
import { throwIfInterrupted } from '../io/io.ts';
import { takeLock } from '../io/lock.ts';
import { scoreText } from '../train/score.ts';
import { measureRun } from './latency.ts';
import { expectSamePlan, type PlannedRun, readPlan, SWEEP_FILES, type SweepPlan, writePlan } from './plan.ts';
import { rowOf, rowsOf, type SweepRow, writeRows } from './rows.ts';
import { makeRun } from './stages.ts';

/** How to go through the list, and who is told. */
export interface SweepOptions {
  /** Runs at a time. */
  readonly jobs: number;
  /** After so many milliseconds no run begins any more. */
  readonly budgetMs: number;
  readonly latency: boolean;
  readonly signal: AbortSignal;
  /** Told of how many runs the list has. */
  readonly onBegin: (runs: number) => void;
  /** Told of how many runs are over, and of the last line of each that is under way. */
  readonly onProgress: (over: number, lines: readonly string[]) => void;
  /** Told of a run that is over. */
  readonly onRun: (text: string) => void;
}

/** What came of it. */
export interface SweepResult {
  readonly rows: readonly SweepRow[];
  readonly failed: readonly { readonly name: string; readonly reason: string }[];
  /** Names of runs that the budget left no time for. */
  readonly notBegun: readonly string[];
}

/**
 * Begins a sweep, or with `resume` goes on with the one that is there, and goes through its list. A run that fails is told
 * of and leaves no row; the others go on.
 * @param asked what the flags ask for; null where they name no runs: those of the sweep that is there
 * @throws Interrupted once all runs under way have saved what they had
 */
export async function runSweep(
  folder: string,
  asked: SweepPlan | null,
  resume: boolean,
  options: SweepOptions,
): Promise<SweepResult> {
  await expectSweepRoom(folder, resume);
  await makeFolderOf(join(folder, SWEEP_FILES.lock));
  const release = await takeLock(join(folder, SWEEP_FILES.lock), (holder) =>
    usageError(`--out ${folder} is being worked on by ${holder}`, 'Wait until it has ended, or choose another folder.'),
  );
  try {
    await removeTemporaries(folder);
    const plan = await settledPlan(folder, asked);
    options.onBegin(plan.runs.length);
    return await goThrough(folder, plan, options);
  } finally {
    await release();
  }
}

/** A new sweep takes a folder with nothing in it, and nothing is ever removed. */
async function expectSweepRoom(folder: string, resume: boolean): Promise<void> {
  const kind = await kindOf(folder);
  if (kind === 'file') throw usageError(`--out ${folder} is a file, expected a folder`);
  if (kind === 'absent' || resume) return;
  const names = (await readdir(folder)).filter((name) => name !== SWEEP_FILES.lock && temporaryOf(name) === null);
  if (names.length > 0)
    throw usageError(
      `--out ${folder} already exists`,
      'Choose another folder, or go on with the sweep there (--resume).',
    );
}

/** What writers that were killed have left. */
async function removeTemporaries(folder: string): Promise<void> {
  for (const within of [folder, join(folder, 'artifacts')]) {
    if (!(await exists(within))) continue;
    const left = (await readdir(within)).filter((name) => temporaryOf(name) !== null);
    for (const name of left) await rm(join(within, name), { force: true });
  }
}

/** The list that stands in the folder; written now where there is none. */
async function settledPlan(folder: string, asked: SweepPlan | null): Promise<SweepPlan> {
  const begun = await readPlan(folder);
  if (begun !== null) {
    if (asked !== null) expectSamePlan(folder, begun, asked);
    return begun;
  }
  if (asked === null) throw usageError(`--resume: ${folder} is not a sweep`, 'Say what to run: --model, --data.');
  await writePlan(folder, asked);
  return asked;
}

async function goThrough(folder: string, plan: SweepPlan, options: SweepOptions): Promise<SweepResult> {
  const { signal, budgetMs, onProgress, onRun } = options;
  const rows = await keptRows(folder, plan);
  const waiting = plan.runs.filter(({ name }) => !rows.has(name));
  const began = performance.now();
  const failed: { name: string; reason: string }[] = [];
  const lines = new Map<string, string>();
  let over = plan.runs.length - waiting.length;

  async function one(run: PlannedRun): Promise<void> {
    const onLine = (line: string): void => {
      lines.set(run.name, shortened(line));
      onProgress(
        over,
        [...lines].map((told) => told.join(': ')),
      );
    };
    onLine('begins');
    try {
      await makeRun(folder, run, plan.quantize, { onLine, signal });
      onRun(`${run.name}: ${scoreText(await rows.add(run))}`);
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      failed.push({ name: run.name, reason: messageOf(error) });
      onRun(`${run.name} failed: ${messageOf(error)}`);
    } finally {
      lines.delete(run.name);
    }
    over++;
  }
  async function worker(): Promise<void> {
    while (waiting.length > 0 && !signal.aborted && performance.now() - began < budgetMs) await one(waiting.shift()!);
  }
  // All have ended before anything is said of one that was interrupted.
  const workers = await Promise.allSettled(Array.from({ length: options.jobs }, worker));
  for (const ended of workers) if (ended.status === 'rejected') throw ended.reason;
  throwIfInterrupted(signal);
  if (options.latency) {
    onProgress(over, ['how long a sample takes']);
    // One at a time, after all runs.
    for (const run of plan.runs.filter(({ name }) => rows.has(name))) {
      await measureRun(folder, run, plan, signal);
      await rows.add(run);
    }
  }
  return { rows: rows.all(), failed, notBegun: waiting.map(({ name }) => name) };
}

/** Of a step's line how far it is and how much longer it takes. */
function shortened(line: string): string {
  const [, done, left = ''] = /^(step \d+\/\d+) .*?(, [^,]* left)?$/.exec(line) ?? [];
  return done === undefined ? line : done + left;
}

/** The rows of the runs that are done, in the list's order; rows.jsonl holds the same after each that comes. */
async function keptRows(folder: string, plan: SweepPlan) {
  const known = new Map((await rowsOf(folder, plan)).map((row) => [row.name, row]));
  const all = (): readonly SweepRow[] => plan.runs.flatMap(({ name }) => known.get(name) ?? []);
  let written = writeRows(folder, all());
  await written;
  return {
    all,
    has: (name: string): boolean => known.has(name),
    async add(run: PlannedRun): Promise<SweepRow> {
      const row = await rowOf(folder, plan, run);
      if (row === null) throw new UserError(`${run.name} has ended, and its files are not there`);
      known.set(run.name, row);
      // One after another, as there is one file.
      written = written.then(() => writeRows(folder, all()));
      await written;
      return row;
    },
  };
}

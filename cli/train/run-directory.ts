/**
 * A run is a folder:
 *
 *   run.json                 what was asked (the resolved configuration), what came out, and how far it got
 *   config.json              the architecture, in Hugging Face's words; so the next two
 *   preprocessor_config.json of pictures: how they are prepared
 *   tokenizer.json, tokenizer_config.json    of texts: how they become tokens
 *   model.safetensors        fine-tuned: the dense model, in Hugging Face's names
 *   weights.safetensors      compressed or quantized: what is left, in the layer table's names
 *   adapter.safetensors      of --method lora: what model.safetensors has beside its base, in the layer table's names
 *   checkpoint.safetensors   the state at the last evaluation or interrupt, which --resume goes on from
 *   metrics.jsonl            one line a step, and one an evaluation
 *   events.out.tfevents.slim the same for TensorBoard
 *   report.html              with --report: the page of slim report
 *   run.lock                 while a process writes here: its number, and its host's name
 */
import { appendFile, mkdir, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Compression, Costs, StageAccuracy } from '../../runtime/artifact/manifest.ts';
import { PROBLEM_TYPES, PROBLEMS, type ProblemType } from '../../runtime/artifact/problem-type.ts';
import { UserError, usageError } from '../io/errors.ts';
import { exists, kindOf, readJson, temporaryOf, writeError, writeFileAtomic, writeJson } from '../io/files.ts';
import { expectUnlocked, type Refusal, takeLock } from '../io/lock.ts';
import type { MetricsLine } from './event-file.ts';

/** The files of a run that are Slim's own; the others have Hugging Face's names. */
export const RUN_FILES = {
  record: 'run.json',
  weights: 'weights.safetensors',
  adapter: 'adapter.safetensors',
  checkpoint: 'checkpoint.safetensors',
  metrics: 'metrics.jsonl',
  // TensorBoard looks for `tfevents` in names.
  events: 'events.out.tfevents.slim',
  report: 'report.html',
  lock: 'run.lock',
} as const;

/** Everything that a run writes into its folder, and all that --overwrite ever removes from one. */
const OWN_FILES: readonly string[] = [
  ...Object.values(RUN_FILES),
  'model.safetensors',
  'config.json',
  'preprocessor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
];

const RECORD_VERSION = 1;

/** The command that made a run: `slim finetune`, `slim train` or `slim quantize`. */
export type RunKind = 'finetune' | 'compress' | 'quantize';
/** How far a run is. `running` while no process holds its lock: it was killed. */
export type RunStatus = 'running' | 'finished' | 'interrupted' | 'failed';

/** run.json */
export interface RunRecord {
  readonly version: typeof RECORD_VERSION;
  readonly kind: RunKind;
  readonly status: RunStatus;
  /** Runs of before there was another have one label a sample. */
  readonly problemType: ProblemType;
  /** The checkpoint that all began with. */
  readonly source: string;
  readonly configuration: Readonly<Record<string, unknown>>;
  /** The digest of what it trains on; none where it does not train. */
  readonly trainingData?: string;
  /** The digest of the weights that it began with: a teacher's, of the fine-tuned those of a checkpoint. As above. */
  readonly startingWeights?: string;
  /** Optimizer steps done and planned. */
  readonly steps: { readonly done: number; readonly total: number };
  readonly compression: Compression | null;
  /** Before and after each stage, in their order. */
  readonly accuracy: readonly StageAccuracy[];
  readonly costs: Costs;
}

/** A run's folder, locked: no other process writes to it before `release`. */
export interface RunDirectory {
  readonly folder: string;
  /** Steps that were done when it was opened: 0 in a new run. */
  readonly begunAt: number;
  path(name: keyof typeof RUN_FILES): string;
  save(record: Omit<RunRecord, 'version'>): Promise<void>;
  /** Appends lines to metrics.jsonl, and to TensorBoard's file. */
  log(lines: readonly MetricsLine[]): Promise<void>;
  /**
   * Takes the lines from `step` on out of metrics.jsonl and TensorBoard's file, and a last one that was cut short: on
   * resuming they are made again.
   */
  rewindLog(step: number): Promise<void>;
  /** Lets other processes write here again. */
  release(): Promise<void>;
}

/** A folder for a new run. Refuses one that has something in it, unless `overwrite` says to replace the run there. */
export async function createRunDirectory(folder: string, overwrite: boolean): Promise<RunDirectory> {
  await expectRoom(folder, overwrite);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writeError(folder, error);
  });
  return lockedRunDirectory(folder, async () => {
    // Another may have begun and ended here since the first check.
    await expectRoom(folder, overwrite);
    await removeFiles(folder, (name) => OWN_FILES.includes(temporaryOf(name) ?? name));
    return 0;
  });
}

/** The checks of `createRunDirectory`, which change nothing. Usage errors say what is in the way. */
export async function expectRoom(folder: string, overwrite: boolean): Promise<void> {
  const kind = await kindOf(folder);
  if (kind === 'absent') return;
  if (kind === 'file') throw usageError(`--out ${folder} is a file, expected a folder`);
  await expectUnlocked(join(folder, RUN_FILES.lock), refusalFor(folder));
  // What a killed process was writing is nothing to keep, and a lock by itself no run.
  const names = (await readdir(folder)).filter((name) => !isLeftover(name) && name !== RUN_FILES.lock);
  if (names.length === 0) return;
  if (!overwrite)
    throw usageError(
      `--out ${folder} already exists`,
      'Choose another folder, go on with an interrupted run (--resume), or replace the run there (--overwrite).',
    );
  if (!names.includes(RUN_FILES.record)) {
    throw usageError(
      `--out ${folder} is not a run (it has no ${RUN_FILES.record}), so --overwrite leaves it alone`,
      'Choose another folder.',
    );
  }
  await readRunRecord(folder);
}

/** Refuses to write a run over the folder that it is made of. */
export async function expectApart(out: string, source: string): Promise<void> {
  if ((await exists(out)) && (await exists(source)) && (await realpath(out)) === (await realpath(source))) {
    throw usageError(`--out ${out} is the model that is read`, 'Choose another folder.');
  }
}

function isLeftover(name: string): boolean {
  return OWN_FILES.includes(temporaryOf(name) ?? '');
}

/**
 * The record goes last: until then the folder is known as a run, also where this is cut short. The lock stays, and what
 * others move of it.
 */
async function removeFiles(folder: string, which: (name: string) => boolean): Promise<void> {
  const names = (await readdir(folder)).filter((name) => which(name) && (temporaryOf(name) ?? name) !== RUN_FILES.lock);
  for (const name of names.filter((other) => other !== RUN_FILES.record)) await rm(join(folder, name));
  if (names.includes(RUN_FILES.record)) await rm(join(folder, RUN_FILES.record));
}

function openRunDirectory(folder: string, begunAt: number, release: () => Promise<void>): RunDirectory {
  const path = (name: keyof typeof RUN_FILES): string => join(folder, RUN_FILES[name]);
  return {
    folder,
    begunAt,
    path,
    save: (record) => writeJson(path('record'), { version: RECORD_VERSION, ...record }),
    async log(lines) {
      if (lines.length === 0) return;
      await append(path('metrics'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      const { eventFileStart, eventOf } = await import('./event-file.ts');
      const seconds = Date.now() / 1000;
      const start = (await exists(path('events'))) ? [] : [eventFileStart(seconds)];
      await append(path('events'), Buffer.concat([...start, ...lines.map((line) => eventOf(line, seconds))]));
    },
    release,
    async rewindLog(step) {
      if (!(await exists(path('metrics')))) return;
      const lines = (await readFile(path('metrics'), 'utf8')).split('\n');
      const kept = lines.filter((line) => stepOf(line) < step);
      await writeFileAtomic(path('metrics'), kept.map((line) => `${line}\n`).join(''));
      await rewindEvents(path('events'), step);
    },
  };
}

async function append(path: string, data: string | Uint8Array): Promise<void> {
  await appendFile(path, data).catch((error: unknown) => {
    throw writeError(path, error);
  });
}

/** A file of which nothing is whole is begun anew. What makes events brings protobufjs along: it is loaded by who trains. */
async function rewindEvents(path: string, step: number): Promise<void> {
  if (!(await exists(path))) return;
  const { bytesBefore } = await import('./event-file.ts');
  const file = await readFile(path);
  const end = bytesBefore(file, step);
  if (end === 0) await rm(path);
  else await writeFileAtomic(path, file.subarray(0, end));
}

/** The step that a line of metrics.jsonl tells of; Infinity where it is cut short or empty. */
function stepOf(line: string): number {
  try {
    return (JSON.parse(line) as { step: number }).step;
  } catch {
    return Infinity;
  }
}

/** An existing run, to go on in. */
export async function reopenRunDirectory(folder: string): Promise<RunDirectory> {
  return lockedRunDirectory(folder, async () => {
    await removeFiles(folder, isLeftover);
    return (await readRunRecord(folder))?.steps.done ?? 0;
  });
}

/** Locks a folder before `prepare` changes anything in it; that resolves to the steps done. */
async function lockedRunDirectory(folder: string, prepare: () => Promise<number>): Promise<RunDirectory> {
  const release = await takeLock(join(folder, RUN_FILES.lock), refusalFor(folder));
  try {
    return openRunDirectory(folder, await prepare(), release);
  } catch (error) {
    await release();
    throw error;
  }
}

/** Refuses a folder that another living process writes to. The lock of one that was killed counts for nothing. */
const refusalFor =
  (folder: string): Refusal =>
  (holder) =>
    usageError(`--out ${folder} is being written by ${holder}`, 'Wait until it has ended, or choose another folder.');

/** UserError unless a run came to its end, so that its weights are whole. */
export function expectFinished(folder: string, { status, steps }: RunRecord): void {
  if (status === 'finished') return;
  const state = status === 'running' ? 'has not finished' : status === 'failed' ? 'failed' : 'was interrupted';
  throw new UserError(
    `${folder} has no final weights: its run ${state} (step ${steps.done} of ${steps.total})`,
    'Go on with the same command and --resume, or make it again.',
  );
}

/** Reads run.json; null where the folder is no run. */
export async function readRunRecord(folder: string): Promise<RunRecord | null> {
  const path = join(folder, RUN_FILES.record);
  if (!(await exists(path))) return null;
  const record = (await readJson(path)) as Partial<RunRecord> | null;
  if (record?.version !== RECORD_VERSION) {
    throw new UserError(
      `${path}: expected version ${RECORD_VERSION}, got ${JSON.stringify(record?.version) ?? 'none'}`,
      'Was it made by another version of slim, or by another program?',
    );
  }
  const expected: Record<string, (value: unknown) => boolean> = {
    kind: (value) => value === 'finetune' || value === 'compress' || value === 'quantize',
    status: (value) => value === 'running' || value === 'finished' || value === 'interrupted' || value === 'failed',
    problemType: (value) => value === undefined || PROBLEM_TYPES.some((known) => known === value),
    source: (value) => typeof value === 'string',
    configuration: isObject,
    trainingData: (value) => value === undefined || typeof value === 'string',
    steps: (value) => isObject(value) && typeof value.done === 'number' && typeof value.total === 'number',
    compression: (value) =>
      value === null || (isObject(value) && isObject(value.ranks) && typeof value.scaling === 'number'),
    accuracy: (value) =>
      Array.isArray(value) &&
      value.every((entry) => isObject(entry) && typeof entry.stage === 'string' && isScore(entry)),
    costs: isObject,
  };
  for (const [field, isRight] of Object.entries(expected)) {
    const value = record[field as keyof RunRecord];
    if (!isRight(value))
      throw new UserError(`${path}: field ${field} is missing or wrong: ${JSON.stringify(value)?.slice(0, 60)}`);
  }
  return { problemType: 'single_label_classification', ...record } as RunRecord;
}

function isScore(entry: Readonly<Record<string, unknown>>): boolean {
  return Object.values(PROBLEMS).some(({ metric }) => typeof entry[metric] === 'number' || entry[metric] === null);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

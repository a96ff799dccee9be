/** What came of a sweep, told from its files alone: a row for each run that is done. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Score, scoreOf } from '../../runtime/artifact/problem-type.ts';
import { UserError } from '../io/errors.ts';
import { exists, readJson, writeFileAtomic } from '../io/files.ts';
import { RUN_FILES, type RunRecord, readRunRecord } from '../train/run-directory.ts';
import { type TeacherScore, teacherKey } from '../train/score.ts';
import { paretoFront } from './front.ts';
import type { Flags } from './grid.ts';
import { type PlannedRun, placesOf, SWEEP_FILES, type SweepPlan } from './plan.ts';

/** An artifact: how large it is, and how fast. */
export interface ArtifactRow {
  /** Of its file. */
  readonly bytes: number;
  /** Median of one sample on Slim's engine, on one thread; null where it was not measured. */
  readonly latencyMs: number | null;
}

/** A line of rows.jsonl. Scores stand under their metric's name: `accuracy`, `teacherAccuracy`. */
export interface SweepRow extends Score, TeacherScore, ArtifactRow {
  readonly name: string;
  /** What sets the run apart. */
  readonly flags: Flags;
  readonly seed: number;
  /** The largest of its layers; null where nothing is left of low rank. */
  readonly rank: number | null;
  readonly method: string;
  /** Of the whole model as it ships. */
  readonly parameters: number;
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
  /** The same quantized; null where that was not asked for. */
  readonly quantized: (Score & ArtifactRow & { readonly weights: string }) | null;
  readonly steps: number;
  /** What its steps took together, wherever it was interrupted: without evaluations. */
  readonly seconds: number;
  /** Of slim, when the sweep began. */
  readonly version: string;
}

/** Medians by what was measured, as NAME.latency.json has them. */
export interface Latencies {
  readonly latencyMs: number;
  readonly quantizedLatencyMs: number | null;
}

/** The rows of a sweep, in the order of its list; runs that are not done have none. @throws UserError */
export async function rowsOf(folder: string, plan: SweepPlan): Promise<readonly SweepRow[]> {
  const rows: SweepRow[] = [];
  for (const run of plan.runs) {
    const row = await rowOf(folder, plan, run);
    if (row !== null) rows.push(row);
  }
  return rows;
}

/** Writes rows.jsonl, whole or not at all. */
export async function writeRows(folder: string, rows: readonly SweepRow[]): Promise<void> {
  await writeFileAtomic(join(folder, SWEEP_FILES.rows), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

/** The row of a run; null while a part of it is missing. */
export async function rowOf(
  folder: string,
  { slim, quantize }: Pick<SweepPlan, 'slim' | 'quantize'>,
  run: PlannedRun,
): Promise<SweepRow | null> {
  const places = placesOf(folder, run, quantize);
  const last = quantize === null ? places.artifact : places.quantizedArtifact;
  const record = await readRunRecord(places.run);
  if (record?.status !== 'finished' || !(await exists(last))) return null;
  const quantizedRecord = quantize === null ? null : await readRunRecord(places.quantized);
  const latencies = (await exists(places.latency)) ? ((await readJson(places.latency)) as Latencies) : null;
  const teacher = scoreIn(record, 'teacher');
  const { seed, method } = record.configuration as { seed: number; method: string };
  return {
    name: run.name,
    flags: run.flags,
    seed,
    rank: record.compression?.rank ?? null,
    method,
    ...scoreIn(record, method === 'pclora' ? 'pc-lora' : method),
    [teacherKey(scoreOf(teacher).metric)]: scoreOf(teacher).value,
    parameters: record.costs.model.whole.parameters,
    macs: record.costs.model.whole.macs,
    bytes: (await stat(places.artifact)).size,
    latencyMs: latencies?.latencyMs ?? null,
    quantized: quantizedRecord && {
      weights: quantize!,
      ...scoreIn(quantizedRecord, quantize!),
      bytes: (await stat(places.quantizedArtifact)).size,
      latencyMs: latencies?.quantizedLatencyMs ?? null,
    },
    steps: record.steps.done,
    seconds: await stepSeconds(join(places.run, RUN_FILES.metrics)),
    version: slim,
  };
}

/** The score of a stage that a finished run has. */
function scoreIn({ accuracy }: RunRecord, stage: string): Score {
  const entry = accuracy.find((one) => one.stage === stage);
  if (entry === undefined) throw new UserError(`a run of the sweep tells no accuracy of ${stage}`);
  const { stage: _, ...score } = entry;
  return score;
}

/** Of an interrupted run, too, each step counts once: its log holds each once. */
async function stepSeconds(metrics: string): Promise<number> {
  const lines = (await readFile(metrics, 'utf8')).split('\n').filter((line) => line !== '');
  const ms = lines.map((line) => (JSON.parse(line) as { msPerStep?: number }).msPerStep ?? 0);
  return Math.round(ms.reduce((sum, value) => sum + value, 0)) / 1000;
}

/** What a small model is small in. */
export const COSTS = ['parameters', 'bytes', 'macs'] as const;
/** One of them. */
export type CostName = (typeof COSTS)[number];

/** The rows that no other beats at a cost, cheapest first. */
export function frontOf(rows: readonly SweepRow[], cost: CostName): readonly SweepRow[] {
  return paretoFront(
    rows,
    (row) => scoreOf(row).value,
    (row) => row[cost],
  );
}

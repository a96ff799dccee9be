/**
 * A run is a folder:
 *
 *   run.json                 what was asked (the resolved configuration), what came out, and how far it got
 *   config.json, preprocessor_config.json    the architecture and its preprocessing, in Hugging Face's words
 *   model.safetensors        fine-tuned: the dense model, in Hugging Face's names
 *   weights.safetensors      compressed or quantized: what is left, in the layer table's names
 *   checkpoint.safetensors   while it runs: the trained vector and its moments
 *   metrics.jsonl            one line a step, and one an evaluation
 */
import { appendFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Compression, Costs, StageAccuracy } from '../../runtime/artifact/manifest.ts';
import { usageError, UserError } from '../io/errors.ts';
import { exists, kindOf, readJson, writeError, writeJson } from '../io/files.ts';

export const RUN_FILES = {
  record: 'run.json',
  weights: 'weights.safetensors',
  checkpoint: 'checkpoint.safetensors',
  metrics: 'metrics.jsonl',
} as const;

const RECORD_VERSION = 1;

export type RunKind = 'finetune' | 'compress' | 'quantize';
export type RunStatus = 'running' | 'finished' | 'interrupted' | 'failed';

/** run.json */
export interface RunRecord {
  readonly version: typeof RECORD_VERSION;
  readonly kind: RunKind;
  readonly status: RunStatus;
  /** The checkpoint that all began with. */
  readonly source: string;
  readonly configuration: Readonly<Record<string, unknown>>;
  /** Optimizer steps done and planned. */
  readonly steps: { readonly done: number; readonly total: number };
  readonly compression: Compression | null;
  /** Before and after each stage, in their order. */
  readonly accuracy: readonly StageAccuracy[];
  readonly costs: Costs;
}

export interface RunDirectory {
  readonly folder: string;
  path(name: keyof typeof RUN_FILES): string;
  save(record: Omit<RunRecord, 'version'>): Promise<void>;
  /** Appends lines to metrics.jsonl. */
  log(lines: readonly Readonly<Record<string, unknown>>[]): Promise<void>;
}

/** A folder for a new run. Refuses one that has something in it, unless `overwrite` says to empty it. */
export async function createRunDirectory(folder: string, overwrite: boolean): Promise<RunDirectory> {
  const kind = await kindOf(folder);
  if (kind === 'file') throw usageError(`--out ${folder} is a file, expected a folder`);
  if (kind === 'folder' && (await readdir(folder)).length > 0) {
    if (!overwrite) throw usageError(`--out ${folder} already exists`, 'Choose another folder, or replace it with --overwrite.');
    // Only a run is ever emptied: --overwrite must not be able to delete anything else.
    if (!(await exists(join(folder, RUN_FILES.record)))) {
      throw usageError(`--out ${folder} is not a run (it has no ${RUN_FILES.record}), so --overwrite leaves it alone`, 'Choose another folder.');
    }
    await rm(folder, { recursive: true });
  }
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writeError(folder, error);
  });
  return openRunDirectory(folder);
}

/** An existing run's folder, to go on in. */
export function openRunDirectory(folder: string): RunDirectory {
  const path = (name: keyof typeof RUN_FILES): string => join(folder, RUN_FILES[name]);
  return {
    folder,
    path,
    save: (record) => writeJson(path('record'), { version: RECORD_VERSION, ...record }),
    async log(lines) {
      if (lines.length === 0) return;
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      await appendFile(path('metrics'), text).catch((error: unknown) => {
        throw writeError(path('metrics'), error);
      });
    },
  };
}

/** Reads run.json; null where the folder is no run. */
export async function readRunRecord(folder: string): Promise<RunRecord | null> {
  const path = join(folder, RUN_FILES.record);
  if (!(await exists(path))) return null;
  const record = (await readJson(path)) as Partial<RunRecord> | null;
  if (record?.version !== RECORD_VERSION) {
    throw new UserError(`${path}: expected version ${RECORD_VERSION}, got ${JSON.stringify(record?.version)}`, 'Was it made by another version of slim?');
  }
  const expected: Record<string, (value: unknown) => boolean> = {
    kind: (value) => value === 'finetune' || value === 'compress' || value === 'quantize',
    status: (value) => typeof value === 'string',
    source: (value) => typeof value === 'string',
    configuration: isObject,
    steps: isObject,
    compression: (value) => value === null || (isObject(value) && isObject(value.ranks) && typeof value.scaling === 'number'),
    accuracy: Array.isArray,
  };
  for (const [field, isRight] of Object.entries(expected)) {
    const value = record[field as keyof RunRecord];
    if (!isRight(value)) throw new UserError(`${path}: field ${field} is missing or wrong: ${JSON.stringify(value)?.slice(0, 60)}`);
  }
  return record as RunRecord;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

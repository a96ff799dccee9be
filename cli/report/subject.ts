/** What a report is about: a run, a Hugging Face folder or a `.slim` file, as far as each tells of itself. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, normalize, resolve } from 'node:path';
import type { Compression, Costs, StageAccuracy } from '../../runtime/artifact/manifest.ts';
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import { openArtifact } from '../io/artifact.ts';
import { UserError } from '../io/errors.ts';
import { exists, kindOf } from '../io/files.ts';
import { denseCost } from '../pclora/cost.ts';
import { METHODS, type Method } from '../pclora/method.ts';
import { type Description, loadDescription } from '../pretrained/checkpoint.ts';
import { WEIGHT_FORMATS } from '../pretrained/weight-files.ts';
import { RUN_FILES, type RunRecord, readRunRecord } from '../train/run-directory.ts';
import { type Curves, readCurves } from './curves.ts';

/** One of the things that a report compares. */
export interface Subject {
  readonly path: string;
  /** The last part of its path. */
  readonly name: string;
  readonly kind: 'run' | 'checkpoint' | 'artifact';
  /** run.json; null of what is no run. */
  readonly record: RunRecord | null;
  /** The model, weights aside; null of an artifact, and of a run that has not written it yet. */
  readonly description: Description | null;
  readonly problemType: ProblemType;
  /** Empty where they are not known yet. */
  readonly labels: readonly string[];
  /** The checkpoint that all began with. */
  readonly source: string;
  readonly architecture: string | null;
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly compression: Compression | null;
  readonly costs: Costs | null;
  readonly accuracy: readonly StageAccuracy[];
  /** What the weights are stored in, where they are quantized. */
  readonly quantized: string | null;
  /** Of a file all of it, of a folder its weights; null where there are none. */
  readonly bytes: number | null;
  /** What was logged while it trained, or while the run did that it was quantized or packed of; null where nothing was. */
  readonly log: Log | null;
}

/** The log of a run, and whose it is. */
export interface Log extends Curves {
  readonly folder: string;
  readonly name: string;
}

/** Reads what a path holds. UserErrors say what is wrong with it. */
export async function readSubject(path: string): Promise<Subject> {
  const kind = await kindOf(path);
  if (kind === 'absent')
    throw new UserError(`${path} does not exist`, 'Give runs, Hugging Face folders, or .slim files.');
  if (kind === 'file') return readFile(path);
  const record = await readRunRecord(path);
  return record === null ? readCheckpoint(path) : readRun(path, record);
}

async function readFile(path: string): Promise<Subject> {
  const { manifest, fileBytes } = await openArtifact(path);
  const { problemType, labels, source, configuration, compression, costs, accuracy, precision } = manifest;
  return {
    path,
    name: basename(path),
    kind: 'artifact',
    record: null,
    description: null,
    problemType,
    labels,
    source: source.model,
    architecture: source.architecture,
    configuration,
    compression,
    costs,
    accuracy,
    quantized: precision === 'f32' ? null : precision,
    bytes: fileBytes,
    log: await logOf(configured({ configuration }, 'out')),
  };
}

async function readCheckpoint(path: string): Promise<Subject> {
  const description = await loadDescription(path);
  const { problemType, labels } = description.config;
  const model = description.architecture.create(description.config);
  return {
    path,
    name: basename(resolve(path)),
    kind: 'checkpoint',
    record: null,
    description,
    problemType,
    labels,
    source: basename(resolve(path)),
    architecture: model.architecture,
    configuration: {},
    compression: null,
    costs: { teacher: null, model: denseCost(model) },
    accuracy: [],
    quantized: null,
    bytes: await weightBytes(path),
    log: null,
  };
}

async function readRun(path: string, record: RunRecord): Promise<Subject> {
  const { problemType, source, configuration, compression, costs, accuracy, kind } = record;
  const description = (await exists(join(path, 'config.json'))) ? await loadDescription(path) : null;
  return {
    path,
    name: basename(resolve(path)),
    kind: 'run',
    record,
    description,
    problemType,
    labels: description?.config.labels ?? [],
    source,
    architecture: description?.architecture.modelType ?? null,
    configuration,
    compression,
    costs: Object.hasOwn(costs, 'model') ? costs : null,
    accuracy,
    quantized: kind === 'quantize' ? weightsOf(configuration) : null,
    bytes: await weightBytes(path),
    log: await logOf(kind === 'quantize' ? configured({ configuration }, 'out') : path),
  };
}

async function logOf(folder: string | null): Promise<Log | null> {
  if (folder === null) return null;
  const log = join(folder, RUN_FILES.metrics);
  const record = await readRunRecord(folder);
  if (record === null || !(await exists(log))) return null;
  return { folder, name: basename(resolve(folder)), ...(await readCurves(log, record.steps.total)) };
}

function weightsOf({ quantize }: Readonly<Record<string, unknown>>): string {
  const weights = typeof quantize === 'object' && quantize !== null && 'weights' in quantize ? quantize.weights : null;
  return weights === 'int4' ? 'int4' : 'int8';
}

/** Where a run said that it is written to. */
function recordedOut({ record, configuration }: Pick<Subject, 'record' | 'configuration'>): string | null {
  if (record === null) return null;
  const { quantize } = configuration;
  if (record.kind !== 'quantize') return configured({ configuration }, 'out');
  return typeof quantize === 'object' && quantize !== null
    ? configured({ configuration: quantize as Subject['configuration'] }, 'out')
    : null;
}

/**
 * The path of the one of those that are given which a run remembers by this path: it may have been made in another working
 * directory. The path itself where it is none of them.
 */
export function pathAmong(
  given: readonly Pick<Subject, 'path' | 'record' | 'configuration'>[],
  recorded: string,
): string {
  const here = given.find(({ path }) => resolve(path) === resolve(recorded));
  if (here !== undefined) return here.path;
  const written = given.filter((one) => {
    const out = recordedOut(one);
    return out !== null && normalize(out) === normalize(recorded);
  });
  // Of two, made in two working directories, it might be either.
  return written.length === 1 ? written[0].path : recorded;
}

/** Those that are given, with the logs of what they were quantized or packed of where that is given, too. */
export async function withLogs(given: readonly Subject[]): Promise<Subject[]> {
  return Promise.all(
    given.map(async (subject) => {
      const out = configured(subject, 'out');
      if (out === null || (subject.kind === 'run' && subject.quantized === null)) return subject;
      const whole = pathAmong(given, out);
      return whole === out ? subject : { ...subject, log: await logOf(whole) };
    }),
  );
}

/** The bytes of a folder's weights, in whatever format; null where it has none. */
export async function weightBytes(folder: string): Promise<number | null> {
  if ((await kindOf(folder)) !== 'folder') return null;
  const names = await readdir(folder);
  // A folder may hold the same weights in two formats: they are counted in the one that is read.
  const formats = [
    (name: string) => name === RUN_FILES.weights,
    ...WEIGHT_FORMATS.map(
      ({ file, suffix }) =>
        (name: string) =>
          name === file || (name.startsWith(`${file.split('.')[0]}-`) && name.endsWith(suffix)),
    ),
  ];
  const files = formats.map((isOf) => names.filter(isOf)).find((found) => found.length > 0);
  if (files === undefined) return null;
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** What --method of `slim train` was; records of before there was another have none. */
export function methodIn({ configuration }: Pick<Subject, 'configuration'>): Method {
  return METHODS.find((name) => name === configuration.method) ?? 'pclora';
}

/** A text of a run's configuration; null where it has none of that name. */
export function configured({ configuration }: Pick<Subject, 'configuration'>, name: string): string | null {
  const value = configuration[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

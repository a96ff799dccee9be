/** What `finetune` and `train` have in common: from flags to a loop, and a run that says how it ended. */

import { isDeepStrictEqual } from 'node:util';
import type { StageAccuracy } from '../../runtime/artifact/manifest.ts';
import {
  type CacheFlags,
  cacheOptions,
  configurationOf,
  type DataFlags,
  inheritSplit,
  MAX_BATCH_SIZE,
  type ModelFlags,
  required,
  type SplitFlags,
} from '../args.ts';
import { parseAugment } from '../data/augment.ts';
import { labelNotices } from '../data/class-report.ts';
import type { TrainedOn } from '../data/contents.ts';
import type { Dataset } from '../data/dataset.ts';
import { withUnlabelled } from '../data/mixed-samples.ts';
import { type PreparedSamples, prepareSamples } from '../data/prepare.ts';
import type { Samples } from '../data/samples.ts';
import type { EngineChoice } from '../engines/create.ts';
import type { Engine } from '../engines/engine.ts';
import { Interrupted, usageError } from '../io/errors.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { counted } from '../io/words.ts';
import type { Preprocessing } from '../pretrained/preprocessing.ts';
import type { LearningRateShape } from '../train/learning-rate.ts';
import type { LoopOptions } from '../train/loop.ts';
import { ADAMW_DEFAULTS } from '../train/optimizer.ts';
import { preparationOf } from '../train/preparation.ts';
import {
  createRunDirectory,
  expectApart,
  expectRoom,
  type RunDirectory,
  type RunKind,
  type RunRecord,
  readRunRecord,
  reopenRunDirectory,
} from '../train/run-directory.ts';

/** The flags that `slim finetune` and `slim train` share. `evaluateEvery` is in steps; `steps` wins over `epochs`. */
export interface TrainingFlags extends EngineChoice, DataFlags, CacheFlags, ModelFlags {
  readonly model?: string;
  readonly out?: string;
  readonly overwrite: boolean;
  readonly resume: boolean;
  /** Whether the command writes the page of `slim report`, too. */
  readonly report?: boolean;
  readonly json: boolean;
  readonly seed: number;
  readonly epochs: number;
  readonly steps?: number;
  readonly batchSize: number;
  /** 1 unless given. */
  readonly accumulate?: number;
  readonly learningRate: number;
  readonly learningRateFloor: number;
  readonly learningRateSchedule: LearningRateShape;
  readonly warmupSteps?: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly augment?: string;
  readonly evaluateEvery?: number;
  readonly select: 'last' | 'best';
}

/** How a batch is cut. */
type BatchFlags = Pick<TrainingFlags, 'batchSize' | 'accumulate' | 'devices'>;

/**
 * Flags whose split of the data is the one that the model was trained with, where it is a run: what that held out is
 * what its student is judged on. Tells where the flags ask for another.
 */
export async function inheritData<F extends Partial<SplitFlags>>(
  flags: F,
  model: string,
  { stderr }: Io,
): Promise<F & DataFlags> {
  const configuration = (await readRunRecord(model))?.configuration;
  const resolved = inheritSplit(flags, configuration);
  for (const name of ['splitSeed', 'validationFraction'] as const) {
    const before = configuration?.[name];
    if (before !== undefined && before !== resolved[name]) {
      createProgress(stderr, 'data').line(
        `note: ${model} was trained with ${name} ${String(before)}: where the data has no split of its own, ` +
          'it is judged on samples that it has seen.',
      );
    }
  }
  return resolved;
}

/** Usage error where --augment is given for texts. */
export function expectAugment({ kind }: Dataset, { augment }: Pick<TrainingFlags, 'augment'>): void {
  if (kind === 'text' && augment !== undefined) throw usageError('--augment is for pictures, and the data holds texts');
}

/** What steps go over, and those of it that have labels. */
export interface StepSamples {
  readonly train: Samples;
  readonly labelled: Samples;
}

/** What training and evaluation read: both parts of the data, as the model takes them. */
export interface TrainingSamples {
  readonly train: PreparedSamples;
  /** Those of `train` that have labels: all, but for --unlabelled. */
  readonly labelled: PreparedSamples;
  readonly test: PreparedSamples;
}

/**
 * Prepares both parts for a job, and tells what was changed on the way; afterwards gives back the disk that they take.
 */
export async function withTrainingSamples<R>(
  { data, unlabelled }: { readonly data: Dataset; readonly unlabelled: Dataset | null },
  preprocessing: Preprocessing,
  flags: Pick<TrainingFlags, 'augment' | 'cache'>,
  io: Io,
  job: (samples: TrainingSamples) => Promise<R>,
): Promise<R> {
  const { stderr, signal } = io;
  const progress = createProgress(stderr, 'text');
  const onRow = (done: number, total: number): void => {
    throwIfInterrupted(signal);
    progress.update(done, total, 'tokenized');
  };
  const preparation = preparationOf(preprocessing);
  const cache = cacheOptions(flags, data, io);
  const prepared: PreparedSamples[] = [];
  try {
    const augment = parseAugment(flags.augment ?? DEFAULT_AUGMENT);
    prepared.push(await prepareSamples(data, 'train', preparation, { augment, cache, onRow }));
    prepared.push(await prepareSamples(data, 'test', preparation, { cache, onRow }));
    if (unlabelled !== null)
      prepared.push(await prepareSamples(unlabelled, 'train', preparation, { augment, cache, onRow }));
    progress.end();
    const notices = [
      ...data.notices,
      ...labelNotices(data, { train: prepared[0], test: prepared[1] }),
      ...(unlabelled?.notices ?? []),
      ...prepared.flatMap((samples) => samples.notices),
    ];
    // What is said of both parts is said once.
    for (const notice of new Set(notices)) progress.line(`note: ${notice}`);
    const [labelled, test, others] = prepared;
    return await job({ train: others ? mixed(labelled, others) : labelled, labelled, test });
  } finally {
    await Promise.all(prepared.map((samples) => samples.close()));
  }
}

function mixed(labelled: PreparedSamples, unlabelled: PreparedSamples): PreparedSamples {
  return {
    ...labelled,
    ...withUnlabelled(labelled, unlabelled),
    digest: `${labelled.digest}, ${unlabelled.digest}`,
  };
}

/** What a run records of its data: whether samples are two texts, and what the model has seen with it and before. */
export async function recordedData(
  data: Dataset,
  model: string,
): Promise<{ readonly trainedOn: readonly TrainedOn[]; readonly pairs?: boolean }> {
  return { trainedOn: await trainedOn(data, model), ...(data.kind === 'text' && { pairs: data.pairs }) };
}

async function trainedOn(data: Dataset, model: string): Promise<readonly TrainedOn[]> {
  const before = (await readRunRecord(model))?.configuration.trainedOn ?? [];
  const all = [...(before as readonly TrainedOn[]), ...(data.contents === null ? [] : [data.contents])];
  return all.filter((one, i) => all.findIndex((other) => isDeepStrictEqual(other, one)) === i);
}

/** What happens to training pictures unless --augment says otherwise. */
export const DEFAULT_AUGMENT = 'flip';

/** What a run records of its flags, with what was left to it filled in. */
export function resolvedConfiguration(
  flags: TrainingFlags,
  preprocessing: Preprocessing,
  { name: engine, precision }: Pick<Engine, 'name' | 'precision'>,
): Record<string, unknown> {
  return configurationOf({
    ...flags,
    engine,
    precision,
    ...(preprocessing.kind === 'text'
      ? { maxTokens: preprocessing.maxTokens }
      : { augment: flags.augment ?? DEFAULT_AUGMENT }),
  });
}

const MAX_EVALUATIONS = 10;

/** Flags and the size of the data become steps. */
export function loopOptions(given: TrainingFlags, { train, labelled }: StepSamples): LoopOptions {
  const flags = { ...given, batchSize: batchWithin(given, labelled.size) };
  const perEpoch = train.count({ batchSize: flags.batchSize, dropLast: true });
  const totalSteps = flags.steps ?? Math.max(1, Math.round(flags.epochs * perEpoch));
  const epochsBetween = Math.ceil(totalSteps / perEpoch / MAX_EVALUATIONS);
  return {
    totalSteps,
    batchSize: flags.batchSize,
    accumulate: expectEvenBatch(flags),
    learningRate: flags.learningRate,
    learningRateFloor: flags.learningRateFloor,
    learningRateSchedule: flags.learningRateSchedule,
    learningRateRestart: null,
    warmupSteps: flags.warmupSteps ?? Math.min(100, Math.ceil(totalSteps / 10)),
    optimizer: { ...ADAMW_DEFAULTS, weightDecay: flags.weightDecay, clipNorm: flags.clipNorm },
    seed: flags.seed,
    evaluateEvery: flags.evaluateEvery ?? Math.min(totalSteps, epochsBetween * perEpoch),
    select: flags.select,
    resume: flags.resume,
  };
}

/** The batch size, or the largest that the data fills and that can be cut as the flags say. Usage error for none. */
function batchWithin(flags: BatchFlags, samples: number): number {
  const { batchSize, accumulate = 1, devices = 1 } = flags;
  if (batchSize <= samples) return batchSize;
  const cuts = accumulate * devices;
  const largest = Math.floor(samples / cuts) * cuts;
  if (largest === 0)
    throw usageError(
      `--batch-size ${batchSize} is larger than the training data (${counted(samples, 'sample')}), which can't be cut in ${cuts}`,
      'Leave out --accumulate and --devices.',
    );
  return largest;
}

/** What is said of a batch that is smaller than was asked for; none where it is not. */
export function batchNotices({ batchSize }: BatchFlags, options: Pick<LoopOptions, 'batchSize'>): readonly string[] {
  if (options.batchSize === batchSize) return [];
  return [
    `A batch is all ${counted(options.batchSize, 'training sample')}: the data has fewer than --batch-size ${batchSize}.`,
  ];
}

/** The parts of a batch. Usage error where it can't be cut evenly in these, and each of them among the devices. */
export function expectEvenBatch({ batchSize, accumulate = 1, devices = 1 }: BatchFlags): number {
  const cuts = accumulate * devices;
  if (batchSize % cuts === 0) return accumulate;
  const nearest = Math.min(Math.max(1, Math.round(batchSize / cuts)), Math.floor(MAX_BATCH_SIZE / cuts));
  const flags = [
    ...(accumulate > 1 ? [`--accumulate ${accumulate}`] : []),
    ...(devices > 1 ? [`--devices ${devices}`] : []),
  ];
  throw usageError(
    `--batch-size ${batchSize} with ${flags.join(' and ')}: expected a multiple of ${cuts}`,
    cuts > MAX_BATCH_SIZE
      ? `--batch-size goes up to ${MAX_BATCH_SIZE}: lower ${flags.join(' or ')}.`
      : `The nearest is --batch-size ${nearest * cuts}.`,
  );
}

/** What is read and where the run goes, checked before anything takes time. */
export async function expectPlaces({
  model,
  data,
  out,
  overwrite,
  resume,
}: Pick<TrainingFlags, 'model' | 'data' | 'out' | 'overwrite' | 'resume'>): Promise<{
  model: string;
  data: string;
  out: string;
}> {
  const places = { model: required(model, '--model'), data: required(data, '--data'), out: required(out, '--out') };
  await expectApart(places.out, places.model);
  if (!resume) await expectRoom(places.out, overwrite);
  return places;
}

/** A new run's folder, or with --resume the one that is there, which must have been asked for in the same words. */
export async function startRun(
  kind: RunKind,
  out: string,
  flags: TrainingFlags,
  {
    configuration,
    trainingData,
    startingWeights,
  }: Pick<RunRecord, 'configuration' | 'trainingData' | 'startingWeights'>,
  totalSteps: number,
): Promise<RunDirectory> {
  if (!flags.resume) return createRunDirectory(out, flags.overwrite);
  const record = await readRunRecord(out);
  if (!record) throw usageError(`--resume: ${out} is not a run`, 'Leave out --resume to start one.');
  if (record.kind !== kind)
    throw usageError(
      `--resume: ${out} is a ${record.kind} run, not a ${kind} run`,
      'Resume with the command that the run began with.',
    );
  const same = JSON.parse(JSON.stringify(configuration)) as Record<string, unknown>;
  // A run may have been moved; a cache gives the same pictures as their files; the training data is compared below.
  const keys = [...new Set([...Object.keys(record.configuration), ...Object.keys(same)])].filter(
    (key) => !['out', 'cache', 'cacheTeacher', 'trainedOn', 'pairs'].includes(key),
  );
  const changed = keys.find((key) => !isDeepStrictEqual(record.configuration[key], same[key]));
  if (changed !== undefined) {
    const shown = (value: unknown): string => (value === undefined ? 'not given' : JSON.stringify(value));
    throw usageError(
      `--resume: ${changed} was ${shown(record.configuration[changed])} and is ${shown(same[changed])} now`,
      'Resume with the flags that the run began with.',
    );
  }
  if (record.trainingData !== trainingData)
    throw usageError(
      `--resume: the training data of ${out} has changed since it began`,
      'Bring back the labels and samples that it had, or start again with --overwrite.',
    );
  // A run of before this was recorded has none.
  if (record.startingWeights !== undefined && record.startingWeights !== startingWeights)
    throw usageError(
      `--resume: the weights of ${String(configuration.model)} have changed since ${out} began`,
      'Bring back the model that it had, or start again with --overwrite.',
    );
  if (record.steps.total !== totalSteps) {
    throw usageError(
      `--resume: the run was to take ${counted(record.steps.total, 'step')} and would now take ${totalSteps}`,
      'Has the data changed? Start again with --overwrite.',
    );
  }
  return reopenRunDirectory(out);
}

interface Finished<R> {
  readonly result: R;
  readonly accuracy: readonly StageAccuracy[];
  readonly steps: number;
}

/**
 * Runs a job and keeps run.json true: running, with the steps that its checkpoint holds, then finished, interrupted or
 * failed.
 */
export async function recordedRun<R>(
  run: RunDirectory,
  description: Pick<
    RunRecord,
    'kind' | 'problemType' | 'source' | 'configuration' | 'trainingData' | 'startingWeights' | 'compression' | 'costs'
  >,
  totalSteps: number,
  job: (onCheckpoint: (step: number) => Promise<void>) => Promise<Finished<R>>,
): Promise<R> {
  let saved = run.begunAt;
  const save = (status: RunRecord['status'], accuracy: readonly StageAccuracy[] = []): Promise<void> =>
    run.save({ ...description, status, accuracy, steps: { done: saved, total: totalSteps } });
  await save('running');
  try {
    const { result, accuracy, steps } = await job(async (step) => {
      saved = step;
      await save('running');
    });
    saved = steps;
    await save('finished', accuracy);
    return result;
  } catch (error) {
    // The cause is what the user must see, also where the disk has no room for this record.
    await save(error instanceof Interrupted ? 'interrupted' : 'failed').catch(() => undefined);
    throw error;
  } finally {
    await run.release();
  }
}

import type { Command } from 'commander';
import type { Compression } from '../../runtime/artifact/manifest.ts';
import { type Score, scoreOf } from '../../runtime/artifact/problem-type.ts';
import { random } from '../../runtime/random.ts';
import {
  addEngineOptions,
  addResultOptions,
  addRunOptions,
  createCommand,
  openData,
  required,
  resolveFlags,
} from '../args.ts';
import { storedTensors } from '../compress/stored-tensors.ts';
import { type ClassCount, labelCounts } from '../data/class-report.ts';
import type { Dataset } from '../data/dataset.ts';
import { withMixtures } from '../data/mixtures.ts';
import type { Samples } from '../data/samples.ts';
import { createEngine } from '../engines/create.ts';
import type { Engine } from '../engines/engine.ts';
import { usageError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { grouped, percent } from '../io/units.ts';
import { counted } from '../io/words.ts';
import { WORD_EMBEDDING } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import { isBertPreset, isVitPreset } from '../models/presets.ts';
import { taskOf } from '../models/task.ts';
import type { Ranks } from '../pclora/allocation.ts';
import { adaptersCost, denseCost, wordEmbeddingCost } from '../pclora/cost.ts';
import { adapterTensors } from '../pclora/linear.ts';
import type { Moment } from '../pclora/svd.ts';
import type { Budget } from '../pclora/target.ts';
import { type Checkpoint, loadDescription, saveCheckpoint, saveDescription } from '../pretrained/checkpoint.ts';
import { resolveModelFolder } from '../pretrained/hub.ts';
import { labelledBy, readLabels } from '../pretrained/labels-file.ts';
import { saveAdapterFile } from '../train/adapter-file.ts';
import { measureWorths } from '../train/allocate.ts';
import { compress } from '../train/compress.ts';
import type { LoopOptions } from '../train/loop.ts';
import { readRunRecord } from '../train/run-directory.ts';
import { scoreValue, type TeacherScore, teacherKey, told } from '../train/score.ts';
import { expectDense, logitsOf, saveStored } from '../train/trained-model.ts';
import { tensorsDigest } from '../train/trained-tensors.ts';
import { reportRun } from './report.ts';
import { dominantNote, labelsOf, printResult, samplesOf, skippedNote } from './result.ts';
import { expectCacheable, openUnlabelledData, teacherCacheOptions } from './train-data.ts';
import {
  addTrainOptions,
  compressOptions,
  decaySteps,
  featureBlocksOf,
  type GivenTrainFlags,
  settingsOf,
  type TrainFlags,
  trainOptions,
} from './train-flags.ts';
import { blockRanks, budgetOf, hasTarget, ranksOf, rankText } from './train-ranks.ts';
import { sizeBudget } from './train-size.ts';
import { evaluateDense, evaluateUnpruned, loadTeacher, pruneTeacher } from './train-teacher.ts';
import {
  batchNotices,
  expectAugment,
  expectEvenBatch,
  expectPlaces,
  inheritData,
  recordedData,
  recordedRun,
  resolvedConfiguration,
  startRun,
  withTrainingSamples,
} from './training.ts';

/**
 * What came of it: the run's folder, and scores of student (adapters only) and teacher on the same `samples` samples of
 * the test part, under their metric's name.
 */
export interface TrainResult extends Score, TeacherScore {
  readonly run: string;
  readonly steps: number;
  /** How much of the steps' time was spent waiting for data, 0 to 1. */
  readonly dataShare: number;
  readonly skipped: number;
  /** The classes, or labels, with their samples; none of numbers. */
  readonly classes: readonly ClassCount[];
}

/** `slim train`, which `runTrain` is. */
export function trainCommand(io: Io): Command {
  const command = createCommand(
    'train',
    'compress a model with PC-LoRA until only the adapters are left',
    `Compresses a fine-tuned model with PC-LoRA (arXiv 2406.09117): a low-rank adapter sits beside every linear layer of
every block, the pre-trained weights fade out by a factor λ that falls from 1 to 0, feature distillation from the
teacher keeps the student on course, and what is left are the adapters. Accuracy is always told for the adapters alone,
as they would ship.`,
    [
      'slim train --model runs/teacher --data pets/ --rank 32 --out runs/small',
      'slim train --model runs/teacher --data pets/ --rank 16 --layer-rank up=32 --schedule linear --epochs 30 ' +
        '--out runs/r16',
      'slim train --model runs/reviews --data reviews.csv --rank 32 --embedding-rank 64 --prune-vocabulary ' +
        '--out runs/small',
    ],
  );
  for (const add of [addTrainOptions, addRunOptions, addEngineOptions, addResultOptions]) add(command);
  return command.action(async () => {
    const flags = await resolveFlags<GivenTrainFlags>(command);
    const result = await runTrain(flags, io);
    if (flags.report) await reportRun(result.run, flags, command, io);
    const { metric, value } = scoreOf(result);
    const teacher = { [metric]: result[teacherKey(metric)], samples: result.samples };
    const { value: before } = scoreOf(teacher);
    const kept =
      value !== null && before !== null && before > 0
        ? ` (${percent(value / before, 1)} of the teacher's ${scoreValue(teacher)})`
        : '';
    printResult(
      io,
      flags.json,
      { ...result },
      `compressed: ${told(result)}${kept} on ${counted(result.samples, 'sample')}${dominantNote(result)}` +
        `${skippedNote(result)}, in ${result.run}`,
    );
  });
}

/** `slim train` */
export async function runTrain(given: GivenTrainFlags, io: Io): Promise<TrainResult> {
  expectEvenBatch(given);
  const places = await expectPlaces(given);
  if (isVitPreset(places.model) || isBertPreset(places.model))
    throw usageError(
      `--model ${places.model} is a preset: it has no trained weights to compress`,
      `Train it first: slim finetune --model ${places.model} ...`,
    );
  const { base, offline } = given;
  const folder = await resolveModelFolder(places.model, { offline });
  await expectDense(folder);
  const { config, preprocessing } = await loadDescription(folder, { base, offline });
  const settings = settingsOf(given, preprocessing.kind, config.hiddenSize);
  const flags: TrainFlags = { ...(await inheritData(given, places.model, io)), ...settings };
  const said = await readLabels(flags.labels);
  const opened = await openData(places.data, { ...flags, task: flags.task ?? taskOf(config.problemType) }, io, {
    takes: async () => preprocessing.kind,
  });
  const data = labelledBy(opened, said);
  expectAugment(data, flags);
  expectCacheable(data, flags);
  const loaded = await loadTeacher(places.model, folder, data, flags, io);
  const teacher = flags.pruneVocabulary ? await pruneTeacher(loaded, data, io) : loaded;
  const { model } = teacher;
  // What is wrong with these flags is told before anything takes time.
  const budget = await budgetOf(model, flags, (bytes, others) => withinBytes(teacher, bytes, others, data, flags, io));
  const uniform = ranksOf(model, flags, budget, null);
  const featureBlocks = featureBlocksOf(model.layers, flags);
  const unlabelled = await openUnlabelledData(data, flags, io);
  return withTrainingSamples({ data, unlabelled }, teacher.preprocessing, flags, io, async (samples) => {
    const { train, labelled, test } = samples;
    const { mixtures = 0 } = flags;
    const mixed = withMixtures(train, mixtures);
    const options = trainOptions(flags, { train: mixed, labelled });
    for (const notice of batchNotices(flags, options)) createProgress(io.stderr, 'step').line(`note: ${notice}`);
    const engine = await createEngine(flags, io);
    const progress = createProgress(io.stderr, 'step');
    const { ranks, moments } = await spreadRanks(
      engine,
      teacher,
      { uniform, budget, featureBlocks },
      train,
      options,
      flags,
      io,
    );
    const largest = Math.max(...blockRanks(model, ranks));
    const rank = hasTarget(flags) ? largest : flags.rank;
    const { method, schedule, init } = flags;
    const stage = method === 'pclora' ? 'pc-lora' : method;
    const scaling = (flags.loraAlpha ?? rank) / rank;
    // LoRA leaves a dense model.
    const compression: Compression | null =
      stage === 'lora'
        ? null
        : { method: stage, rank: largest, ranks: Object.fromEntries(ranks), scaling, schedule, init };
    const configuration = {
      ...resolvedConfiguration(flags, teacher.preprocessing, engine),
      ...(await recordedData(data, places.model)),
    };
    const kind = compression === null ? 'finetune' : 'compress';
    const startingWeights = tensorsDigest(teacher.tensors);
    const run = await startRun(
      kind,
      places.out,
      flags,
      { configuration, trainingData: train.digest, startingWeights },
      options.totalSteps,
    );
    if (decaySteps(flags, options.totalSteps) >= options.totalSteps) {
      progress.line(
        `note: λ reaches 0 only after the last of ${counted(options.totalSteps, 'step')}, so the adapters never train alone: ` +
          'take more steps, or a smaller --decay-end',
      );
    }
    for (const notice of embeddingNotices(model, ranks)) progress.line(`note: ${notice}`);
    progress.line(
      `compressing ${places.model} at ${rankText(model, ranks)} on ${data.name} (${samplesOf(data)}, ${labelsOf(data)}), ` +
        `${counted(options.totalSteps, 'step')}, on ${engine.description}`,
    );

    const record = {
      kind,
      problemType: teacher.config.problemType,
      source: await sourceOf(places.model),
      configuration,
      trainingData: train.digest,
      startingWeights,
      compression,
      costs: {
        teacher: denseCost(loaded.model),
        model: compression === null ? denseCost(model) : adaptersCost(model, ranks),
      },
    } as const;
    return recordedRun(run, record, options.totalSteps, async (onCheckpoint) => {
      const unpruned = teacher === loaded ? null : await evaluateUnpruned(engine, loaded, data, io);
      if (unpruned)
        progress.line(`teacher with its whole vocabulary: ${told(unpruned)} on ${counted(unpruned.samples, 'sample')}`);
      const before = await evaluateDense(engine, teacher, test, io);
      progress.line(`teacher: ${told(before)} on ${counted(before.samples, 'sample')}`);
      const pclora = {
        ...compressOptions(flags, ranks, scaling, options.totalSteps),
        featureBlocks,
        unlabelled: unlabelled !== null || mixtures > 0,
        teacherCache: teacherCacheOptions(flags, io),
        calibration: train,
        moments,
      };
      const context = { engine, run, samples: mixed, progress, signal: io.signal, onCheckpoint };
      const { evaluation, steps, dataShare, tensors, adapters } = await compress(
        teacher,
        test,
        pclora,
        options,
        context,
        random(flags.seed, 2),
      );
      if (compression === null) {
        await saveAdapterFile(run.path('adapter'), adapterTensors(model.layers, ranks), { tensors: adapters, scaling });
        await saveCheckpoint(run.folder, teacher, tensors);
      } else {
        await saveDescription(run.folder, teacher);
        await saveStored(run.path('weights'), storedTensors(logitsOf({ model, compression }), tensors));
      }
      return {
        result: {
          run: run.folder,
          ...evaluation,
          [teacherKey(scoreOf(before).metric)]: scoreOf(unpruned ?? before).value,
          steps,
          dataShare,
          skipped: data.skipped,
          classes: labelCounts(data, { train: labelled, test }),
        },
        accuracy: [
          { stage: 'teacher', ...(unpruned ?? before) },
          ...(unpruned ? [{ stage: 'pruned-vocabulary', ...before }] : []),
          { stage, ...evaluation },
        ],
        steps,
      };
    });
  });
}

/** A budget of bytes, from what is known of the run before it begins. */
async function withinBytes(
  teacher: Checkpoint,
  bytes: number,
  others: Ranks,
  data: Dataset,
  flags: TrainFlags,
  io: Io,
): Promise<Budget> {
  const model = required(flags.model, '--model');
  // Which engine it will be is not known yet; no name of one is longer.
  const engine = { name: 'onnx', precision: 'tf32' } as const;
  const recorded = {
    source: await sourceOf(model),
    configuration: {
      ...resolvedConfiguration(flags, teacher.preprocessing, engine),
      ...(await recordedData(data, model)),
    },
    compression: {
      method: 'pc-lora' as const,
      scaling: flags.loraAlpha === undefined ? 1 : 1 / 3,
      schedule: flags.schedule,
      init: flags.init,
    },
    samples: data.test.size,
  };
  const canPrune = data.kind === 'text' && !flags.pruneVocabulary;
  const prune = canPrune ? () => pruneTeacher(teacher, data, io) : null;
  return sizeBudget(teacher, recorded, bytes, others, flags.fuseQkv, prune);
}

/** What ranks are spread within, and by errors in which blocks' outputs. */
interface Spreading {
  readonly uniform: Ranks;
  readonly budget: Budget | null;
  readonly featureBlocks: readonly number[];
}

/**
 * The ranks as `--rank-allocation` spreads them, and what the teacher's layers saw where that was looked at. A run that
 * goes on keeps those that it began with.
 */
async function spreadRanks(
  engine: Engine,
  teacher: Checkpoint,
  { uniform, budget, featureBlocks }: Spreading,
  samples: Samples,
  { batchSize, accumulate }: Pick<LoopOptions, 'batchSize' | 'accumulate'>,
  flags: TrainFlags,
  { stderr, signal }: Io,
): Promise<{ readonly ranks: Ranks; readonly moments?: ReadonlyMap<string, Moment> }> {
  if (flags.rankAllocation === 'uniform') return { ranks: uniform };
  const begun = flags.resume && flags.out !== undefined ? (await readRunRecord(flags.out))?.compression : null;
  if (begun) return { ranks: new Map(Object.entries(begun.ranks)) };
  const progress = createProgress(stderr, 'rank');
  const { rankAllocation: allocation, biasCorrection: withMeans, seed } = flags;
  const how = { allocation, seed, withMeans, batch: batchSize / accumulate, featureBlocks };
  const { worths, moments } = await measureWorths(engine, teacher, uniform, samples, how, { progress, signal });
  return { ranks: ranksOf(teacher.model, flags, budget, worths), moments };
}

/** What a model began with, by its name. */
async function sourceOf(model: string): Promise<string> {
  return (await readRunRecord(model))?.source ?? model;
}

/** What factors save of the word embeddings, and what they cost. */
function embeddingNotices(model: Model, ranks: ReadonlyMap<string, number>): string[] {
  const rank = ranks.get(WORD_EMBEDDING);
  const cost = rank === undefined ? null : wordEmbeddingCost(model, ranks);
  if (cost === null) return [];
  const { dense, compressed } = cost;
  return [
    `At rank ${rank} the word embeddings go from ${grouped(dense.parameters)} parameters to ` +
      `${grouped(compressed.parameters)}, for ${grouped(compressed.macs)} MACs more on the longest text.`,
  ];
}

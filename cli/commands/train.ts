import { type Command, Option } from 'commander';
import type { Compression } from '../../runtime/artifact/manifest.ts';
import { type Metric, type Score, scoreOf } from '../../runtime/artifact/problem-type.ts';
import { random } from '../../runtime/random.ts';
import {
  addCacheOption,
  addDataOptions,
  addEngineOptions,
  addLabelsOption,
  addModelOptions,
  addResultOptions,
  addRunOptions,
  addTrainingOptions,
  byteSize,
  createCommand,
  integer,
  type LabelsFlags,
  layerRank,
  number,
  openData,
  required,
  resolveFlags,
  type SplitFlags,
  share,
} from '../args.ts';
import { storedTensors } from '../compress/stored-tensors.ts';
import { type ClassCount, labelCounts } from '../data/class-report.ts';
import type { Dataset } from '../data/dataset.ts';
import { expectKind, prepareSamples } from '../data/prepare.ts';
import type { Samples } from '../data/samples.ts';
import type { TextRow, TextRows } from '../data/text/dataset.ts';
import { createEngine } from '../engines/create.ts';
import type { Engine } from '../engines/engine.ts';
import { UserError, usageError } from '../io/errors.ts';
import { type Io, throwIfInterrupted, untilInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { counted } from '../io/words.ts';
import { blockLinears, tensorsOf, WORD_EMBEDDING } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import { isBertPreset, isVitPreset } from '../models/presets.ts';
import { taskOf } from '../models/task.ts';
import { RANK_ALLOCATIONS, type Ranks } from '../pclora/allocation.ts';
import { adaptersCost, denseCost, wordEmbeddingCost } from '../pclora/cost.ts';
import { denseParts, INITS, type Init } from '../pclora/linear.ts';
import { SCHEDULES, type Schedule } from '../pclora/schedule.ts';
import type { Moment } from '../pclora/svd.ts';
import type { Budget } from '../pclora/target.ts';
import { type Checkpoint, loadDescription, saveDescription } from '../pretrained/checkpoint.ts';
import { findOutputs, matchOutputs } from '../pretrained/class-match.ts';
import { resolveModelFolder } from '../pretrained/hub.ts';
import { madeUp } from '../pretrained/labels.ts';
import { labelledBy, readLabels } from '../pretrained/labels-file.ts';
import { measureWorths } from '../train/allocate.ts';
import { compress, FREEZABLE, type Freezable } from '../train/compress.ts';
import { compileForward, evaluateForward } from '../train/evaluate.ts';
import type { LoopOptions } from '../train/loop.ts';
import { expectProblemType, preparationOf } from '../train/preparation.ts';
import { pruneCheckpoint } from '../train/prune-checkpoint.ts';
import { readRunRecord } from '../train/run-directory.ts';
import { scoreValue, told } from '../train/score.ts';
import { expectDense, expectPreprocessing, loadDenseModel, logitsOf, saveStored } from '../train/trained-model.ts';
import { uploadTensors } from '../train/trained-tensors.ts';
import { dominantNote, grouped, labelsOf, percent, printResult, samplesOf, skippedNote } from './result.ts';
import { budgetOf, hasTarget, type RankFlags, ranksOf, rankText } from './train-ranks.ts';
import { sizeBudget } from './train-size.ts';
import {
  batchNotices,
  expectAugment,
  expectEvenBatch,
  expectPlaces,
  inheritData,
  loopOptions,
  recordedData,
  recordedRun,
  resolvedConfiguration,
  startRun,
  type TrainingFlags,
  withTrainingSamples,
} from './training.ts';

/**
 * What `slim train` has beside the flags of every training. `decayStart` and `decayEnd` are shares of all steps; `alpha` is the task
 * loss's weight; `loraAlpha` / `rank` is the scaling s, which is 1 where it is absent.
 */
export interface TrainFlags extends TrainingFlags, LabelsFlags, RankFlags {
  readonly pruneVocabulary: boolean;
  readonly loraAlpha?: number;
  readonly init: Init;
  readonly schedule: Schedule;
  readonly decayStart: number;
  readonly decayEnd: number;
  readonly alpha: number;
  readonly logitLoss: number;
  readonly temperature: number;
  readonly freeze: readonly Freezable[];
}

/** Of how the data is split, what is not given is the teacher's. */
export type GivenTrainFlags = Omit<TrainFlags, keyof SplitFlags> & Partial<SplitFlags>;

/** The teacher's score under its metric's name: `teacherAccuracy`. */
type TeacherScore = { readonly [M in Metric as `teacher${Capitalize<M>}`]?: number };

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
  )
    .option(
      '--model <name>',
      'the teacher: a run of slim finetune, or a Hugging Face folder or name on the hub that knows the labels',
    )
    .addOption(new Option('--rank <r>', 'rank of the adapters').argParser(integer(1)).default(32))
    .addOption(
      new Option(
        '--layer-rank <name=r>',
        'another rank for one kind of layer (up=16) or one layer (block.0.up=16); repeatable',
      ).argParser(layerRank),
    )
    .addOption(
      new Option(
        '--target-parameters <share>',
        "instead of --rank: what is to be left of the blocks' parameters, such as 5%",
      )
        .argParser(share)
        .conflicts(['rank', 'layerRank', 'targetMacs']),
    )
    .addOption(
      new Option('--target-macs <share>', 'the same of their multiply-accumulates')
        .argParser(share)
        .conflicts(['rank', 'layerRank']),
    )
    .addOption(
      new Option(
        '--target-size <size>',
        'the same of the whole: how large the file is at most that slim pack makes of the quantized run, such as 4MB',
      )
        .argParser(byteSize)
        .conflicts(['rank', 'layerRank', 'targetParameters', 'targetMacs']),
    )
    .addOption(
      new Option(
        '--rank-allocation <how>',
        "how these parameters are spread: one rank for all layers (uniform), to the directions that carry most of a layer's " +
          'outputs on training samples (energy), or to those whose errors cost most at the outputs of all blocks (gradient)',
      )
        .choices(RANK_ALLOCATIONS)
        .default('uniform'),
    )
    .option('--force-rank', 'allow ranks that make a layer larger than it was')
    .addOption(
      new Option('--embedding-rank <k>', 'of texts: factorize the word embeddings too, faded in by the same λ')
        .argParser(integer(1))
        .default(undefined, 'off'),
    )
    .option(
      '--prune-vocabulary',
      'of texts: keep the tokens that the training texts use, special ones and single characters',
    )
    .addOption(
      new Option('--lora-alpha <x>', 'scaling = alpha / rank')
        .argParser(number(0, Infinity, { above: true }))
        .default(undefined, 'the rank, so 1'),
    )
    .addOption(
      new Option(
        '--init <how>',
        'start of A, B, C: from the weights (svd), from the weights and what the teacher makes of training samples ' +
          '(activation), both with residual decay, or Kaiming and zeros (paper)',
      )
        .choices(INITS)
        .default('svd'),
    )
    .addOption(new Option('--schedule <name>', 'how λ falls').choices(Object.keys(SCHEDULES)).default('sine'))
    .addOption(
      new Option('--decay-start <x>', 'share of the steps after which λ begins to fall')
        .argParser(number(0, 1))
        .default(0),
    )
    .addOption(
      new Option('--decay-end <x>', 'share of the steps after which λ is 0; 0: from the start')
        .argParser(number(0, 1))
        .default(0.8),
    )
    .addOption(
      new Option('--alpha <x>', "weight of the task loss; the rest is the feature loss's")
        .argParser(number(0, 1))
        .default(0.2),
    )
    .addOption(
      new Option(
        '--logit-loss <x>',
        "beyond the paper: weight of a third term, the divergence from the teacher's logits",
      )
        .argParser(number(0))
        .default(0),
    )
    .addOption(
      new Option('--temperature <x>', 'of the logits in that term')
        .argParser(number(0, Infinity, { above: true }))
        .default(4),
    )
    .addOption(new Option('--freeze <parts...>', 'train the adapters without these').choices(FREEZABLE).default([]));
  addModelOptions(command);
  addTrainingOptions(command, { epochs: 10, learningRate: 2e-3, batchSize: 64 });
  addLabelsOption(addCacheOption(addDataOptions(command, { inherited: true })));
  for (const add of [addRunOptions, addEngineOptions, addResultOptions]) add(command);
  return command.action(async () => {
    const flags = await resolveFlags<GivenTrainFlags>(command);
    const result = await runTrain(flags, io);
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
  if (given.decayStart > given.decayEnd)
    throw usageError(
      `--decay-start ${given.decayStart} is after --decay-end ${given.decayEnd}`,
      'Both are shares of the steps: λ falls from the first to the second.',
    );
  const places = await expectPlaces(given);
  const flags = await inheritData(given, places.model, io);
  if (isVitPreset(places.model) || isBertPreset(places.model))
    throw usageError(
      `--model ${places.model} is a preset: it has no trained weights to compress`,
      `Train it first: slim finetune --model ${places.model} ...`,
    );
  const folder = await resolveModelFolder(places.model, { offline: flags.offline });
  await expectDense(folder);
  const { base, offline } = flags;
  const { config, preprocessing } = await loadDescription(folder, { base, offline });
  const said = await readLabels(flags.labels);
  const opened = await openData(places.data, { ...flags, task: flags.task ?? taskOf(config.problemType) }, io, {
    takes: async () => preprocessing.kind,
  });
  const data = labelledBy(opened, said);
  expectAugment(data, flags);
  const loaded = await loadTeacher(places.model, folder, data, flags, io);
  const teacher = flags.pruneVocabulary ? await pruneTeacher(loaded, data, io) : loaded;
  const { model } = teacher;
  // What is wrong with these flags is told before anything takes time.
  const budget = await budgetOf(model, flags, (bytes, others) => withinBytes(teacher, bytes, others, data, flags, io));
  const uniform = ranksOf(model, flags, budget, null);
  return withTrainingSamples(data, teacher.preprocessing, flags, io, async ({ train, test }) => {
    const options = loopOptions(flags, train.size);
    for (const notice of batchNotices(flags, options)) createProgress(io.stderr, 'step').line(`note: ${notice}`);
    const engine = await createEngine(flags, io);
    const progress = createProgress(io.stderr, 'step');
    const { ranks, moments } = await spreadRanks(engine, teacher, { uniform, budget }, train, options, flags, io);
    const largest = Math.max(...blockLinears(model.layers).map(({ name }) => ranks.get(name)!));
    const rank = hasTarget(flags) ? largest : flags.rank;
    const compression: Compression = {
      method: 'pc-lora',
      rank: largest,
      ranks: Object.fromEntries(ranks),
      scaling: (flags.loraAlpha ?? rank) / rank,
      schedule: flags.schedule,
      init: flags.init,
    };
    const configuration = {
      ...resolvedConfiguration(flags, teacher.preprocessing, engine),
      ...(await recordedData(data, places.model)),
    };
    const run = await startRun(
      'compress',
      places.out,
      flags,
      { configuration, trainingData: train.digest },
      options.totalSteps,
    );
    const decaySteps = Math.round(flags.decayEnd * options.totalSteps);
    if (decaySteps >= options.totalSteps) {
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
      kind: 'compress' as const,
      problemType: teacher.config.problemType,
      source: await sourceOf(places.model),
      configuration,
      trainingData: train.digest,
      compression,
      costs: { teacher: denseCost(loaded.model), model: adaptersCost(model, ranks) },
    };
    return recordedRun(run, record, options.totalSteps, async (onCheckpoint) => {
      const unpruned = teacher === loaded ? null : await evaluateUnpruned(engine, loaded, data, io);
      if (unpruned)
        progress.line(`teacher with its whole vocabulary: ${told(unpruned)} on ${counted(unpruned.samples, 'sample')}`);
      const before = await evaluateDense(engine, teacher, test, io);
      progress.line(`teacher: ${told(before)} on ${counted(before.samples, 'sample')}`);
      const pclora = {
        adapters: { init: flags.init, ranks, scaling: compression.scaling },
        schedule: flags.schedule,
        decayStart: Math.round(flags.decayStart * options.totalSteps),
        decaySteps,
        alpha: flags.alpha,
        logits: flags.logitLoss > 0 ? { weight: flags.logitLoss, temperature: flags.temperature } : null,
        freeze: flags.freeze,
        moments,
      };
      const context = { engine, run, samples: train, progress, signal: io.signal, onCheckpoint };
      const { evaluation, steps, dataShare, tensors } = await compress(
        teacher,
        test,
        pclora,
        options,
        context,
        random(flags.seed, 2),
      );
      await saveDescription(run.folder, teacher);
      await saveStored(run.path('weights'), storedTensors(logitsOf({ model, compression }), tensors));
      return {
        result: {
          run: run.folder,
          ...evaluation,
          [teacherKey(scoreOf(before).metric)]: scoreOf(unpruned ?? before).value,
          steps,
          dataShare,
          skipped: data.skipped,
          classes: labelCounts(data, { train, test }),
        },
        accuracy: [
          { stage: 'teacher', ...(unpruned ?? before) },
          ...(unpruned ? [{ stage: 'pruned-vocabulary', ...before }] : []),
          { stage: 'pc-lora', ...evaluation },
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
  return sizeBudget(teacher, recorded, bytes, others, canPrune ? () => pruneTeacher(teacher, data, io) : null);
}

/**
 * The ranks as `--rank-allocation` spreads them, and what the teacher's layers saw where that was looked at. A run that
 * goes on keeps those that it began with.
 */
async function spreadRanks(
  engine: Engine,
  teacher: Checkpoint,
  { uniform, budget }: { readonly uniform: Ranks; readonly budget: Budget | null },
  samples: Samples,
  { batchSize, accumulate }: Pick<LoopOptions, 'batchSize' | 'accumulate'>,
  flags: TrainFlags,
  { stderr, signal }: Io,
): Promise<{ readonly ranks: Ranks; readonly moments?: ReadonlyMap<string, Moment> }> {
  if (flags.rankAllocation === 'uniform') return { ranks: uniform };
  const begun = flags.resume && flags.out !== undefined ? (await readRunRecord(flags.out))?.compression : null;
  if (begun) return { ranks: new Map(Object.entries(begun.ranks)) };
  const progress = createProgress(stderr, 'rank');
  const { rankAllocation: allocation, seed } = flags;
  const how = { allocation, seed, batch: batchSize / accumulate };
  const { worths, moments } = await measureWorths(engine, teacher, uniform, samples, how, { progress, signal });
  return { ranks: ranksOf(teacher.model, flags, budget, worths), moments };
}

/** What a model began with, by its name. */
async function sourceOf(model: string): Promise<string> {
  return (await readRunRecord(model))?.source ?? model;
}

function teacherKey<M extends Metric>(metric: M): `teacher${Capitalize<M>}` {
  return `teacher${metric[0].toUpperCase()}${metric.slice(1)}` as `teacher${Capitalize<M>}`;
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

/**
 * A dense model that knows the data's classes, which come in the data's order, by the model's own names where it has
 * any. UserError where it was not trained to tell them apart.
 */
async function loadTeacher(
  name: string,
  folder: string,
  data: Dataset,
  { offline, maxTokens, base, labels: file }: TrainFlags,
  { stderr }: Io,
): Promise<Checkpoint> {
  const { config: stored } = await loadDescription(folder, { base, offline });
  expectProblemType(name, stored.problemType, data);
  const { labels: known } = stored;
  const said = await readLabels(file);
  const match = said === null ? findOutputs(stored, data) : matchOutputs(stored, data, said);
  const isWhole = match !== null && known.length === data.labels.length;
  const headLabels = isWhole && madeUp(known) ? inPlace(data.labels, match.indices) : known;
  const teacher = await loadDenseModel(folder, {
    labels: isWhole ? match.indices.map((index) => headLabels[index]) : data.labels,
    headLabels,
    problemType: data.problemType,
    maxTokens,
    base,
    offline,
    seed: 0,
  });
  expectKind(teacher.preprocessing.kind, data);
  expectPreprocessing(folder, teacher);
  if (!teacher.newHead) {
    for (const notice of match?.notices ?? []) createProgress(stderr, 'data').line(`note: ${notice}`);
    return teacher;
  }
  const some = (names: readonly string[]): string =>
    `${names.slice(0, 3).join(', ')}${names.length > 3 ? ' ...' : ''} (${names.length})`;
  const why = isWhole
    ? `${name} has no trained classification head`
    : `the teacher's labels are ${some(known)}, the data's are ${some(data.labels)}`;
  const orLabels = isWhole ? '' : ' Or say which is which: --labels FILE.';
  throw new UserError(why, `Fine-tune it first: slim finetune --model ${name} --data ...${orLabels}`);
}

/** Names by the places that they have in a model's list. */
function inPlace(names: readonly string[], indices: readonly number[]): readonly string[] {
  const placed = [...names];
  names.forEach((name, i) => {
    placed[indices[i]] = name;
  });
  return placed;
}

async function evaluateDense(engine: Engine, teacher: Checkpoint, test: Samples, { signal }: Io): Promise<Score> {
  const { model, tensors } = teacher;
  const specs = tensorsOf(model.layers);
  const forward = compileForward(engine, teacher, denseParts(specs));
  const uploaded = uploadTensors(engine, specs, tensors);
  const onBatch = (): void => throwIfInterrupted(signal);
  const { problemType } = model;
  const evaluation = await untilInterrupted(
    signal,
    evaluateForward(engine, forward, uploaded, test, { problemType, onBatch }),
  );
  for (const tensor of Object.values(uploaded)) tensor.dispose();
  await forward.dispose();
  return evaluation;
}

/** The teacher as it came, on texts in its own tokens. */
async function evaluateUnpruned(engine: Engine, teacher: Checkpoint, data: Dataset, io: Io): Promise<Score> {
  const test = await prepareSamples(data, 'test', preparationOf(teacher.preprocessing));
  try {
    return await evaluateDense(engine, teacher, test, io);
  } finally {
    await test.close();
  }
}

async function pruneTeacher(teacher: Checkpoint, data: Dataset, { stderr, signal }: Io): Promise<Checkpoint> {
  if (data.kind !== 'text') throw usageError('--prune-vocabulary is for texts, and the data holds pictures');
  const progress = createProgress(stderr, 'text');
  async function* rows(train: TextRows): AsyncGenerator<TextRow> {
    let done = 0;
    for await (const row of train.rows()) {
      throwIfInterrupted(signal);
      yield row;
      progress.update(++done, train.size, 'read for the vocabulary');
    }
  }
  const pruned = await pruneCheckpoint(teacher, rows(data.train));
  progress.end();
  const [before, after] = [teacher, pruned].map(({ model }) => grouped(model.vocabularies.ids));
  progress.line(`note: The vocabulary is pruned from ${before} tokens to ${after}.`);
  return pruned;
}

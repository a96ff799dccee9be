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
import { WEIGHTS, type Weights } from '../compress/quantize.ts';
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
import { denseParts, INITS } from '../pclora/linear.ts';
import { METHODS, type Method } from '../pclora/method.ts';
import { RECIPES, type Recipe, type RecipeName, resolveRecipe } from '../pclora/recipe.ts';
import { DECAY_ORDERS, SCHEDULES } from '../pclora/schedule.ts';
import type { Moment } from '../pclora/svd.ts';
import type { Budget } from '../pclora/target.ts';
import { type Checkpoint, loadDescription, saveCheckpoint, saveDescription } from '../pretrained/checkpoint.ts';
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
import type { TeacherCacheOptions } from '../train/teacher-cache.ts';
import { expectDense, expectPreprocessing, loadDenseModel, logitsOf, saveStored } from '../train/trained-model.ts';
import { uploadTensors } from '../train/trained-tensors.ts';
import { openUnlabelled } from '../train/unlabelled.ts';
import { dominantNote, grouped, labelsOf, percent, printResult, samplesOf, skippedNote } from './result.ts';
import { budgetOf, hasTarget, type RankFlags, ranksOf, rankText } from './train-ranks.ts';
import { sizeBudget } from './train-size.ts';
import {
  batchNotices,
  DEFAULT_AUGMENT,
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
  type TrainingSamples,
  withTrainingSamples,
} from './training.ts';

/**
 * What `slim train` has beside the flags of every training. `loraAlpha` / `rank` is the scaling s, which is 1 where it
 * is absent; `qat` is a share of all steps, `rewarm` of the peak learning rate, none where they are absent.
 */
export interface TrainFlags extends TrainingFlags, LabelsFlags, RankFlags, Recipe {
  readonly method: Method;
  readonly recipe: RecipeName;
  readonly pruneVocabulary: boolean;
  readonly loraAlpha?: number;
  readonly freeze: readonly Freezable[];
  readonly unlabelled?: string;
  readonly cacheTeacher?: string;
  readonly qat?: number;
  /** int8 where it is absent. */
  readonly qatWeights?: Weights;
  readonly rewarm?: number;
}

/** Of how the data is split, what is not given is the teacher's; of the rest, the recipe's. */
export type GivenTrainFlags = Omit<TrainFlags, keyof SplitFlags | keyof Recipe | 'method' | 'recipe'> &
  Partial<SplitFlags & Recipe & Pick<TrainFlags, 'method' | 'recipe'>>;

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
        "how these parameters are spread: one rank for all layers (uniform), or to the directions that carry most of a layer's " +
          'outputs on training samples (energy)',
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
        '--method <name>',
        'PC-LoRA, or what it is compared with: adapters alone from the first step, started from the weights (svd) or at ' +
          "random (scratch); blocks of the teacher's that give way at random (theseus); LoRA merged, of full size (lora)",
      )
        .choices(METHODS)
        .default('pclora'),
    )
    .addOption(
      new Option('--recipe <name>', "what the flags below are unless given: Slim's, or the paper's")
        .choices(Object.keys(RECIPES))
        .default('default'),
    )
    .addOption(
      new Option(
        '--init <how>',
        'start of A, B, C: from the weights (svd), from the weights and what the teacher makes of training samples ' +
          '(activation), both with residual decay, or Kaiming and zeros (paper)',
      )
        .choices(INITS)
        .default(undefined, RECIPES.default.init),
    )
    .addOption(
      new Option('--schedule <name>', 'how λ falls')
        .choices(Object.keys(SCHEDULES))
        .default(undefined, RECIPES.default.schedule),
    )
    .addOption(
      new Option('--decay-start <x>', 'share of the steps after which λ begins to fall')
        .argParser(number(0, 1))
        .default(undefined, `${RECIPES.default.decayStart}`),
    )
    .addOption(
      new Option('--decay-end <x>', 'share of the steps after which λ is 0; 0: from the start')
        .argParser(number(0, 1))
        .default(undefined, `${RECIPES.default.decayEnd}`),
    )
    .addOption(
      new Option('--decay-order <name>', 'which blocks fade first: the first ones, the last ones, or none')
        .choices(DECAY_ORDERS)
        .default(undefined, RECIPES.default.decayOrder),
    )
    .addOption(
      new Option(
        '--rewarm <x>',
        'once λ is 0, the learning rate warms up again to this share of its peak and falls anew',
      )
        .argParser(number(0, 1))
        .default(undefined, 'off'),
    )
    .addOption(
      new Option(
        '--qat <x>',
        'beyond the paper: share of the steps, the last ones, that train through the rounding of int8, ' +
          'as slim quantize makes it and the runtime computes',
      )
        .argParser(number(0, 1))
        .default(undefined, 'off'),
    )
    .addOption(
      new Option('--qat-weights <type>', 'what slim quantize will be asked to store weights in: its --weights')
        .choices(WEIGHTS)
        .default(undefined, 'int8'),
    )
    .addOption(
      new Option('--alpha <x>', "weight of the task loss; the rest is the feature loss's")
        .argParser(number(0, 1))
        .default(undefined, `${RECIPES.default.alpha}`),
    )
    .addOption(
      new Option(
        '--logit-loss <x>',
        "beyond the paper: weight of a third term, the divergence from the teacher's logits",
      )
        .argParser(number(0))
        .default(undefined, `${RECIPES.default.logitLoss}`),
    )
    .addOption(
      new Option('--temperature <x>', 'of the logits in that term')
        .argParser(number(0, Infinity, { above: true }))
        .default(undefined, `${RECIPES.default.temperature}`),
    )
    .addOption(
      new Option(
        '--relation-loss <x>',
        "beyond the paper: weight of a term for how tokens relate in the last block's queries, keys and values",
      )
        .argParser(number(0))
        .default(undefined, `${RECIPES.default.relationLoss}`),
    )
    .addOption(new Option('--freeze <parts...>', 'train the adapters without these').choices(FREEZABLE).default([]));
  command.option(
    '--unlabelled <path>',
    'samples without labels, beyond the paper: they take part in the terms that compare with the teacher. A table, a ' +
      'folder or a pattern, as slim predict reads them. An epoch is a pass over all samples',
  );
  command.option(
    '--cache-teacher <dir>',
    'compute once what the teacher says of the training samples and keep it in a file here, which later runs find, ' +
      'too: steps are faster, most of all once λ is 0. Of pictures with --augment none',
  );
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
  const { method = 'pclora', recipe = 'default' } = given;
  const settings = resolveRecipe(recipe, method, givenOf(given));
  expectQatFits(given, method, settings);
  const places = await expectPlaces(given);
  const flags: TrainFlags = { ...(await inheritData(given, places.model, io)), ...settings, method, recipe };
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
  expectCacheable(data, flags);
  const loaded = await loadTeacher(places.model, folder, data, flags, io);
  const teacher = flags.pruneVocabulary ? await pruneTeacher(loaded, data, io) : loaded;
  const { model } = teacher;
  // What is wrong with these flags is told before anything takes time.
  const budget = await budgetOf(model, flags, (bytes, others) => withinBytes(teacher, bytes, others, data, flags, io));
  const uniform = ranksOf(model, flags, budget, null);
  const unlabelled = await openUnlabelledData(data, flags, io);
  return withTrainingSamples({ data, unlabelled }, teacher.preprocessing, flags, io, async (samples) => {
    const { train, labelled, test } = samples;
    const options = trainOptions(flags, samples);
    for (const notice of batchNotices(flags, options)) createProgress(io.stderr, 'step').line(`note: ${notice}`);
    const engine = await createEngine(flags, io);
    const progress = createProgress(io.stderr, 'step');
    const { ranks, moments } = await spreadRanks(engine, teacher, uniform, budget, train, flags, io);
    const largest = Math.max(...blockLinears(model.layers).map(({ name }) => ranks.get(name)!));
    const rank = hasTarget(flags) ? largest : flags.rank;
    const { method } = flags;
    const isMerged = method === 'lora';
    const stage = method === 'pclora' ? 'pc-lora' : method;
    const compression: Compression = {
      method: stage === 'lora' ? 'pc-lora' : stage,
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
    const kind = isMerged ? 'finetune' : 'compress';
    const run = await startRun(
      kind,
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
      kind,
      problemType: teacher.config.problemType,
      source: await sourceOf(places.model),
      configuration,
      trainingData: train.digest,
      compression: isMerged ? null : compression,
      costs: { teacher: denseCost(loaded.model), model: isMerged ? denseCost(model) : adaptersCost(model, ranks) },
    } as const;
    return recordedRun(run, record, options.totalSteps, async (onCheckpoint) => {
      const unpruned = teacher === loaded ? null : await evaluateUnpruned(engine, loaded, data, io);
      if (unpruned)
        progress.line(`teacher with its whole vocabulary: ${told(unpruned)} on ${counted(unpruned.samples, 'sample')}`);
      const before = await evaluateDense(engine, teacher, test, io);
      progress.line(`teacher: ${told(before)} on ${counted(before.samples, 'sample')}`);
      const pclora = {
        method,
        adapters: { init: flags.init, ranks, scaling: compression.scaling },
        decay: {
          schedule: flags.schedule,
          start: Math.round(flags.decayStart * options.totalSteps),
          end: decaySteps,
          order: flags.decayOrder,
        },
        quantizedFrom: quantizedFrom(flags, options.totalSteps, decaySteps),
        weights: flags.qatWeights ?? 'int8',
        alpha: flags.alpha,
        logits: flags.logitLoss > 0 ? { weight: flags.logitLoss, temperature: flags.temperature } : null,
        relationWeight: flags.relationLoss,
        freeze: flags.freeze,
        unlabelled: unlabelled !== null,
        teacherCache: teacherCacheOptions(flags, io),
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
      if (isMerged) await saveCheckpoint(run.folder, teacher, tensors);
      else await saveDescription(run.folder, teacher);
      if (!isMerged) await saveStored(run.path('weights'), storedTensors(logitsOf({ model, compression }), tensors));
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

/** Usage error where the teacher would say something else of a sample in every epoch. */
function expectCacheable({ kind }: Dataset, { cacheTeacher, augment, relationLoss }: TrainFlags): void {
  if (cacheTeacher === '') throw usageError('--cache-teacher is empty: expected a folder');
  if (cacheTeacher !== undefined && relationLoss > 0)
    throw usageError('--cache-teacher with --relation-loss, whose relations are not kept', 'Leave out one of them.');
  if (cacheTeacher === undefined || kind === 'text' || (augment ?? DEFAULT_AUGMENT) === 'none') return;
  throw usageError(
    `--cache-teacher with --augment ${augment ?? `${DEFAULT_AUGMENT} (the default)`}: the pictures change from epoch to epoch`,
    'Keep them as they are: --augment none. Or leave out --cache-teacher.',
  );
}

/** Where --cache-teacher keeps what the teacher says; null without it. */
function teacherCacheOptions({ cacheTeacher }: TrainFlags, { stderr, signal }: Io): TeacherCacheOptions | null {
  if (cacheTeacher === undefined) return null;
  const progress = createProgress(stderr, 'teacher');
  return {
    folder: cacheTeacher,
    signal,
    onSamples(done, total) {
      progress.update(done, total, 'samples');
      if (done === total) progress.end();
    },
  };
}

/** What --unlabelled names; null where nothing is named. */
async function openUnlabelledData(data: Dataset, flags: TrainFlags, { stderr, signal }: Io): Promise<Dataset | null> {
  const { unlabelled, textColumn, textPairColumn, skipBad, batchSize } = flags;
  if (unlabelled === undefined) return null;
  const progress = createProgress(stderr, 'data');
  const onRow = (done: number): void => {
    throwIfInterrupted(signal);
    if (done % 1000 === 0) progress.update(done, null, `read of ${unlabelled}`);
  };
  const opened = await openUnlabelled(unlabelled, data, { textColumn, textPairColumn, skipBad, onRow });
  progress.end();
  const { size } = opened.train;
  if (size < batchSize)
    throw new UserError(
      `${unlabelled} has ${counted(size, 'sample')}, which is less than one --batch-size ${batchSize}`,
      'Give more of them, or lower --batch-size.',
    );
  return opened;
}

/** What of a recipe was given. */
function givenOf(given: GivenTrainFlags): Partial<Recipe> {
  const names = Object.keys(RECIPES.default) as (keyof Recipe)[];
  return Object.fromEntries(names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])));
}

function expectQatFits({ qat, qatWeights }: GivenTrainFlags, method: Method, { decayEnd }: Recipe): void {
  if (qatWeights !== undefined && !qat)
    throw usageError(`--qat-weights ${qatWeights} without --qat`, 'Say for what share of the steps: --qat 0.2.');
  if (qat === undefined) return;
  if (method === 'lora')
    throw usageError('--qat with --method lora, whose model is quantized from dense weights', 'Leave out one of them.');
  if (decayEnd + qat > 1 + 1e-9)
    throw usageError(
      `--qat ${qat} begins before --decay-end ${decayEnd}`,
      'Both are shares of the steps, which have to fit one after the other: lower either.',
    );
}

/** With --rewarm the learning rate begins anew where λ has reached 0. */
function trainOptions(flags: TrainFlags, samples: TrainingSamples): LoopOptions {
  const options = loopOptions(flags, samples);
  const { rewarm = 0, decayEnd } = flags;
  const step = Math.round(decayEnd * options.totalSteps);
  const restarts = rewarm > 0 && step > 0 && step < options.totalSteps;
  return { ...options, learningRateRestart: restarts ? { step, share: rewarm } : null };
}

/** Rounding may put it a step before λ is 0. */
function quantizedFrom({ qat = 0 }: TrainFlags, totalSteps: number, decaySteps: number): number | null {
  return qat === 0 ? null : Math.max(decaySteps, totalSteps - Math.round(qat * totalSteps));
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
  uniform: Ranks,
  budget: Budget | null,
  samples: Samples,
  flags: TrainFlags,
  { stderr, signal }: Io,
): Promise<{ readonly ranks: Ranks; readonly moments?: ReadonlyMap<string, Moment> }> {
  if (flags.rankAllocation === 'uniform') return { ranks: uniform };
  const begun = flags.resume && flags.out !== undefined ? (await readRunRecord(flags.out))?.compression : null;
  if (begun) return { ranks: new Map(Object.entries(begun.ranks)) };
  const progress = createProgress(stderr, 'rank');
  const { worths, moments } = await measureWorths(engine, teacher, uniform, samples, flags.seed, { progress, signal });
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

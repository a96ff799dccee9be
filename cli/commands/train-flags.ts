/** What `slim train` is asked for beside what every training is, and what follows from it. */
import { type Command, Option } from 'commander';
import {
  addCacheOption,
  addDataOptions,
  addLabelsOption,
  addModelOptions,
  addTrainingOptions,
  byteSize,
  integer,
  type LabelsFlags,
  layerRank,
  number,
  type SplitFlags,
  share,
} from '../args.ts';
import { WEIGHTS, type Weights } from '../compress/quantize.ts';
import { usageError } from '../io/errors.ts';
import { blockCount, type Layer } from '../models/layers.ts';
import { RANK_ALLOCATIONS, type Ranks } from '../pclora/allocation.ts';
import { blocksNamed } from '../pclora/distill.ts';
import { INITS } from '../pclora/linear.ts';
import { METHODS, type Method, STARTS } from '../pclora/method.ts';
import {
  LEARNING_RATE_TOLD,
  learningRateOf,
  type Modality,
  RECIPES,
  type Recipe,
  type RecipeName,
  resolveRecipe,
} from '../pclora/recipe.ts';
import { DECAY_ORDERS, SCHEDULES } from '../pclora/schedule.ts';
import { FREEZABLE, type Freezable, type PcLoraOptions } from '../train/compress.ts';
import type { LoopOptions } from '../train/loop.ts';
import { OPTIMIZERS, type OptimizerOptions } from '../train/optimizer.ts';
import type { RankFlags } from './train-ranks.ts';
import { loopOptions, type StepSamples, type TrainingFlags } from './training.ts';

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
  /** So many mixtures for each sample; none where it is absent. */
  readonly mixtures?: number;
  readonly cacheTeacher?: string;
  readonly qat?: number;
  /** int8 where it is absent. */
  readonly qatWeights?: Weights;
  readonly rewarm?: number;
  /** AdamW where it is absent. */
  readonly optimizer?: OptimizerOptions['factors'];
  /** 1 where it is absent. */
  readonly loraPlusRatio?: number;
  readonly biasCorrection: boolean;
  /** What `blocksNamed` takes; all where it is absent. */
  readonly featureBlocks?: string;
}

/** Of how the data is split, what is not given is the teacher's; of the rest, the recipe's, or the model's. */
export type GivenTrainFlags = Omit<TrainFlags, keyof SplitFlags | keyof Recipe | Settled> &
  Partial<SplitFlags & Recipe & Pick<TrainFlags, Settled>>;

type Settled = 'method' | 'recipe' | 'learningRate';

/** Of a factor or a weight: what is beyond is a slip, and the step's f32 no longer holds its square. */
const LARGEST = 1e6;

/** Adds the flags of `TrainFlags`, but for where the run goes, what computes and what is printed. */
export function addTrainOptions(command: Command): Command {
  addModelOptions(addCompressionOptions(command));
  addTrainingOptions(command, { epochs: 10, learningRate: { told: LEARNING_RATE_TOLD }, batchSize: 64 });
  return addLabelsOption(addCacheOption(addDataOptions(command, { inherited: true })));
}

/** Those that no other training has. */
function addCompressionOptions(command: Command): Command {
  command
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
    .option(
      '--fuse-qkv',
      "query, key and value of a block share A, as the paper's counts have it: two thirds of these A's go away",
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
        .argParser(number(1e-6, LARGEST))
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
        .default(undefined, told('init')),
    )
    .option(
      '--bias-correction',
      "of --init activation: C starts with what A and B miss of a layer's mean output on those samples",
    )
    .addOption(
      new Option('--schedule <name>', 'how λ falls')
        .choices(Object.keys(SCHEDULES))
        .default(undefined, told('schedule')),
    )
    .addOption(
      new Option('--decay-start <x>', 'share of the steps after which λ begins to fall')
        .argParser(number(0, 1))
        .default(undefined, told('decayStart')),
    )
    .addOption(
      new Option('--decay-end <x>', 'share of the steps after which λ is 0; 0: from the start')
        .argParser(number(0, 1))
        .default(undefined, told('decayEnd')),
    )
    .addOption(
      new Option('--decay-order <name>', 'which blocks fade first: the first ones, the last ones, or none')
        .choices(DECAY_ORDERS)
        .default(undefined, told('decayOrder')),
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
        '--optimizer <name>',
        "of the linear layers' factors A and B: all directions of a factor move alike with muon. All else is AdamW's",
      )
        .choices(OPTIMIZERS)
        .default(undefined, 'adamw'),
    )
    .addOption(
      new Option(
        '--lora-plus-ratio <x>',
        "LoRA+: the learning rate of the linear layers' B is so many times that of A and of all else",
      )
        .argParser(number(1e-6, LARGEST))
        .default(undefined, '1'),
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
        .default(undefined, told('alpha')),
    )
    .addOption(
      new Option(
        '--feature-blocks <list>',
        'whose outputs the feature loss compares: of all blocks, the last, or those with these numbers, from 0: 0,3,5',
      ).default(undefined, 'all'),
    )
    .addOption(
      new Option(
        '--logit-loss <x>',
        "beyond the paper: weight of a third term, the divergence from the teacher's logits",
      )
        .argParser(number(0, LARGEST))
        .default(undefined, told('logitLoss')),
    )
    .addOption(
      new Option('--temperature <x>', 'of the logits in that term')
        .argParser(number(0.01, 1000))
        .default(undefined, told('temperature')),
    )
    .addOption(
      new Option(
        '--relation-loss <x>',
        "beyond the paper: weight of a term for how tokens relate in the last block's queries, keys and values",
      )
        .argParser(number(0, LARGEST))
        .default(undefined, told('relationLoss')),
    )
    .addOption(new Option('--freeze <parts...>', 'train the adapters without these').choices(FREEZABLE).default([]));
  command.option(
    '--unlabelled <path>',
    'samples without labels, beyond the paper: they take part in the terms that compare with the teacher. A table, a ' +
      'folder or a pattern, as slim predict reads them. An epoch is a pass over all samples',
  );
  command.addOption(
    new Option(
      '--mixtures <n>',
      'so many samples without labels for each one, beyond the paper: two of a batch as one, pictures blended, of texts ' +
        'the beginning of one and the end of the other. An epoch is a pass over all samples',
    )
      .argParser(number(0, 1000))
      .default(undefined, '0'),
  );
  command.option(
    '--cache-teacher <dir>',
    'compute once what the teacher says of the training samples and keep it in a file here, which later runs find, ' +
      'too: steps are faster, most of all once λ is 0. Of pictures with --augment none',
  );
  return command;
}

/** What the default recipe has of a setting, as the help tells it. */
function told(name: keyof Recipe): string {
  const { image, text } = RECIPES.default;
  return image[name] === text[name] ? `${image[name]}` : `${image[name]} of pictures, ${text[name]} of texts`;
}

/**
 * The settings that flags, recipe and the model's modality and width leave. Usage errors for those that do not go
 * together.
 */
export function settingsOf(
  given: GivenTrainFlags,
  modality: Modality,
  width: number,
): Recipe & Pick<TrainFlags, 'method' | 'recipe' | 'learningRate'> {
  const { method = 'pclora', recipe = 'default', learningRate = learningRateOf(width) } = given;
  const settings = resolveRecipe(recipe, modality, method, givenOf(given));
  expectQatFits(given, method, settings);
  expectCompression(given, method);
  expectTeaching(given, settings);
  expectFeatureLoss(given, settings);
  expectActivations(given, method, settings);
  return { ...settings, method, recipe, learningRate };
}

/** What of a recipe was given. */
function givenOf(given: GivenTrainFlags): Partial<Recipe> {
  const names = Object.keys(RECIPES.default.image) as (keyof Recipe)[];
  return Object.fromEntries(names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])));
}

function expectCompression(given: GivenTrainFlags, method: Method): void {
  if (method !== 'lora') return;
  const targets = { targetParameters: '--target-parameters', targetMacs: '--target-macs', targetSize: '--target-size' };
  const target = Object.entries(targets).find(([name]) => given[name as keyof typeof targets] !== undefined);
  if (target !== undefined)
    throw usageError(
      `${target[1]} with --method lora, which leaves a model of full size`,
      'Say how large its adapters are meant to be: --rank.',
    );
}

/** What has no labels is for the terms that compare with the teacher. */
function expectTeaching(
  { unlabelled, mixtures, cacheTeacher }: GivenTrainFlags,
  { alpha, logitLoss, relationLoss }: Recipe,
): void {
  if (alpha < 1 || logitLoss > 0 || relationLoss > 0) return;
  const flag =
    (unlabelled !== undefined && '--unlabelled') ||
    (mixtures && '--mixtures') ||
    (cacheTeacher !== undefined && '--cache-teacher');
  if (flag)
    throw usageError(
      `${flag} with --alpha 1: nothing compares with the teacher`,
      'Lower --alpha, or raise --logit-loss.',
    );
}

function expectFeatureLoss({ featureBlocks }: GivenTrainFlags, { alpha }: Recipe): void {
  if (featureBlocks !== undefined && alpha === 1)
    throw usageError('--feature-blocks with --alpha 1: there is no feature loss', 'Leave out one of them.');
}

function expectActivations({ biasCorrection, init: asked }: GivenTrainFlags, method: Method, { init }: Recipe): void {
  if (biasCorrection && init !== 'activation')
    throw usageError(
      `--bias-correction with --init ${init}${asked === undefined ? ', which is the default here' : ''}: no mean is known`,
      STARTS[method].includes('activation')
        ? 'Start from activations: --init activation.'
        : `It is for --init activation, which --method ${method} does not have.`,
    );
}

/** The blocks whose outputs the feature loss compares. Usage errors name a flag. */
export function featureBlocksOf(
  layers: readonly Layer[],
  { featureBlocks = 'all', rankAllocation }: TrainFlags,
): readonly number[] {
  const count = blockCount(layers);
  const blocks = blocksNamed(featureBlocks, count);
  if (rankAllocation === 'gradient' && !blocks.includes(count - 1))
    throw usageError(
      `--rank-allocation gradient with --feature-blocks ${featureBlocks}: nothing tells what errors in later blocks cost`,
      `Name the last one, ${count - 1}, too, or spread ranks by energy.`,
    );
  return blocks;
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

/** q: the step at which λ is 0. */
export function decaySteps({ decayEnd }: TrainFlags, totalSteps: number): number {
  return Math.round(decayEnd * totalSteps);
}

/** How long and how fast to train; with --rewarm the learning rate begins anew where λ has reached 0. */
export function trainOptions(flags: TrainFlags, samples: StepSamples): LoopOptions {
  const options = loopOptions(flags, samples);
  const { rewarm = 0 } = flags;
  const step = decaySteps(flags, options.totalSteps);
  const restarts = rewarm > 0 && step > 0 && step < options.totalSteps;
  return {
    ...options,
    learningRateRestart: restarts ? { step, share: rewarm } : null,
    optimizer: { ...options.optimizer, factors: flags.optimizer, loraPlusRatio: flags.loraPlusRatio },
  };
}

/** Rounding may put it a step before λ is 0. */
function quantizedFrom({ qat = 0 }: TrainFlags, totalSteps: number, decaySteps: number): number | null {
  return qat === 0 ? null : Math.max(decaySteps, totalSteps - Math.round(qat * totalSteps));
}

/** What of compression the flags decide. */
export function compressOptions(
  flags: TrainFlags,
  ranks: Ranks,
  scaling: number,
  totalSteps: number,
): Omit<PcLoraOptions, 'featureBlocks' | 'unlabelled' | 'teacherCache' | 'moments' | 'calibration'> {
  const { method, init, biasCorrection, schedule, decayStart, decayOrder, alpha, logitLoss, temperature, freeze } =
    flags;
  const end = decaySteps(flags, totalSteps);
  return {
    method,
    adapters: { init, ranks, scaling },
    biasCorrection,
    decay: { schedule, start: Math.round(decayStart * totalSteps), end, order: decayOrder },
    quantizedFrom: quantizedFrom(flags, totalSteps, end),
    weights: flags.qatWeights ?? 'int8',
    alpha,
    logits: logitLoss > 0 ? { weight: logitLoss, temperature } : null,
    relationWeight: flags.relationLoss,
    freeze,
  };
}

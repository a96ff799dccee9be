import { type Command, Option } from 'commander';
import type { StageAccuracy } from '../../runtime/artifact/manifest.ts';
import type { Score } from '../../runtime/artifact/problem-type.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { random } from '../../runtime/random.ts';
import { createAnyTokenizer } from '../../runtime/text/any-tokenizer.ts';
import {
  addCacheOption,
  addDataOptions,
  addEngineOptions,
  addModelOptions,
  addResultOptions,
  addRunOptions,
  addTrainingOptions,
  createCommand,
  integer,
  openData,
  resolveFlags,
  type SplitFlags,
} from '../args.ts';
import { type ClassCount, labelCounts } from '../data/class-report.ts';
import type { Dataset, PictureDataset } from '../data/dataset.ts';
import type { TextDataset } from '../data/text/dataset.ts';
import { createEngine } from '../engines/create.ts';
import { UserError, usageError } from '../io/errors.ts';
import { kindOf } from '../io/files.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { grouped } from '../io/units.ts';
import { counted } from '../io/words.ts';
import { tensorsOf } from '../models/layers.ts';
import {
  BERT_POSITIONS,
  BERT_PRESETS,
  type BertPreset,
  bertPreset,
  isBertPreset,
  isVitPreset,
  VIT_PRESETS,
  type VitPreset,
  vitPreset,
} from '../models/presets.ts';
import { denseCost } from '../pclora/cost.ts';
import type { Architecture, ModelConfig } from '../pretrained/architecture.ts';
import { bertArchitecture } from '../pretrained/bert-checkpoint.ts';
import { type Checkpoint, loadDescription, saveCheckpoint } from '../pretrained/checkpoint.ts';
import { resolveModelFolder } from '../pretrained/hub.ts';
import { initialTensors } from '../pretrained/initial.ts';
import type { Preprocessing } from '../pretrained/preprocessing.ts';
import { textLimits } from '../pretrained/texts.ts';
import { vitArchitecture } from '../pretrained/vit-checkpoint.ts';
import { loadTokenizerJson } from '../text/tokenizer-files.ts';
import { trainWordPiece } from '../text/train-wordpiece.ts';
import { finetune } from '../train/finetune.ts';
import { told } from '../train/score.ts';
import { expectPreprocessing, loadDenseModel } from '../train/trained-model.ts';
import { tensorsDigest } from '../train/trained-tensors.ts';
import { reportRun } from './report.ts';
import { dominantNote, labelsOf, printResult, samplesOf, skippedNote } from './result.ts';
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
 * What `slim finetune` has beside the flags of every training. `imageSize` is in pixels a side; `tokenizer` is a
 * folder.
 */
export interface FinetuneFlags extends TrainingFlags {
  readonly imageSize?: number;
  readonly tokenizer?: string;
  readonly vocabularySize?: number;
  readonly cased: boolean;
}

/** Of how the data is split, what is not given is that of the run to go on from, if --model is one. */
export type GivenFinetuneFlags = Omit<FinetuneFlags, keyof SplitFlags> & Partial<SplitFlags>;

/**
 * What came of it: the run's folder, the score on the test part under its metric's name, of `samples` samples, and how
 * many steps were done and samples skipped.
 */
export interface FinetuneResult extends Score {
  readonly run: string;
  readonly steps: number;
  /** How much of the steps' time was spent waiting for data, 0 to 1. */
  readonly dataShare: number;
  readonly skipped: number;
  /** The classes, or labels, with their samples; none of numbers. */
  readonly classes: readonly ClassCount[];
}

const DEFAULT_VOCABULARY_SIZE = 8192;
const DEFAULT_LEARNING_RATE = 1e-4;
/** Of a preset: texts are mostly shorter, and a model from scratch learns little from what is farther away. */
const PRESET_TOKENS = 128;

/** `slim finetune`, which `runFinetune` is. */
export function finetuneCommand(io: Io): Command {
  const command = createCommand(
    'finetune',
    'fine-tune a checkpoint on your data: the teacher of a compression',
    `Fine-tunes a pre-trained model, or trains one from scratch by preset. The run is a Hugging Face folder that
transformers loads.

--model is a folder with config.json and model.safetensors (shards and pytorch_model.bin too), a name on the Hugging
Face hub, or a preset: ${VIT_PRESETS.join(', ')} for pictures;
${BERT_PRESETS.join(', ')} for texts, with a vocabulary that is given or learnt from the data.`,
    [
      'slim finetune --model google/vit-base-patch16-224 --data pets/ --epochs 5 --out runs/teacher',
      'slim finetune --model vit-pico --data glyphs --epochs 8 --learning-rate 1e-3 --out runs/glyphs',
      'slim finetune --model google-bert/bert-base-uncased --data reviews.csv --max-tokens 256 --out runs/reviews',
      'slim finetune --model bert-tiny --data reviews/ --epochs 10 --learning-rate 1e-3 --out runs/tiny',
    ],
  ).option('--model <name>', 'Hugging Face folder, name on the hub, run, or preset');
  addModelOptions(command)
    .addOption(
      new Option('--image-size <pixels>', "train at another size than the checkpoint's").argParser(integer(8, 4096)),
    )
    .option(
      '--tokenizer <dir>',
      "a preset's vocabulary: a folder with tokenizer.json or vocab.txt (default: learnt from the data)",
    )
    .addOption(
      new Option('--vocabulary-size <n>', 'tokens of a vocabulary learnt from the data')
        .argParser(integer(300, 1_000_000))
        .default(undefined, String(DEFAULT_VOCABULARY_SIZE)),
    )
    .option('--cased', 'a learnt vocabulary tells upper from lower case, and accents from none');
  addTrainingOptions(command, { epochs: 3, learningRate: DEFAULT_LEARNING_RATE, batchSize: 32 });
  addCacheOption(addDataOptions(command, { inherited: true }));
  for (const add of [addRunOptions, addEngineOptions, addResultOptions]) add(command);
  return command.action(async () => {
    const flags = await resolveFlags<GivenFinetuneFlags>(command);
    const result = await runFinetune(flags, io);
    if (flags.report) await reportRun(result.run, flags, command, io);
    printResult(
      io,
      flags.json,
      { ...result },
      `fine-tuned: ${told(result)} on ${counted(result.samples, 'sample')}${dominantNote(result)}` +
        `${skippedNote(result)}, in ${result.run}`,
    );
  });
}

/** `slim finetune` */
export async function runFinetune(given: GivenFinetuneFlags, io: Io): Promise<FinetuneResult> {
  expectEvenBatch(given);
  const places = await expectPlaces(given);
  const flags = await inheritData(given, places.model, io);
  const progress = createProgress(io.stderr, 'step');
  const data = await openData(places.data, flags, io, { takes: () => takenBy(places.model, flags) });
  expectAugment(data, flags);
  const checkpoint = await startingPoint(places.model, data, flags, io);
  if ((isVitPreset(places.model) || isBertPreset(places.model)) && flags.learningRate === DEFAULT_LEARNING_RATE)
    progress.line(
      `note: ${places.model} starts from nothing: --learning-rate 1e-3 suits that better than ` +
        `${DEFAULT_LEARNING_RATE}, which is for pre-trained models.`,
    );
  for (const notice of checkpoint.notices) progress.line(`note: ${notice}`);
  return withTrainingSamples({ data, unlabelled: null }, checkpoint.preprocessing, flags, io, async (samples) => {
    const { train, test } = samples;
    const options = loopOptions(flags, samples);
    for (const notice of batchNotices(flags, options)) createProgress(io.stderr, 'step').line(`note: ${notice}`);
    const engine = await createEngine(flags, io);
    const configuration = {
      ...resolvedConfiguration(flags, checkpoint.preprocessing, engine),
      ...(await recordedData(data, places.model)),
    };
    const startingWeights = tensorsDigest(checkpoint.tensors);
    const run = await startRun(
      'finetune',
      places.out,
      flags,
      { configuration, trainingData: train.digest, startingWeights },
      options.totalSteps,
    );
    progress.line(
      `fine-tuning ${places.model} on ${data.name} (${samplesOf(data)}, ${labelsOf(data)}), ` +
        `${counted(options.totalSteps, 'step')}, on ${engine.description}`,
    );

    const record = {
      kind: 'finetune' as const,
      problemType: checkpoint.config.problemType,
      source: places.model,
      configuration,
      trainingData: train.digest,
      startingWeights,
      compression: null,
      costs: { teacher: null, model: denseCost(checkpoint.model) },
    };
    return recordedRun(run, record, options.totalSteps, async (onCheckpoint) => {
      const context = { engine, run, samples: train, progress, signal: io.signal, onCheckpoint };
      const { evaluation, steps, dataShare, tensors } = await finetune(checkpoint, test, options, context);
      await saveCheckpoint(run.folder, checkpoint, tensors);
      const accuracy: StageAccuracy[] = [{ stage: 'teacher', ...evaluation }];
      return {
        result: {
          run: run.folder,
          ...evaluation,
          steps,
          dataShare,
          skipped: data.skipped,
          classes: labelCounts(data, { train, test }),
        },
        accuracy,
        steps,
      };
    });
  });
}

/** What a preset or a folder's model takes; undefined of a name on the hub, which is not fetched for it. */
async function takenBy(model: string, { base, offline }: FinetuneFlags): Promise<Dataset['kind'] | undefined> {
  if (isVitPreset(model)) return 'image';
  if (isBertPreset(model)) return 'text';
  if ((await kindOf(model)) !== 'folder') return undefined;
  return (await loadDescription(model, { base, offline })).preprocessing.kind;
}

/**
 * What training begins with: a checkpoint, or a preset with fresh weights. Usage errors for flags that are not for it.
 */
async function startingPoint(model: string, data: Dataset, flags: FinetuneFlags, io: Io): Promise<Checkpoint> {
  expectFlagsFor(model, data, flags);
  if (isVitPreset(model)) return vitFromScratch(model, data as PictureDataset, flags);
  if (isBertPreset(model)) return bertFromScratch(model, data as TextDataset, flags, io);
  const { seed, maxTokens } = flags;
  const folder = await resolveModelFolder(model, { offline: flags.offline });
  const { base, offline } = flags;
  const checkpoint = await loadDenseModel(folder, {
    labels: data.labels,
    problemType: data.problemType,
    imageSize: squareOf(flags),
    maxTokens,
    seed,
    base,
    offline,
  });
  expectPreprocessing(folder, checkpoint);
  return checkpoint;
}

function expectFlagsFor(
  model: string,
  data: Dataset,
  { imageSize, maxTokens, tokenizer, vocabularySize, cased }: FinetuneFlags,
): void {
  const takes = isVitPreset(model) ? 'image' : isBertPreset(model) ? 'text' : data.kind;
  const holds = `${data.name} holds ${data.kind === 'image' ? 'pictures' : 'texts'}`;
  if (takes !== data.kind) {
    const others = data.kind === 'image' ? VIT_PRESETS : BERT_PRESETS;
    throw usageError(
      `--model ${model} is a preset for ${takes === 'image' ? 'pictures' : 'texts'}, and ${holds}`,
      `Presets for these: ${others.join(', ')}.`,
    );
  }
  const forLearning = { '--vocabulary-size': vocabularySize, '--cased': cased || undefined };
  const forTexts = { '--max-tokens': maxTokens, '--tokenizer': tokenizer, ...forLearning };
  const wrong = data.kind === 'image' ? given(forTexts) : imageSize === undefined ? undefined : '--image-size';
  if (wrong !== undefined)
    throw usageError(`${wrong} is for ${data.kind === 'image' ? 'texts' : 'pictures'}, and ${holds}`);
  const learning = given(forLearning);
  const forPresets = tokenizer === undefined ? learning : '--tokenizer';
  if (!isBertPreset(model) && forPresets !== undefined)
    throw usageError(
      `${forPresets} is for presets: a checkpoint brings its own vocabulary`,
      `Presets: ${BERT_PRESETS.join(', ')}.`,
    );
  if (tokenizer !== undefined && learning !== undefined)
    throw usageError(
      `${learning} is for a vocabulary learnt from the data, and --tokenizer gives one`,
      'Leave out one of them.',
    );
}

/** The first of the flags that was given. */
function given(flags: Readonly<Record<string, unknown>>): string | undefined {
  return Object.keys(flags).find((name) => flags[name] !== undefined);
}

function squareOf({ imageSize }: FinetuneFlags): { readonly height: number; readonly width: number } | undefined {
  return imageSize === undefined ? undefined : { height: imageSize, width: imageSize };
}

function vitFromScratch(name: VitPreset, { labels, problemType }: PictureDataset, flags: FinetuneFlags): Checkpoint {
  const preset = vitPreset(name, labels, problemType);
  const config = { ...preset, imageSize: squareOf(flags) ?? preset.imageSize };
  if (config.imageSize.height % config.patchSize !== 0)
    throw usageError(
      `--image-size ${flags.imageSize}: expected a multiple of ${name}'s patch size ${config.patchSize}`,
    );
  return fromScratch(
    vitArchitecture,
    config,
    { kind: 'image', image: defaultImagePreprocess(config.imageSize) },
    flags.seed,
  );
}

async function bertFromScratch(name: BertPreset, data: TextDataset, flags: FinetuneFlags, io: Io): Promise<Checkpoint> {
  const maxTokens = flags.maxTokens ?? PRESET_TOKENS;
  if (maxTokens > BERT_POSITIONS)
    throw new UserError(
      `--max-tokens ${maxTokens}: ${name} has positions for ${BERT_POSITIONS}`,
      'Ask for shorter texts.',
    );
  const tokenizer =
    flags.tokenizer === undefined ? await learntVocabulary(data, flags, io) : await loadTokenizerJson(flags.tokenizer);
  const preset = bertPreset(name, data.labels, maxTokens, data.problemType);
  const config = { ...preset, vocabSize: createAnyTokenizer(tokenizer).vocabSize };
  return fromScratch(
    bertArchitecture,
    config,
    { kind: 'text', tokenizer, maxTokens, types: true, limits: textLimits(config) },
    flags.seed,
  );
}

async function learntVocabulary(
  { train }: TextDataset,
  { vocabularySize: vocabSize = DEFAULT_VOCABULARY_SIZE, cased }: FinetuneFlags,
  { stderr, signal }: Io,
): Promise<unknown> {
  const progress = createProgress(stderr, 'text');
  async function* texts(): AsyncGenerator<string> {
    let done = 0;
    for await (const { text, pair } of train.rows()) {
      throwIfInterrupted(signal);
      yield text;
      if (pair !== null) yield pair;
      progress.update(++done, train.size, 'read for the vocabulary');
    }
  }
  const json = await trainWordPiece(texts(), { vocabSize, lowercase: !cased });
  progress.end();
  progress.line(
    `note: The vocabulary is new: ${grouped(createAnyTokenizer(json).vocabSize)} tokens learnt from the training texts.`,
  );
  return json;
}

function fromScratch<C extends ModelConfig>(
  architecture: Architecture<C>,
  config: C,
  preprocessing: Preprocessing,
  seed: number,
): Checkpoint {
  architecture.checkConfig(config, '--model');
  const model = architecture.create(config);
  const tensors = initialTensors(tensorsOf(model.layers), config.initializerRange, random(seed, 1));
  return {
    architecture: architecture as Architecture,
    config,
    model,
    tensors,
    preprocessing,
    notices: [],
    newHead: true,
    missingHead: [],
  };
}

import type { Command } from 'commander';
import { addDataOptions, addEngineOptions, addResultOptions, addRunOptions, addTrainingOptions, configurationOf, createCommand, integer, openData, resolveFlags } from '../args.ts';
import { denseCost } from '../pclora/cost.ts';
import { Option } from 'commander';
import { parseAugment } from '../data/augment.ts';
import type { Dataset } from '../data/dataset.ts';
import { pictureSamples } from '../data/samples.ts';
import { createEngine } from '../engines/create.ts';
import { createProgress } from '../io/progress.ts';
import type { Io } from '../io/io.ts';
import { isBertPreset, isVitPreset, VIT_PRESETS, vitPreset } from '../models/presets.ts';
import { tensorsOf } from '../models/layers.ts';
import { saveCheckpoint, type Checkpoint } from '../pretrained/checkpoint.ts';
import { initialTensors } from '../pretrained/initial.ts';
import { imagePreprocessOf } from '../pretrained/preprocessing.ts';
import { vitArchitecture } from '../pretrained/vit-checkpoint.ts';
import { random } from '../../runtime/random.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { usageError } from '../io/errors.ts';
import { finetune } from '../train/finetune.ts';
import { loadDenseModel } from '../train/trained-model.ts';
import type { StageAccuracy } from '../../runtime/artifact/manifest.ts';
import { percent, printResult, skippedNote } from './result.ts';
import { expectPlaces, loopOptions, recordedRun, startRun, type TrainingFlags } from './training.ts';

export interface FinetuneFlags extends TrainingFlags {
  readonly imageSize?: number;
}

export interface FinetuneResult {
  readonly run: string;
  readonly accuracy: number;
  readonly samples: number;
  readonly steps: number;
  readonly skipped: number;
}

export function finetuneCommand(io: Io): Command {
  const command = createCommand(
    'finetune',
    'fine-tune a checkpoint on your data: the teacher of a compression',
    `Fine-tunes a pre-trained model, or trains one from scratch by preset. The run is a Hugging Face folder that transformers loads.

--model is a folder with config.json and model.safetensors (shards too), or a preset: ${VIT_PRESETS.join(', ')}.`,
    ['slim finetune --model google/vit --data pets/ --epochs 5 --out runs/teacher', 'slim finetune --model vit-pico --data glyphs --epochs 8 --learning-rate 1e-3 --out runs/glyphs'],
  ).option('--model <dir>', 'Hugging Face folder, run, or preset');
  command.addOption(new Option('--image-size <pixels>', "train at another size than the checkpoint's").argParser(integer(8, 4096)));
  addTrainingOptions(command, { epochs: 3, learningRate: 1e-4, batchSize: 32 });
  for (const add of [addDataOptions, addRunOptions, addEngineOptions, addResultOptions]) add(command);
  return command.action(async () => {
    const flags = await resolveFlags<FinetuneFlags>(command);
    const result = await runFinetune(flags, io);
    printResult(io, flags.json, { ...result }, `fine-tuned: ${percent(result.accuracy)} on ${result.samples} samples${skippedNote(result)}, in ${result.run}`);
  });
}

/** `slim finetune` */
export async function runFinetune(flags: FinetuneFlags, io: Io): Promise<FinetuneResult> {
  const places = await expectPlaces(flags);
  const data = await openData(places.data, flags);
  const checkpoint = await startingPoint(places.model, data, flags);
  const train = pictureSamples(data.train, checkpoint.preprocess, parseAugment(flags.augment));
  const test = pictureSamples(data.test, checkpoint.preprocess);
  const options = loopOptions(flags, train.size);
  const engine = await createEngine(flags);
  const configuration = configurationOf(flags);
  const run = await startRun('finetune', places.out, flags, configuration, options.totalSteps);
  const progress = createProgress(io.stderr, 'step');
  for (const notice of checkpoint.notices) progress.line(`note: ${notice}`);
  progress.line(`fine-tuning ${places.model} on ${data.name} (${data.train.size} pictures, ${data.labels.length} classes), ${options.totalSteps} steps, on ${engine.description}`);

  const record = {
    kind: 'finetune' as const,
    source: places.model,
    configuration,
    compression: null,
    costs: { teacher: null, model: denseCost(checkpoint.model) },
  };
  return recordedRun(run, record, options.totalSteps, async (onCheckpoint) => {
    const context = { engine, run, samples: train, progress, signal: io.signal, onCheckpoint };
    const { evaluation, steps, tensors } = await finetune(checkpoint, test, options, context);
    await saveCheckpoint(run.folder, checkpoint, tensors);
    const accuracy: StageAccuracy[] = [{ stage: 'teacher', ...evaluation }];
    return { result: { run: run.folder, ...evaluation, steps, skipped: data.skipped }, accuracy, steps };
  });
}

async function startingPoint(model: string, data: Dataset, { seed, imageSize }: FinetuneFlags): Promise<Checkpoint> {
  const size = imageSize === undefined ? undefined : { height: imageSize, width: imageSize };
  if (isBertPreset(model)) throw usageError(`--model ${model} is a preset of a text model: slim finetune trains vision transformers`, `Presets to train: ${VIT_PRESETS.join(', ')}.`);
  if (!isVitPreset(model)) return loadDenseModel(model, { labels: data.labels, imageSize: size, seed });
  const preset = vitPreset(model, data.labels);
  const config = { ...preset, imageSize: size ?? preset.imageSize };
  if (config.imageSize.height % config.patchSize !== 0) throw usageError(`--image-size ${imageSize}: expected a multiple of ${model}'s patch size ${config.patchSize}`);
  const network = vitArchitecture.create(config);
  return {
    architecture: vitArchitecture,
    config,
    model: network,
    tensors: initialTensors(tensorsOf(network.layers), config.initializerRange, random(seed, 1)),
    preprocessing: { kind: 'image', image: defaultImagePreprocess(config.imageSize) },
    notices: [],
  };
}

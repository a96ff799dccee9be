import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import {
  addDataOptions,
  addModelOptions,
  addResultOptions,
  createCommand,
  type DataFlags,
  inheritSplit,
  integer,
  type ModelFlags,
  openData,
  resolveFlags,
} from '../args.ts';
import { benchPictures, type InputSpeed, PICTURE_PARTS, type PictureInput, someOf } from '../bench/input-pictures.ts';
import { benchTexts, TEXT_PARTS, type TextInput } from '../bench/input-texts.ts';
import { makeJpegFolder } from '../bench/jpeg-folder.ts';
import type { PartTime } from '../bench/part-times.ts';
import { parseAugment } from '../data/augment.ts';
import { fileWorkers } from '../data/batches.ts';
import type { Dataset, PictureDataset } from '../data/dataset.ts';
import { expectKind, type Preparation } from '../data/prepare.ts';
import type { TextDataset } from '../data/text/dataset.ts';
import { usageError } from '../io/errors.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { formatBytes, grouped } from '../io/units.ts';
import { loadDescription } from '../pretrained/checkpoint.ts';
import { resolveModelFolder } from '../pretrained/hub.ts';
import { preparationOf } from '../train/preparation.ts';
import { printResult, table } from './result.ts';
import { DEFAULT_AUGMENT } from './training.ts';

interface InputFlags extends Partial<DataFlags>, ModelFlags {
  readonly model?: string;
  readonly imageSize?: number;
  readonly augment?: string;
  readonly cache?: string;
  readonly batchSize: number;
  readonly samples?: number;
  readonly workers?: number;
  readonly seed: number;
  readonly json: boolean;
}

const DEFAULT_IMAGE_SIZE = 224;
const LEAST_SAMPLES = 256;

/** So many that all threads are at work most of the time. */
function sampleCount({ samples, workers = fileWorkers(), batchSize }: InputFlags): number {
  return samples ?? Math.max(LEAST_SAMPLES, 4 * workers * batchSize);
}

/** `slim bench input`. */
export function inputCommand(io: Io): Command {
  const command = createCommand(
    'input',
    'pictures or texts a second that training gets from its data',
    `Prepares training samples as slim train does, with nothing that computes on them: how many a second, and what each
part takes for one sample on one thread. A device that takes more a second waits for its data. Pictures are read,
decoded, resized, changed at random and put into batches, all of it in every epoch, but for what fits into 1 GiB of
memory (which this leaves out) or is kept by --cache. Texts are read and tokenized once, then put into batches.

Without --data it makes JPEGs of 500×375 in a folder for temporary files. What was read a moment ago comes from the
system's memory, not from the disk.`,
    ['slim bench input --json', 'slim bench input --data pets/ --augment flip,crop:0.6 --cache cache/'],
  )
    .option('--model <name>', "prepare as for this folder's or hub's model; texts need one")
    .addOption(
      new Option('--image-size <pixels>', 'size of the pictures, a side')
        .argParser(integer(8, 4096))
        .default(undefined, `the model's, or ${DEFAULT_IMAGE_SIZE}`),
    );
  addModelOptions(command)
    .optionsGroup('Measured:')
    .addOption(
      new Option('--samples <n>', 'samples that are gone over, at most')
        .argParser(integer(1, 1_000_000))
        .default(undefined, `four batches a thread, at least ${LEAST_SAMPLES}`),
    )
    .addOption(new Option('--batch-size <n>', 'samples a batch').argParser(integer(1, 65536)).default(64))
    .option(
      '--augment <list>',
      `of pictures: none, or of flip, shift:PIXELS, pad:PIXELS, crop:SCALE (default: ${DEFAULT_AUGMENT})`,
    )
    .addOption(
      new Option('--workers <n>', 'threads that prepare pictures')
        .argParser(integer(0, 1024))
        .default(undefined, 'as in training: a processor each, one left over'),
    )
    .option('--cache <dir>', 'of picture files: from a cache, too, which is made in here for this and removed');
  addResultOptions(addDataOptions(command));
  return command.action(async () => {
    const flags = await resolveFlags<InputFlags>(command);
    await withData(flags, io, async (path) => {
      const data = await openData(path, inheritSplit(flags, undefined), io);
      const name = flags.data ?? null;
      if (data.kind === 'image') await measurePictures(data, name, flags, io);
      else await measureTexts(data, name, flags, io);
    });
  });
}

/** Runs a job on the data that the flags name, or on pictures that are made for it. */
async function withData(flags: InputFlags, io: Io, job: (path: string) => Promise<void>): Promise<void> {
  if (flags.data !== undefined) return job(flags.data);
  const folder = await mkdtemp(join(tmpdir(), 'slim-input-'));
  try {
    const progress = createProgress(io.stderr, 'data');
    await makeJpegFolder(folder, sampleCount(flags), (done, total) => {
      throwIfInterrupted(io.signal);
      progress.update(done, total, 'JPEGs made');
    });
    progress.end();
    await job(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function preparationFor(
  data: Dataset,
  { model, imageSize, maxTokens, offline }: InputFlags,
): Promise<Preparation> {
  const size = imageSize ?? DEFAULT_IMAGE_SIZE;
  if (model === undefined) {
    if (data.kind === 'text')
      throw usageError('--model is missing: texts are tokenized as a model takes them', 'Name a folder or a model.');
    return { kind: 'image', image: defaultImagePreprocess({ height: size, width: size }) };
  }
  const folder = await resolveModelFolder(model, { offline });
  const { preprocessing } = await loadDescription(folder, {
    maxTokens,
    imageSize: imageSize === undefined ? undefined : { height: size, width: size },
  });
  expectKind(preprocessing.kind, data);
  return preparationOf(preprocessing);
}

async function measurePictures(data: PictureDataset, name: string | null, flags: InputFlags, io: Io): Promise<void> {
  const preparation = await preparationFor(data, flags);
  if (preparation.kind !== 'image') throw new Error(`${preparation.kind} for pictures`);
  const { image: spec } = preparation;
  const { batchSize, seed, workers, cache = null } = flags;
  const augment = flags.augment ?? DEFAULT_AUGMENT;
  const progress = createProgress(io.stderr, 'picture');
  if (cache !== null && data.train.files === undefined)
    progress.line('note: --cache is of no use here: the pictures are no files of their own.');
  const input = await benchPictures(someOf(data.train, sampleCount(flags)), {
    ...{ spec, batchSize, seed, workers, cache, signal: io.signal },
    augment: parseAugment(augment),
    onPicture: (done, total, what) => progress.update(done, total, what),
  });
  progress.end();
  const { height, width } = spec.size;
  const result = { data: name, kind: 'image', size: { height, width }, augment, batchSize, node: process.version };
  const threads = input.workers === 0 ? 'no thread' : input.workers === 1 ? '1 thread' : `${input.workers} threads`;
  const title =
    `${name ?? 'JPEGs of 500×375'}: ${grouped(input.pictures)} pictures to ${width}×${height}, --augment ${augment}, ` +
    `batches of ${batchSize}, ${threads} beside the main one`;
  printResult(io, flags.json, { ...result, ...input }, [title, ...pictureLines(input)].join('\n'));
}

function pictureLines({ cached, ...files }: PictureInput): string[] {
  const columns: readonly InputSpeed[] = cached === null ? [files] : [files, cached];
  const names = cached === null ? [''] : ['from files', 'from the cache'];
  const lines = [
    table([
      ['', ...names],
      ['pictures a second', ...columns.map(({ picturesPerSecond }) => rate(picturesPerSecond))],
      ['ms for one:', ...columns.map(() => '')],
      ...PICTURE_PARTS.map((part) => [`  ${part}`, ...columns.map(({ parts }) => milliseconds(parts[part]))]),
    ]),
  ];
  if (cached !== null)
    lines.push(`The cache took ${(cached.writtenMs / 1000).toFixed(1)} s and ${formatBytes(cached.bytes)}.`);
  return lines;
}

async function measureTexts(data: TextDataset, name: string | null, flags: InputFlags, io: Io): Promise<void> {
  const wrong = (['augment', 'cache', 'workers', 'imageSize'] as const).find((flag) => flags[flag] !== undefined);
  if (wrong !== undefined)
    throw usageError(`--${wrong === 'imageSize' ? 'image-size' : wrong} is for pictures, and the data holds texts`);
  const preparation = await preparationFor(data, flags);
  if (preparation.kind !== 'text') throw new Error(`${preparation.kind} for texts`);
  const { tokenizer, maxTokens } = preparation;
  const { batchSize, seed } = flags;
  const progress = createProgress(io.stderr, 'text');
  const input = await benchTexts(data.train, {
    ...{ tokenizer, maxTokens, batchSize, seed, count: sampleCount(flags), signal: io.signal },
    onText: (done, total, what) => progress.update(done, total, what),
  });
  progress.end();
  const result = { data: name, kind: 'text', model: flags.model, maxTokens, batchSize, node: process.version };
  const title = `${name}: ${grouped(input.texts)} texts of at most ${maxTokens} tokens, batches of ${batchSize}`;
  printResult(io, flags.json, { ...result, ...input }, [title, textTable(input)].join('\n'));
}

function textTable({ textsPerSecond, tokenizedPerSecond, parts }: TextInput): string {
  return table([
    ['texts a second, tokenized before', rate(textsPerSecond)],
    ['read and tokenized, once', rate(tokenizedPerSecond)],
    ['ms for one:', ''],
    ...TEXT_PARTS.map((part) => [`  ${part}`, milliseconds(parts[part])]),
  ]);
}

function rate(perSecond: number): string {
  return grouped(Number(perSecond.toFixed(perSecond < 100 ? 1 : 0)));
}

function milliseconds(time: PartTime | undefined): string {
  return time === undefined ? '-' : time.meanMs.toFixed(3);
}

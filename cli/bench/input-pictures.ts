/** How many pictures a second training gets from its data, with nothing else computing, and what takes the time. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { inputLength } from '../../runtime/preprocess/normalize.ts';
import type { Picture } from '../../runtime/preprocess/picture.ts';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { random } from '../../runtime/random.ts';
import { type Augment, changePicture, framePicture } from '../data/augment.ts';
import { batches, defaultWorkers } from '../data/batches.ts';
import { cachedSplit } from '../data/cache/cached-split.ts';
import { decodeBytes, loadPicture, readPacked } from '../data/picture-source.ts';

import type { PictureSource, Split } from '../data/split.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { throwIfInterrupted } from '../io/io.ts';
import { type PartTime, type PartTimer, partTimer } from './part-times.ts';
import { somePlaces } from './some-places.ts';

/** What of the pictures' way is timed: a file's bytes, or a cached picture's pixels, are read. */
export const PICTURE_PARTS = ['read', 'decode', 'resize', 'augment', 'assemble'] as const;
/** One of them. */
export type PicturePart = (typeof PICTURE_PARTS)[number];

/** How pictures get ready. */
export interface InputSpeed {
  readonly picturesPerSecond: number;
  /** Of one picture, on one thread. A part that there is none of is absent. */
  readonly parts: Partial<Record<PicturePart, PartTime>>;
}

/** The pipeline alone, and from a cache where one was asked for. */
export interface PictureInput extends InputSpeed {
  /** Threads that prepare pictures; 0: none beside the one that trains. */
  readonly workers: number;
  readonly pictures: number;
  readonly cached: (InputSpeed & { readonly writtenMs: number; readonly bytes: number }) | null;
}

/** What is measured. */
export interface PictureInputOptions {
  readonly spec: ImagePreprocess;
  readonly augment: Augment;
  readonly batchSize: number;
  readonly seed: number;
  /** As in training unless given. */
  readonly workers?: number;
  /** A cache is made in a folder of its own in here, and removed; null for none. */
  readonly cache: string | null;
  readonly signal: AbortSignal;
  readonly onPicture: (done: number, total: number, what: string) => void;
}

/** Pictures whose parts are timed. */
const TIMED = 64;
const WARM_UP = 4;

/** Goes over all pictures of a split, as an epoch of training does that has none of them decoded in memory. */
export async function benchPictures(whole: Split, options: PictureInputOptions): Promise<PictureInput> {
  const { keep: _, ...split } = whole;
  const workers = options.workers ?? defaultWorkers(split, options.spec);
  const speed = await speedOf(split, workers, 'prepared', options);
  const cached =
    options.cache === null || split.files === undefined
      ? null
      : await benchCached(split, workers, options.cache, options);
  return { ...speed, workers, pictures: split.size, cached };
}

/** At most `count` pictures of a split, from all over it. */
export function someOf(split: Split, count: number): Split {
  const places = somePlaces(count, split.size);
  const { files } = split;
  return {
    size: places.length,
    label: (i) => split.label(places[i]),
    source: (i) => split.source(places[i]),
    picture: (i) => split.picture(places[i]),
    ...(files && { files: { ...files, paths: places.map((place) => files.paths[place]) } }),
  };
}

async function benchCached(
  split: Split,
  workers: number,
  place: string,
  options: PictureInputOptions,
): Promise<PictureInput['cached']> {
  const folder = await ownFolder(place);
  try {
    const began = performance.now();
    const cache = await cachedSplit(split, options.spec, options.augment, {
      folder,
      signal: options.signal,
      onPicture: (done, total) => options.onPicture(done, total, 'written to the cache'),
    });
    const writtenMs = performance.now() - began;
    try {
      const [name] = await readdir(folder);
      const { size: bytes } = await stat(join(folder, name));
      return { ...(await speedOf(cache.split, workers, 'prepared from the cache', options)), writtenMs, bytes };
    } finally {
      await cache.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ownFolder(place: string): Promise<string> {
  try {
    await mkdir(place, { recursive: true });
    return await mkdtemp(join(place, 'bench-'));
  } catch (error) {
    throw new UserError(`can't make a cache in ${place}: ${messageOf(error)}`, 'Name a folder that you may write.');
  }
}

async function speedOf(split: Split, workers: number, what: string, options: PictureInputOptions): Promise<InputSpeed> {
  // Threads start, and code is compiled, before anything is timed.
  await goOver(someOf(split, Math.max(1, workers) * WARM_UP), workers, { ...options, batchSize: WARM_UP });
  const began = performance.now();
  await goOver(split, workers, options, (done) => options.onPicture(done, split.size, what));
  const seconds = (performance.now() - began) / 1000;
  return { picturesPerSecond: split.size / seconds, parts: await partsOf(split, options) };
}

async function goOver(
  split: Split,
  workers: number,
  { spec, augment, batchSize, seed, signal }: PictureInputOptions,
  onDone?: (done: number) => void,
): Promise<void> {
  let done = 0;
  for await (const { size } of batches(split, { spec, augment, batchSize, seed, workers, shuffle: true })) {
    throwIfInterrupted(signal);
    done += size;
    onDone?.(done);
  }
}

async function partsOf(split: Split, options: PictureInputOptions): Promise<InputSpeed['parts']> {
  const some = someOf(split, TIMED);
  const warmUp = partTimer<PicturePart>();
  const timer = partTimer<PicturePart>();
  for (let i = 0; i < Math.min(WARM_UP, some.size); i++) await timeParts(some.source(i), i, options, warmUp);
  for (let i = 0; i < some.size; i++) {
    throwIfInterrupted(options.signal);
    await timeParts(some.source(i), i, options, timer);
  }
  return timer.times();
}

/** The steps of `prepareBatch` for one picture. */
async function timeParts(
  source: PictureSource,
  i: number,
  { spec, augment, seed }: PictureInputOptions,
  timer: PartTimer<PicturePart>,
): Promise<void> {
  const draws = random(seed, 0, i);
  const picture = await timeLoading(source, timer);
  const isFitted = source.kind === 'cached' && source.fitted;
  const framed = isFitted ? picture : await timer.time('resize', () => framePicture(picture, augment, spec, draws));
  const changed = await timer.time('augment', () => changePicture(framed, augment, draws));
  const batch = new Uint8Array(inputLength(spec));
  await timer.time('assemble', () => batch.set(changed.data));
}

async function timeLoading(source: PictureSource, timer: PartTimer<PicturePart>): Promise<Picture> {
  switch (source.kind) {
    case 'decoded':
      return source.picture;
    case 'cached':
      return timer.time('read', () => loadPicture(source));
    case 'file': {
      const bytes = await timer.time('read', () => readFile(source.path));
      return timer.time('decode', () => decodeBytes(bytes));
    }
    case 'packed': {
      const bytes = await timer.time('read', async () => readPacked(source));
      return timer.time('decode', () => decodeBytes(bytes));
    }
    default:
      return source satisfies never;
  }
}

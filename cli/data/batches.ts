import { availableParallelism } from 'node:os';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { random, shuffled } from '../../runtime/random.ts';
import type { Augment } from './augment.ts';
import { noAugment } from './augment.ts';
import { AHEAD_PER_WORKER, inOrder } from './in-order.ts';
import { batchCount, type Pass } from './pass.ts';
import { picturePool } from './picture-pool.ts';
import type { BatchJob, PreparedBatch } from './prepare-batch.ts';
import { prepareBatch } from './prepare-batch.ts';
import type { Split } from './split.ts';
import { batchTargets, type Targets } from './target.ts';

/** How pictures become batches; the pass says how many to a batch, and in which order. */
export interface BatchOptions extends Pass {
  readonly spec: ImagePreprocess;
  readonly augment?: Augment;
  /** Threads that prepare pictures; 0 prepares them here. Chosen by what the pictures cost unless given. */
  readonly workers?: number;
}

/** A batch of pictures in the network's size, with their classes. */
export interface Batch {
  /** (batchSize, H, W, 3). Graphs have static shapes, so a last, smaller batch is filled up with black. */
  readonly pictures: Uint8Array;
  readonly labels: Targets;
  /** How many rows are samples. */
  readonly size: number;
  /** Which samples they are, by their places in the split. */
  readonly rows: readonly number[];
}

/**
 * One pass over a split, batch by batch, prepared ahead on other threads. The batches depend on the split, the options
 * and the seed, not on the number of threads. An unreadable picture ends it with a UserError that names the file.
 */
export async function* batches(split: Split, options: BatchOptions): AsyncGenerator<Batch, void, void> {
  const workers = options.workers ?? defaultWorkers(split, options.spec);
  const prepare = workers === 0 ? prepareBatch : picturePool(workers).prepare;
  const make = (indices: readonly number[]): Promise<Batch> => makeBatch(split, indices, options, prepare);
  yield* inOrder(batchIndices(split.size, options), workers * AHEAD_PER_WORKER, make);
}

function* batchIndices(size: number, options: BatchOptions): Generator<readonly number[], void, void> {
  const { batchSize, seed, epoch = 0, shuffle = false } = options;
  const order = shuffle ? [...shuffled(size, random(seed, epoch))] : Array.from({ length: size }, (_, i) => i);
  for (let batch = 0; batch < batchCount(size, options); batch++)
    yield order.slice(batch * batchSize, (batch + 1) * batchSize);
}

async function makeBatch(
  split: Split,
  indices: readonly number[],
  { spec, batchSize, seed, epoch = 0, augment = noAugment }: BatchOptions,
  prepare: (job: BatchJob) => Promise<PreparedBatch>,
): Promise<Batch> {
  const sources = indices.map((i) => split.source(i));
  const { pictures, decoded } = await prepare({ sources, indices, batchSize, spec, augment, seed, epoch });
  for (const { row, picture } of decoded) split.keep?.(indices[row], picture);
  const labels = batchTargets(
    indices.map((i) => split.label(i)),
    batchSize,
  );
  return { pictures, labels, size: indices.length, rows: indices };
}

/**
 * Threads for a split unless it is said how many. Small pictures that are already decoded take about 25 microseconds
 * each here (38,000 a second, augmented), and a worker is no faster for the posting.
 */
export function defaultWorkers(split: Split, { size }: ImagePreprocess): number {
  const cheap = split.size === 0 || (split.source(0).kind === 'decoded' && size.height * size.width <= 64 * 64);
  return cheap ? 0 : fileWorkers();
}

/** Threads for pictures that cost something: one a core, one left to the engine. */
export function fileWorkers(): number {
  return Math.max(1, availableParallelism() - 1);
}

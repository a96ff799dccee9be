import { pictureLength } from '../../runtime/preprocess/normalize.ts';
import type { Picture } from '../../runtime/preprocess/picture.ts';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { random } from '../../runtime/random.ts';
import type { Augment } from './augment.ts';
import { augmentPicture, changePicture } from './augment.ts';
import { loadPicture } from './picture-source.ts';
import type { PictureSource } from './split.ts';
import { sharedBytes } from './split.ts';

/** One batch to prepare: plain data, posted to a worker. */
export interface BatchJob {
  readonly sources: readonly PictureSource[];
  /** The samples' places in the split: with seed and epoch they decide the augmentation. */
  readonly indices: readonly number[];
  readonly batchSize: number;
  readonly spec: ImagePreprocess;
  readonly augment: Augment;
  readonly seed: number;
  readonly epoch: number;
}

/** What becomes of a `BatchJob`. */
export interface PreparedBatch {
  /** (batchSize, H, W, 3); rows past the last source are black. */
  readonly pictures: Uint8Array;
  /** Pictures that were decoded on the way, in shared memory, by their place in `sources`. */
  readonly decoded: readonly { readonly row: number; readonly picture: Picture }[];
}

/** Decodes, augments and fits the pictures of one batch. The result depends on the job alone. */
export async function prepareBatch(job: BatchJob): Promise<PreparedBatch> {
  const rowLength = pictureLength(job.spec);
  const pictures = new Uint8Array(job.batchSize * rowLength);
  const decoded: { row: number; picture: Picture }[] = [];
  for (const [row, source] of job.sources.entries()) {
    const loaded = await loadPicture(source);
    const encoded = source.kind === 'file' || source.kind === 'packed';
    const picture = encoded ? shared(loaded) : loaded;
    if (encoded) decoded.push({ row, picture });
    const draws = random(job.seed, job.epoch, job.indices[row]);
    const augmented =
      source.kind === 'cached' && source.fitted
        ? changePicture(picture, job.augment, draws)
        : augmentPicture(picture, job.augment, job.spec, draws);
    pictures.set(augmented.data, row * rowLength);
  }
  return { pictures, decoded };
}

function shared({ width, height, data }: Picture): Picture {
  const copy = sharedBytes(data.length);
  copy.set(data);
  return { width, height, data: copy };
}

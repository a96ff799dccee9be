/** What training, evaluation and benches read: labelled samples as batches of a model's inputs, whether pictures or texts. */
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { floats, type HostTensor } from '../engines/engine.ts';
import { noAugment, type Augment } from './augment.ts';
import { batches as pictureBatches } from './batches.ts';
import type { Split } from './split.ts';

export interface Samples {
  readonly size: number;
  /** One pass over all. The batches depend on the samples and on what is asked for, on nothing else. */
  batches(pass: Pass): AsyncGenerator<Batch, void, void>;
}

export interface Pass {
  readonly batchSize: number;
  readonly seed: number;
  /** Which pass it is: orders and augmentations differ between epochs. 0 unless given. */
  readonly epoch?: number;
  /** A new order each epoch. Off unless asked for. */
  readonly shuffle?: boolean;
  /** Leaves out the last batch where it is not full. Off unless asked for. */
  readonly dropLast?: boolean;
}

export interface Batch {
  /** By the model's names: `pixels`, or `ids`, `types` and `mask`. The first axis of each is the batch; a last, smaller one is filled up. */
  readonly inputs: Readonly<Record<string, HostTensor>>;
  /** (batchSize): 0 in rows past `size`. */
  readonly labels: Int32Array;
  /** How many rows are samples. */
  readonly size: number;
  /** The length that the batch's texts are padded to, which programs are compiled for; null for pictures. */
  readonly tokens: number | null;
  /** Row i as the runtime takes it: one sample without its padding. */
  sample(i: number): Readonly<Record<string, Float32Array | Int32Array>>;
}

/** Pictures, prepared as the network wants them. */
export function pictureSamples(split: Split, spec: ImagePreprocess, augment: Augment = noAugment): Samples {
  const { height, width } = spec.size;
  const length = 3 * height * width;
  return {
    size: split.size,
    async *batches(pass) {
      for await (const { pixels, labels, size } of pictureBatches(split, { ...pass, spec, augment })) {
        yield {
          inputs: { pixels: floats(pixels, [pass.batchSize, 3, height, width]) },
          labels,
          size,
          tokens: null,
          sample: (i) => ({ pixels: pixels.subarray(i * length, (i + 1) * length) }),
        };
      }
    },
  };
}

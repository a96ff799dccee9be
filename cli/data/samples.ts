/**
 * What training, evaluation and benches read: labelled samples as batches of a model's inputs, whether pictures or
 * texts.
 */
import { inputLength, normalizePicture } from '../../runtime/preprocess/normalize.ts';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { bytes, floats, type HostTensor, integers } from '../engines/engine.ts';
import { type Augment, noAugment } from './augment.ts';
import { batches as pictureBatches } from './batches.ts';
import { batchCount, type Pass } from './pass.ts';
import type { Split } from './split.ts';
import type { Targets } from './target.ts';
import { textBatches } from './text/batches.ts';
import type { EncodedSplit } from './text/encoded.ts';

/** Labelled samples that can be gone over again and again. */
export interface Samples {
  readonly size: number;
  /** How many batches a pass gives. */
  count(pass: Pick<Pass, 'batchSize' | 'dropLast'>): number;
  /** One pass over all. The batches depend on the samples and on what is asked for, on nothing else. */
  batches(pass: Pass): AsyncGenerator<Batch, void, void>;
}

/** A batch of either kind, as graphs take it. */
export interface Batch {
  /**
   * `pictures`, u8 (batch, H, W, 3), or by a model's names `ids`, `types` and `mask`. The first axis of each is the
   * batch; a last, smaller one is filled up.
   */
  readonly inputs: Readonly<Record<string, HostTensor>>;
  readonly labels: Targets;
  /** Whether they are known; if not, they are zeros. */
  readonly isLabelled: boolean;
  /** How many rows are samples. */
  readonly size: number;
  /** Which samples they are, by their places in the split. */
  readonly rows: readonly number[];
  /** The length that the batch's texts are padded to, which programs are compiled for; null for pictures. */
  readonly tokens: number | null;
  /** Row i as the runtime takes it: one sample without its padding. */
  sample(i: number): Readonly<Record<string, Float32Array | Int32Array>>;
}

/** Pictures in the network's size, in bytes: what computes normalises them. */
export function pictureSamples(split: Split, spec: ImagePreprocess, augment: Augment = noAugment): Samples {
  const { height, width } = spec.size;
  const length = inputLength(spec);
  return {
    size: split.size,
    count: (pass) => batchCount(split.size, pass),
    async *batches(pass) {
      for await (const { pictures, labels, size, rows } of pictureBatches(split, { ...pass, spec, augment })) {
        yield {
          inputs: { pictures: bytes(pictures, [pass.batchSize, height, width, 3]) },
          labels,
          isLabelled: true,
          size,
          rows,
          tokens: null,
          sample(i) {
            const pixels = new Float32Array(length);
            const data = pictures.subarray(i * length, (i + 1) * length);
            normalizePicture({ width, height, data }, spec, pixels, 0);
            return { pixels };
          },
        };
      }
    },
  };
}

/** Texts as token ids, batched with texts of like length. `types`: whether the model takes the types of tokens. */
export function textSamples(
  split: EncodedSplit,
  { padId, types: withTypes }: { readonly padId: number; readonly types: boolean },
): Samples {
  return {
    size: split.size,
    count: (pass) => batchCount(split.size, pass),
    async *batches(pass) {
      for await (const { ids, types, mask, labels, size, rows, tokens } of textBatches(split, { ...pass, padId })) {
        const shape = [pass.batchSize, tokens];
        yield {
          inputs: {
            ids: integers(ids, shape),
            ...(withTypes ? { types: integers(types, shape) } : {}),
            mask: floats(mask, shape),
          },
          labels,
          isLabelled: true,
          size,
          rows,
          tokens,
          sample(i) {
            const end = i * tokens + textLength(mask, i, tokens);
            return {
              ids: ids.subarray(i * tokens, end),
              ...(withTypes ? { types: types.subarray(i * tokens, end) } : {}),
            };
          },
        };
      }
    },
  };
}

/** How many tokens a row of a mask (B, `tokens`) counts: padding comes last. */
export function textLength(mask: Float32Array, row: number, tokens: number): number {
  let length = tokens;
  while (length > 0 && mask[row * tokens + length - 1] === 0) length--;
  return length;
}

/** Samples made of two others, for distillation: the teacher says what they are. */
import { type Random, random, shuffled } from '../../runtime/random.ts';
import { withUnlabelled } from './mixed-samples.ts';
import type { Pass } from './pass.ts';
import { type Batch, type Samples, textLength } from './samples.ts';

/** Sets the numbers that mix apart from those that shuffle and augment, which begin with the seed too. */
const MIXTURE_STREAM = 0x626c_656e;

/**
 * The samples and, for each pass over them, `share` times as many mixtures of two of them, without labels: pictures are
 * blended (mixup, Zhang et al. 2018; for distillation Beyer et al. 2022), of texts one has the tokens before a cut and
 * the other those after it. Both are of one batch. At share 0 the samples as they are.
 */
export function withMixtures(samples: Samples, share: number): Samples {
  return share === 0 ? samples : withUnlabelled(samples, mixturesOf(samples, share));
}

function mixturesOf(samples: Samples, share: number): Samples {
  const count = (pass: Pick<Pass, 'batchSize' | 'dropLast'>): number => Math.round(samples.count(pass) * share);
  return {
    size: Math.round(samples.size * share),
    count,
    async *batches(pass) {
      let left = count(pass);
      const { seed, epoch = 0 } = pass;
      // Every pass over mixtures is so many over samples, each in an order that no other has.
      const rounds = Math.ceil(share);
      for (let round = epoch * rounds; left > 0; round++) {
        let made = 0;
        for await (const batch of samples.batches({ ...pass, seed: seed ^ MIXTURE_STREAM, epoch: round })) {
          mix(batch, random(seed, MIXTURE_STREAM, round, made++));
          yield { ...batch, isLabelled: false };
          if (--left === 0) break;
        }
        if (made === 0) return;
      }
    },
  };
}

/** Mixes each sample of a batch with another one of it, in place: a batch is the reader's own. */
function mix({ inputs, size, tokens }: Batch, source: Random): void {
  const partners = shuffled(size, source);
  if (tokens === null) blend(inputs.pictures.data as Uint8Array, inputs.pictures.shape[0], partners, source);
  else splice(inputs, tokens, partners, source);
}

/** x_i becomes w·x_i + (1 - w)·x_j with w of [0, 1], in 256ths: whole numbers, as this is done for each pixel. */
function blend(pixels: Uint8Array, batch: number, partners: Int32Array, source: Random): void {
  const whole = pixels.slice();
  const length = pixels.length / batch;
  for (const [row, partner] of partners.entries()) {
    const weight = source.below(257);
    const to = row * length;
    const from = partner * length;
    for (let i = 0; i < length; i++)
      pixels[to + i] = (weight * whole[to + i] + (256 - weight) * whole[from + i] + 128) >> 8;
  }
}

/** From a cut within both texts on, tokens, their types and their end are the partner's. */
function splice(inputs: Batch['inputs'], tokens: number, partners: Int32Array, source: Random): void {
  const mask = (inputs.mask.data as Float32Array).slice();
  const cuts = Array.from(partners, (partner, row) =>
    source.below(Math.min(textLength(mask, row, tokens), textLength(mask, partner, tokens))),
  );
  for (const { data } of Object.values(inputs)) {
    const values = data as Int32Array | Float32Array;
    const whole = values.slice();
    for (const [row, partner] of partners.entries())
      values.set(whole.subarray(partner * tokens + cuts[row], (partner + 1) * tokens), row * tokens + cuts[row]);
  }
}

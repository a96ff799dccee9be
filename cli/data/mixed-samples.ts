/** Samples with labels and samples without them as one set. */
import { random, shuffled } from '../../runtime/random.ts';
import type { Pass } from './pass.ts';
import type { Samples } from './samples.ts';

/** Sets the numbers that mix batches apart from those that shuffle samples, which begin with the seed too. */
const MIX_STREAM = 0x6d69_7865;

/**
 * One pass goes over both. A batch is of one kind, so that a step's task loss is all there or not at all; shuffled ones
 * come in a random order of kinds. Rows of unlabelled samples count on from the labelled ones.
 */
export function withUnlabelled(labelled: Samples, unlabelled: Samples): Samples {
  return {
    size: labelled.size + unlabelled.size,
    count: (pass) => labelled.count(pass) + unlabelled.count(pass),
    async *batches(pass) {
      const known = labelled.batches(pass);
      const unknown = unlabelled.batches(pass);
      try {
        for (const isLabelled of kindsOf(labelled.count(pass), unlabelled.count(pass), pass)) {
          const { value: batch } = await (isLabelled ? known : unknown).next();
          if (!batch) return;
          yield isLabelled
            ? batch
            : { ...batch, isLabelled: false, rows: batch.rows.map((row) => labelled.size + row) };
        }
      } finally {
        await Promise.all([known.return(), unknown.return()]);
      }
    },
  };
}

/** Of each batch of a pass whether it is a labelled one. */
function kindsOf(known: number, unknown: number, { seed, epoch = 0, shuffle = false }: Pass): readonly boolean[] {
  const inTurn = Array.from({ length: known + unknown }, (_, i) => i < known);
  return shuffle ? [...shuffled(inTurn.length, random(seed, epoch, MIX_STREAM))].map((i) => inTurn[i]) : inTurn;
}

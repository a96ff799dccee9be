/** The samples that all peers answer, the same for all, each prepared as the peer's own model takes it. */
import type { Inputs } from '../../../runtime/engine/engine.ts';
import type { Dataset } from '../../data/dataset.ts';
import { type Preparation, prepareSamples } from '../../data/prepare.ts';
import { type Target, targetOf } from '../../data/target.ts';
import type { TextDataset } from '../../data/text/dataset.ts';
import { EVALUATION_BATCH } from '../../train/evaluate.ts';
import { someOf } from '../input-pictures.ts';
import { somePlaces } from '../some-places.ts';

/** A sample as a model takes it. */
export interface CompareSample {
  /** Made anew each time: a picture's pixels are four times its bytes. */
  inputs(): Inputs;
  /** What should be said, in the data's order. */
  readonly target: Target;
  /** Of a text; null for a picture. */
  readonly tokens: number | null;
}

/** At most so many samples of a data set's test part, from all over it. */
export function withSome<D extends Dataset>(data: D, count: number): D {
  if (data.test.size <= count) return data;
  return { ...data, test: data.kind === 'image' ? someOf(data.test, count) : someTexts(data.test, count) };
}

function someTexts({ size, counts, rows }: TextDataset['test'], count: number): TextDataset['test'] {
  const places = new Set(somePlaces(count, size));
  return {
    size: places.size,
    counts,
    async *rows() {
      let row = 0;
      for await (const text of rows()) if (places.has(row++)) yield text;
    },
  };
}

/** All samples of the test part, in the data's order. */
export async function collectSamples(
  data: Dataset,
  preparation: Preparation,
  onRow: () => void,
): Promise<CompareSample[]> {
  const prepared = await prepareSamples(data, 'test', preparation, { onRow });
  try {
    const samples = new Array<CompareSample>(prepared.size);
    for await (const { sample, labels, size, rows } of prepared.batches({ batchSize: EVALUATION_BATCH, seed: 0 })) {
      onRow();
      for (let i = 0; i < size; i++)
        samples[rows[i]] = {
          inputs: () => sample(i),
          target: targetOf(labels, i, EVALUATION_BATCH),
          tokens: data.kind === 'text' ? sample(i).ids.length : null,
        };
    }
    return samples;
  } finally {
    await prepared.close();
  }
}

/** A sample as a model takes it; with `tokens` a text of that length. */
export function inputsOf(sample: CompareSample, tokens: number | null): Inputs {
  return tokens === null ? sample.inputs() : textOfLength(sample.inputs(), tokens);
}

/**
 * A text of so many tokens, made of another's: its first and last token, which mark its ends, and between them its
 * others, again and again.
 */
export function textOfLength({ ids, types }: Inputs, tokens: number): Inputs {
  const inner = Math.max(1, ids.length - 2);
  const place = (i: number): number => (i === 0 ? 0 : i === tokens - 1 ? ids.length - 1 : 1 + ((i - 1) % inner));
  const pick = (values: Inputs[string]): Int32Array => Int32Array.from({ length: tokens }, (_, i) => values[place(i)]);
  return { ids: pick(ids), ...(types && { types: pick(types) }) };
}

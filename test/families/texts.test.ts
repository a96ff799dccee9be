/**
 * Texts' families against transformers and PEFT: tiny checkpoints as they write them, the ids that their tokenizers give
 * and the logits that their models make of these. Each folder of fixtures/ with a reference of kind `text` is one.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadCheckpoint, saveCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { packTrained, quantize } from '../../cli/train/pack-trained.ts';
import { preparationOf } from '../../cli/train/preparation.ts';
import { loadTrainedModel, type TrainedModel } from '../../cli/train/trained-model.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine } from '../../runtime/engine/engine.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { softmaxOf } from '../support/reference.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

interface Reference {
  readonly kind: 'image' | 'text';
  readonly texts: readonly { readonly text: string; readonly pair: string | null }[];
  readonly ids: readonly (readonly number[])[];
  readonly types: readonly (readonly number[])[];
  readonly logits: readonly (readonly number[])[];
}

const FIXTURES = fileURLToPath(new URL('fixtures/', import.meta.url));
const CASES = readdirSync(FIXTURES).flatMap((name): [string, Reference][] => {
  const path = join(FIXTURES, name, 'reference.json');
  if (!existsSync(path)) return [];
  const reference = JSON.parse(readFileSync(path, 'utf8')) as Reference;
  return reference.kind === 'text' ? [[name, reference]] : [];
});

function encoded({ texts }: Reference, { preprocessing }: Pick<TrainedModel, 'preprocessing'>) {
  const preparation = preparationOf(preprocessing);
  if (preparation.kind !== 'text') throw new Error('expected a model of texts');
  const { tokenizer, maxTokens, types: hasTypes } = preparation;
  return texts.map(({ text, pair }) => ({ ...tokenizer.encode(text, pair, maxTokens), hasTypes }));
}

async function logitsOf(reference: Reference, trained: TrainedModel): Promise<number[][]> {
  const engine = createEngine(await readArtifact(await packTrained(trained)), await kernelsModule());
  return encoded(reference, trained).map(({ ids, types, hasTypes }) => [
    ...engine.infer(hasTypes ? { ids, types } : { ids }),
  ]);
}

function worst(got: readonly (readonly number[])[], expected: readonly (readonly number[])[]): number {
  expect(got.length).toBe(expected.length);
  return Math.max(...got.flatMap((row, i) => row.map((value, k) => Math.abs(value - expected[i][k]))));
}

const probabilities = (logits: readonly (readonly number[])[]): number[][] => logits.map((row) => softmaxOf(row));

it('finds the families', () => {
  expect(CASES.map(([name]) => name)).toEqual(
    expect.arrayContaining(['bert-relu', 'camembert', 'data2vec-text', 'electra', 'ernie', 'peft-bert', 'xlm-roberta']),
  );
});

describe.each(CASES)('%s', (name, reference) => {
  const folder = join(FIXTURES, name);

  it('reads texts as its tokenizer does', async () => {
    const rows = encoded(reference, await loadTrainedModel(folder));
    expect(rows.map(({ ids }) => [...ids])).toEqual(reference.ids);
    expect(rows.map(({ types }) => [...types])).toEqual(reference.types);
  });

  it('answers as its library does: packed in f32 and in int8', async () => {
    const trained = await loadTrainedModel(folder);
    expect(worst(await logitsOf(reference, trained), reference.logits)).toBeLessThan(1e-4);
    const int8 = await logitsOf(reference, quantize(trained));
    expect(worst(probabilities(int8), probabilities(reference.logits))).toBeLessThan(0.05);
  });

  const scratch = temporaryFolder();
  it('is the same model and the same tokenizer once saved', async () => {
    const checkpoint = await loadCheckpoint(folder, { seed: 0 });
    await saveCheckpoint(scratch, checkpoint, checkpoint.tensors);
    const again = await loadTrainedModel(scratch);
    expect(encoded(reference, again).map(({ ids, types }) => [[...ids], [...types]])).toEqual(
      reference.ids.map((ids, i) => [ids, reference.types[i]]),
    );
    expect(worst(await logitsOf(reference, again), reference.logits)).toBeLessThan(1e-4);
  });
});

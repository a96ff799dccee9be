/** What somebody who embeds the runtime in Node may do wrong, on this thread and on others: told in his own terms. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { pack } from '../../../cli/compress/pack.ts';
import { quantizeTensors } from '../../../cli/compress/quantize.ts';
import { storedTensors } from '../../../cli/compress/stored-tensors.ts';
import { builtFolder } from '../../../cli/io/assets.ts';
import { type Artifact, readArtifact } from '../../../runtime/artifact/artifact.ts';
import type { ModelInput } from '../../../runtime/hosts/model-input.ts';
import { createNodeClassifier, type NodeClassifier } from '../../../runtime/hosts/node-classifier.ts';
import { description, preprocessing, smallVit } from '../../compress/small-vit.ts';
import { smallTextArtifact } from '../text/small-tokenizer.ts';

const { logits, values } = smallVit('low-rank');
const pictures = await readArtifact(
  await pack(logits, quantizeTensors(storedTensors(logits, values), logits), { ...description, preprocessing }),
);
const texts = await readArtifact(await smallTextArtifact());

async function open(artifact: Artifact, workers: number): Promise<NodeClassifier> {
  const classifier = await createNodeClassifier(artifact, { workers, assets: builtFolder() });
  onTestFinished(() => classifier.close());
  return classifier;
}

describe.each([0, 1])('with %i workers', (workers) => {
  it.each<[unknown, string]>([
    [{ text: 'pug', pair: null }, 'got Object {text, pair}'],
    ['pug', 'got a string'],
    [new ArrayBuffer(8), 'got ArrayBuffer'],
    [null, 'got null'],
  ])('a model of pictures refuses %o', async (input, got) => {
    const classifying = (await open(pictures, workers)).classify(input as ModelInput, 1);
    await expect(classifying).rejects.toThrow(TypeError);
    await expect(classifying).rejects.toThrow(
      `this model classifies pictures: expected a file's bytes (Uint8Array), ${got}`,
    );
  });

  it.each<[unknown, string]>([
    [Uint8Array.of(1), 'got Uint8Array {0}'],
    ['pug', 'got a string'],
    [{ text: 3, pair: null }, 'got Object {text, pair}'],
    [{ text: 'pug' }, 'got Object {text}'],
  ])('a model of texts refuses %o', async (input, got) => {
    await expect((await open(texts, workers)).classify(input as ModelInput, 1)).rejects.toThrow(
      `this model classifies texts: expected { text, pair: null }, ${got}`,
    );
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses topK %d', async (topK) => {
    await expect((await open(texts, workers)).classify({ text: 'pug', pair: null }, topK)).rejects.toThrow(
      `topK: expected a whole number from 1 on, got ${topK}`,
    );
  });

  it('answers nothing once it is closed', async () => {
    const classifier = await open(texts, workers);
    expect((await classifier.classify({ text: 'pug', pair: null }, 1)).predictions).toHaveLength(1);
    await classifier.close();
    await classifier.close();
    await expect(classifier.classify({ text: 'pug', pair: null }, 1)).rejects.toThrow('the classifier was closed');
  });
});

it.each([-1, 1.5, 1e9, Number.NaN])('refuses %d workers', async (workers) => {
  await expect(open(texts, workers)).rejects.toThrow(`workers: expected a whole number from 0 to 1024, got ${workers}`);
});

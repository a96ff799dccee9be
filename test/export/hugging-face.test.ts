/** Folders for transformers: the names that a checkpoint came with, and the logits of the run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { f32Values } from '../../cli/compress/stored-tensors.ts';
import { saveFactors } from '../../cli/export/factors.ts';
import { saveDense } from '../../cli/export/hugging-face.ts';
import { packTrained, quantize } from '../../cli/train/pack-trained.ts';
import { loadTrainedModel, type TrainedModel } from '../../cli/train/trained-model.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { readSafetensors } from '../../runtime/artifact/safetensors.ts';
import { createEngine, type Inputs } from '../../runtime/engine/engine.ts';
import { random } from '../../runtime/random.ts';
import { FAMILIES, familyNamed, inputsOf } from '../families/references.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { compressedBert, compressedVit } from '../support/compressed.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tinyBertConfig } from '../support/tiny-bert.ts';

async function logitsOf(trained: TrainedModel, inputs: readonly Inputs[]): Promise<number[][]> {
  const engine = createEngine(await readArtifact(await packTrained(trained)), await kernelsModule());
  return inputs.map((one) => [...engine.infer(one)]);
}

function expectNear(got: readonly (readonly number[])[], expected: readonly (readonly number[])[], tolerance: number) {
  const worst = Math.max(...got.flatMap((row, i) => row.map((value, k) => Math.abs(value - expected[i][k]))));
  expect(got.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  expect(worst).toBeLessThanOrEqual(tolerance);
}

/** A copy, for a buffer's own memory may begin anywhere. */
const tensorsIn = (file: string) => readSafetensors(new Uint8Array(readFileSync(file))).tensors;
const namesIn = (file: string): string[] => [...tensorsIn(file).keys()];

/** Written by others' names, or by adapters: what comes out is transformers'. */
const OTHERS = FAMILIES.filter((name) => /^(timm|torchvision|peft)-/.test(name));
const OWN = FAMILIES.filter((name) => !OTHERS.includes(name));

describe.each(OWN)('%s', (name) => {
  const folder = temporaryFolder();
  it('has the tensors that it came with, and answers as before', async () => {
    const family = familyNamed(name);
    const trained = await loadTrainedModel(family.folder);
    await saveDense(folder, trained, family.folder);
    const given = namesIn(join(family.folder, 'model.safetensors'));
    const written = namesIn(join(folder, 'model.safetensors'));
    // Biases of 0 where there are none, tasks that a model is written without, and what no classifier reads.
    const changed = /(query|key|value)\.bias$|task_type_embeddings|mask_token|^vision_model\.head\./;
    const { basePrefix } = trained.architecture;
    const kept = (names: readonly string[]) =>
      names
        .filter((one) => !changed.test(one))
        .map((one) => one.replace(basePrefix, ''))
        .sort();
    expect(kept(written)).toEqual(kept(given));
    expectNear(
      await logitsOf(await loadTrainedModel(folder), inputsOf(family.reference, trained)),
      family.reference.logits,
      1e-4,
    );
  });
});

const pictures: Inputs[] = [1, 2].map((seed) => {
  const source = random(seed);
  return { pixels: Float32Array.from({ length: 3 * 8 * 12 }, () => source.normal()) };
});
const texts: Inputs[] = [5, 2].map((length) => {
  const source = random(length);
  return {
    ids: Int32Array.from({ length }, () => source.below(tinyBertConfig.vocabSize)),
    types: Int32Array.from({ length }, (_, i) => Number(i > 1)),
  };
});
const COMPRESSED: readonly (readonly [string, TrainedModel, readonly Inputs[]])[] = [
  ['a ViT', compressedVit(3), pictures],
  ['a ViT with shared A', compressedVit(3, { qkv: 2 }), pictures],
  ['a BERT with shared A and a factored word table', compressedBert(5, { qkv: 3, 'embedding.word': 4 }), texts],
];

describe.each(COMPRESSED)('%s', (_, trained, inputs) => {
  const folder = temporaryFolder();
  const thin = temporaryFolder();

  it('is dense again, with the same logits', async () => {
    await saveDense(folder, trained, 'runs/small');
    const dense = await loadTrainedModel(folder);
    expect(dense.compression).toBeNull();
    expectNear(await logitsOf(dense, inputs), await logitsOf(trained, inputs), 1e-4);
  });

  it('keeps its factors, whose product is the dense weight', async () => {
    await saveDense(folder, trained, 'runs/small');
    await saveFactors(thin, trained, 'runs/small');
    const dense = tensorsIn(join(folder, 'model.safetensors'));
    const factors = tensorsIn(join(thin, 'factors.safetensors'));
    const layers = [...factors.keys()].flatMap((name) => (name.endsWith('.lora_A') ? [name.slice(0, -7)] : []));
    expect(layers.length).toBe(12 + Number(trained.compression!.ranks['embedding.word'] !== undefined));
    const others = [...factors.keys()].filter((name) => !/\.lora_[AB]$/.test(name));
    expect([...others, ...layers.map((layer) => `${layer}.weight`)].sort()).toEqual([...dense.keys()].sort());
    for (const name of others) expect(factors.get(name)!.data, name).toEqual(dense.get(name)!.data);
    for (const layer of layers) {
      const [a, b] = ['A', 'B'].map((factor) => factors.get(`${layer}.lora_${factor}`)!);
      const [rank, columns] = a.shape;
      const [valuesA, valuesB, product] = [a, b, dense.get(`${layer}.weight`)!].map(f32Values);
      product.forEach((value, at) => {
        let sum = 0;
        for (let r = 0; r < rank; r++)
          sum += valuesB[Math.floor(at / columns) * rank + r] * valuesA[r * columns + (at % columns)];
        expect(Math.abs(sum - value), `${layer} ${at}`).toBeLessThan(1e-6);
      });
    }
  });
});

describe('what is quantized', () => {
  const folder = temporaryFolder();

  it('is written with what is left of its values where its layers are still there', async () => {
    const { folder: given, reference } = familyNamed('bert-relu');
    const quantized = quantize(await loadTrainedModel(given));
    await saveDense(folder, quantized, 'runs/int8');
    const again = await loadTrainedModel(folder);
    const tensors = tensorsIn(join(folder, 'model.safetensors'));
    const weight = f32Values(tensors.get('classifier.weight')!);
    const row = weight.subarray(0, weight.length / again.config.labels.length);
    const step = Math.max(...row.map(Math.abs)) / 127;
    for (const value of row) expect(Math.abs(value / step - Math.round(value / step))).toBeLessThan(1e-3);
    expectNear(await logitsOf(again, inputsOf(reference, again)), reference.logits, 0.2);
  });

  it('is refused where they were put together', async () => {
    await expect(saveDense(folder, quantize(compressedVit(3)), 'runs/int8')).rejects.toThrow(
      'runs/int8 is quantized: its layers were put together before that, and block.0.query.loraB is part of others since',
    );
  });
});

describe('factors', () => {
  const folder = temporaryFolder();

  it('are refused of a dense model', async () => {
    const { folder: given } = familyNamed('vit-silu');
    await expect(saveFactors(folder, await loadTrainedModel(given), given)).rejects.toThrow(
      `--layout factors: ${given} is dense and has none`,
    );
  });
});

/** What Python's libraries make of exports: onnx's checker, onnxruntime, transformers and PEFT. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { saveFactors } from '../../cli/export/factors.ts';
import { saveDense } from '../../cli/export/hugging-face.ts';
import { onnxBytes } from '../../cli/export/onnx.ts';
import { packTrained } from '../../cli/train/pack-trained.ts';
import { loadTrainedModel, type TrainedModel } from '../../cli/train/trained-model.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine, type Inputs } from '../../runtime/engine/engine.ts';
import { random } from '../../runtime/random.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { slimJson, writePictures, writeTinyModel } from '../support/cli.ts';
import { compressedBert, compressedVit } from '../support/compressed.ts';
import { python, withoutPython } from '../support/python.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tinyBertConfig } from '../support/tiny-bert.ts';

const ASK = fileURLToPath(new URL('ask.py', import.meta.url));
const folder = temporaryFolder();

async function ask(kind: string, path: string, inputs: Readonly<Record<string, unknown>>): Promise<number[][]> {
  const file = join(folder, 'inputs.json');
  writeFileSync(file, JSON.stringify(inputs));
  const { stdout } = await promisify(execFile)(python!, [ASK, kind, path, file], {
    env: { ...process.env, HF_HUB_OFFLINE: '1' },
  });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as number[][];
}

async function logitsOf(trained: TrainedModel, inputs: readonly Inputs[]): Promise<number[][]> {
  const engine = createEngine(await readArtifact(await packTrained(trained)), await kernelsModule());
  return inputs.map((one) => [...engine.infer(one)]);
}

function expectNear(got: readonly (readonly number[])[], expected: readonly (readonly number[])[]): void {
  const worst = Math.max(...got.flatMap((row, i) => row.map((value, k) => Math.abs(value - expected[i][k]))));
  expect(got.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  expect(worst).toBeLessThanOrEqual(1e-4);
}

/** Values in the shape that Python takes. */
function shaped(values: Float32Array, [first, ...others]: readonly number[]): unknown {
  if (first === undefined) return values[0];
  const size = values.length / first;
  return Array.from({ length: first }, (_, i) => shaped(values.subarray(i * size, (i + 1) * size), others));
}

function pictures(height: number, width: number) {
  const source = random(height, width);
  const shape = [3, height, width];
  const all = [1, 2, 3].map(() => Float32Array.from({ length: 3 * height * width }, () => source.normal()));
  return { samples: all.map((pixels) => ({ pixels })), given: { pixel_values: all.map((one) => shaped(one, shape)) } };
}

/** Padded behind the shorter text. */
function texts() {
  const source = random(3);
  const samples = [5, 2].map((length) => ({
    ids: Int32Array.from({ length }, () => source.below(tinyBertConfig.vocabSize)),
    types: Int32Array.from({ length }, (_, i) => Number(i > 1)),
  }));
  const padded = (row: Int32Array): number[] => [...row, ...new Int32Array(5 - row.length)];
  return {
    samples,
    given: {
      input_ids: samples.map(({ ids }) => padded(ids)),
      token_type_ids: samples.map(({ types }) => padded(types)),
      attention_mask: samples.map(({ ids }) => padded(ids.map(() => 1))),
    },
  };
}

const models = [
  { name: 'a ViT', trained: compressedVit(3), ...pictures(8, 12) },
  {
    name: 'a BERT with shared A and a factored word table',
    trained: compressedBert(5, { qkv: 3, 'embedding.word': 4 }),
    ...texts(),
  },
];

const withoutOnnx = withoutPython('onnx, onnxruntime');
describe.skipIf(withoutOnnx !== null).each(models)(
  `onnx of $name${skipNote(withoutOnnx)}`,
  ({ trained, samples, given }) => {
    it.each(['f32', 'int8'] as const)('passes the checker and answers alike, in %s', async (weights) => {
      const path = join(folder, 'model.onnx');
      writeFileSync(path, onnxBytes(trained, { weights, alone: true }));
      const answers = await ask('onnx', path, given);
      if (weights === 'f32') expectNear(answers, await logitsOf(trained, samples));
      else expect(answers.map(({ length }) => length)).toEqual(samples.map(() => trained.config.labels.length));
    });
  },
);

const withoutTransformers = withoutPython('torch, transformers, safetensors');
describe.skipIf(withoutTransformers !== null).each(models)(
  `transformers with $name${skipNote(withoutTransformers)}`,
  ({ trained, samples, given }) => {
    it.each([
      ['dense', saveDense],
      ['factors', saveFactors],
    ] as const)(
      'answers alike: %s',
      async (kind, save) => {
        const path = join(folder, `${kind}-${trained.architecture.modelType}`);
        mkdirSync(path);
        await save(path, trained, 'runs/small');
        expectNear(await ask(kind, path, given), await logitsOf(trained, samples));
      },
      120_000,
    );
  },
);

const withoutPeft = withoutPython('torch, transformers, peft');
describe.skipIf(withoutPeft !== null)(`PEFT${skipNote(withoutPeft)}`, () => {
  const [model, data, run, adapter] = ['model', 'pictures', 'lora', 'adapter'].map((name) => join(folder, name));
  beforeAll(async () => {
    await writeTinyModel(model);
    await writePictures(data, { train: 8, val: 2 });
    const training = [
      '--method',
      'lora',
      '--rank',
      '2',
      '--steps',
      '4',
      '--batch-size',
      '8',
      '--learning-rate',
      '0.01',
    ];
    await slimJson(['train', '--model', model, '--data', data, ...training, '--threads', '1', '--out', run]);
    await slimJson(['export', run, '--to', 'peft', '--out', adapter]);
  }, 120_000);

  it('answers alike on the base', async () => {
    const { samples, given } = pictures(16, 16);
    expectNear(
      await ask('peft', adapter, { ...given, base: model }),
      await logitsOf(await loadTrainedModel(run), samples),
    );
  }, 120_000);
});

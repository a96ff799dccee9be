/**
 * Every family of checkpoints against the library that it is from: tiny checkpoints as transformers, timm and torchvision
 * write them, whole inputs (pictures, texts) as people give them, and the logits that the library makes of these. Each
 * folder of fixtures/ is one; `reference.json` says its kind.
 */
import { describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor, integers } from '../../cli/engines/engine.ts';
import { loadCheckpoint, saveCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { packTrained, quantize } from '../../cli/train/pack-trained.ts';
import { floatTensors, loadTrainedModel, logitsOf, partsOf, type TrainedModel } from '../../cli/train/trained-model.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine, type Inputs } from '../../runtime/engine/engine.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { onnxEngine } from '../support/engines.ts';
import { softmaxOf } from '../support/reference.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { FAMILIES, familyNamed, inputsOf, type Reference } from './references.ts';

/** The largest difference of a logit in f32, and of a probability in int8. */
const F32 = 1e-4;
const INT8 = 0.05;

async function onEdge(trained: TrainedModel, inputs: readonly Inputs[]): Promise<number[][]> {
  const engine = createEngine(await readArtifact(await packTrained(trained)), await kernelsModule());
  return inputs.map((one) => [...engine.infer(one)]);
}

/** The logits of the training graph. */
async function onGraph(engine: Engine, trained: TrainedModel, inputs: readonly Inputs[]): Promise<number[][]> {
  const all: number[][] = [];
  for (const one of inputs) {
    const given = Object.entries(one as Readonly<Record<string, Float32Array | Int32Array>>).map(
      ([name, values]): [string, HostTensor] => {
        const { shape } = trained.model.batchInputs(1, { tokens: values.length })[name];
        return [
          name,
          values instanceof Int32Array ? integers(values, shape) : floats(values as Float32Array<ArrayBuffer>, shape),
        ];
      },
    );
    const tokens = 'ids' in one ? (one.ids as Int32Array).length : undefined;
    const logits =
      tokens === undefined
        ? logitsOf(trained)
        : trained.model.forward(trained.model.batchInputs(1, { tokens }), 1, partsOf(trained)).logits;
    const weights = [...floatTensors(trained.stored)].map(([name, values]): [string, HostTensor] => [
      name,
      floats(values, trained.stored.get(name)!.shape),
    ]);
    const { logits: result } = await evaluate(
      engine,
      { outputs: { logits } },
      Object.fromEntries([...weights, ...given]),
    );
    all.push([...(result.data as Float32Array)]);
  }
  return all;
}

function expectAll(got: readonly (readonly number[])[], expected: Reference['logits'], tolerance: number): void {
  expect(got.length).toBe(expected.length);
  got.forEach((logits, i) => expectNear(logits, expected[i], tolerance));
}

function expectNear(got: readonly number[], expected: readonly number[], tolerance: number): void {
  const worst = Math.max(...got.map((value, i) => Math.abs(value - expected[i])));
  expect(worst, `${got} and ${expected}`).toBeLessThanOrEqual(tolerance);
}

describe.each(FAMILIES)('%s', (name) => {
  const { folder, reference } = familyNamed(name);

  it('answers as its library does: packed in f32 and in int8', async () => {
    const trained = await loadTrainedModel(folder);
    const inputs = inputsOf(reference, trained);
    expectAll(await onEdge(trained, inputs), reference.logits, F32);
    const int8 = await onEdge(quantize(trained), inputs);
    expectAll(int8.map(softmaxOf), reference.logits.map(softmaxOf), INT8);
  });

  it('gives the same logits in the graph that is trained', async () => {
    const trained = await loadTrainedModel(folder);
    const engine = await onnxEngine();
    expectAll(await onGraph(engine, trained, inputsOf(reference, trained)), reference.logits, F32);
    await engine.dispose();
  });

  const scratch = temporaryFolder();
  it('is the same model once saved', async () => {
    const checkpoint = await loadCheckpoint(folder, { seed: 0 });
    await saveCheckpoint(scratch, checkpoint, checkpoint.tensors);
    const again = await loadTrainedModel(scratch);
    expect(again.config.labels).toEqual(checkpoint.config.labels);
    expectAll(await onEdge(again, inputsOf(reference, await loadTrainedModel(folder))), reference.logits, F32);
  });
});

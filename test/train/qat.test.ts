/** What the last phase is for: what it trains is what ships, and int8 costs that less. */
import { beforeAll, describe, expect, it } from 'vitest';
import { absorb } from '../../cli/compress/absorb.ts';
import { pack } from '../../cli/compress/pack.ts';
import { quantizeTensors } from '../../cli/compress/quantize.ts';
import { storedTensors } from '../../cli/compress/stored-tensors.ts';
import { type DeviceTensor, type Engine, evaluate, floats, type HostTensor } from '../../cli/engines/engine.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import { adaptersOnlyParts, adapterTensors } from '../../cli/pclora/linear.ts';
import { initialTensors } from '../../cli/pretrained/initial.ts';
import type { Tensors } from '../../cli/pretrained/tensor-file.ts';
import { learningRateAt } from '../../cli/train/learning-rate.ts';
import { ADAMW_DEFAULTS, adamwScalars, flatLayout, sliceTensors } from '../../cli/train/optimizer.ts';
import { compressGraph, compressLosses, type Phase, STATE } from '../../cli/train/step.ts';
import { createSteps } from '../../cli/train/step-program.ts';
import { packVector, unpackVector } from '../../cli/train/trained-tensors.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngineWith } from '../../runtime/engine/engine.ts';
import { referenceKernels } from '../../runtime/kernels/reference.ts';
import { random } from '../../runtime/random.ts';
import { description } from '../compress/small-vit.ts';
import { relativeError } from '../support/compare.ts';
import { describeOn, TEST_ENGINES } from '../support/engines.ts';
import * as bert from '../support/tiny-bert.ts';
import { adapterOptions, BATCH, denseTensors, tinyFeeds, tinyVit } from '../support/tiny-vit.ts';

const [onnx] = TEST_ENGINES;
const adapters = adapterOptions('paper', { rank: 2 });
const dense = tensorsOf(tinyVit.layers);
const specs = adapterTensors(tinyVit.layers, adapters.ranks);
const layout = flatLayout(specs);
const options = { model: tinyVit, batch: BATCH, layout, adapters, alpha: 0 };
const feeds = tinyFeeds();
const losses = ['loss', 'task', 'feature'];
const start = initialTensors(
  specs.map((spec) => ({ ...spec, start: 'normal' as const })),
  0.3,
  random(3),
);

/** Trains on the teacher's block outputs alone, always on the same batch. Returns what is left. */
async function train(engine: Engine, phases: readonly (readonly [Phase, number])[]): Promise<Tensors> {
  const steps = createSteps(engine, { batchSize: BATCH, accumulate: 1, layout, optimizer: ADAMW_DEFAULTS, losses });
  const vector = (values: Float32Array): DeviceTensor => engine.upload(floats(values, [layout.size]));
  const frozen = Object.fromEntries(dense.map(({ name }) => [name, engine.upload(feeds[name])]));
  let state: Record<string, DeviceTensor> = {
    parameters: vector(packVector(layout, start)),
    moment1: vector(new Float32Array(layout.size)),
    moment2: vector(new Float32Array(layout.size)),
  };
  const totalSteps = phases.reduce((sum, [, count]) => sum + count, 0);
  let step = 0;
  for (const [phase, count] of phases) {
    const program = await steps.compile((batch) => compressGraph({ ...options, batch }, phase), false);
    for (const end = step + count; step < end; step++) {
      const learningRate = learningRateAt(step, { peak: 0.01, floor: 0, warmupSteps: 10, totalSteps });
      const scalars = Object.entries(adamwScalars(step, learningRate, ADAMW_DEFAULTS)).map(
        ([name, value]): [string, HostTensor] => [name, floats(Float32Array.of(value), [])],
      );
      const batch = { pixels: feeds.pixels, labels: feeds.labels };
      const outputs = await program.run({ ...frozen, ...state }, { batch, scalars: Object.fromEntries(scalars) });
      state = Object.fromEntries(STATE.map((name) => [name, outputs[name]]));
    }
    await program.dispose();
  }
  return unpackVector(layout, (await state.parameters.read()) as Float32Array);
}

/** The loss and the batch's logits as a phase computes them. */
async function seenBy(engine: Engine, phase: Phase, trained: Tensors): Promise<{ loss: number; logits: Float32Array }> {
  const parameters = input('parameters', [layout.size]);
  const { loss, student } = compressLosses(options, phase, sliceTensors(parameters, layout));
  const seen = await evaluate(
    engine,
    { outputs: { loss, logits: student.logits } },
    { ...feeds, parameters: floats(packVector(layout, trained), [layout.size]) },
  );
  return { loss: seen.loss.data[0], logits: seen.logits.data as Float32Array };
}

/** The batch's logits of the int8 artifact. */
async function shipped(trained: Tensors): Promise<Float32Array> {
  const parts = adaptersOnlyParts([...dense, ...specs], adapters.scaling);
  const { logits } = tinyVit.forward(tinyVit.batchInputs(1), 1, parts);
  const { logits: deployed, derive } = absorb(logits);
  const tensors = derive(storedTensors(logits, new Map([...denseTensors, ...trained])));
  const bytes = await pack(deployed, quantizeTensors(tensors, deployed), { ...description, labels: tinyVit.labels });
  const artifact = createEngineWith(await readArtifact(bytes), referenceKernels);
  const pixels = feeds.pixels.data as Float32Array;
  const size = pixels.length / BATCH;
  const answers = Array.from({ length: BATCH }, (_, i) =>
    artifact.infer({ pixels: pixels.subarray(i * size, (i + 1) * size) }),
  );
  return Float32Array.from(answers.flatMap((answer) => [...answer]));
}

describeOn(onnx, 'the quantized phase', () => {
  let engine: Engine;
  let exact: Tensors;
  let quantized: Tensors;
  beforeAll(async () => {
    engine = await onnx.create();
    exact = await train(engine, [['adapters', 300]]);
    quantized = await train(engine, [
      ['adapters', 200],
      ['quantized', 100],
    ]);
  }, 60_000);

  it('computes what its int8 artifact does, nearer than the phase before computes what its own does', async () => {
    const [before, after] = await Promise.all([
      seenBy(engine, 'adapters', exact).then(async ({ logits }) => relativeError(logits, await shipped(exact))),
      seenBy(engine, 'quantized', quantized).then(async ({ logits }) =>
        relativeError(logits, await shipped(quantized)),
      ),
    ]);
    expect(after).toBeLessThan(0.6 * before);
  });

  it('leaves adapters that are better in int8 than those that never met it', async () => {
    const [without, having] = await Promise.all(
      [exact, quantized].map((trained) => seenBy(engine, 'quantized', trained)),
    );
    expect(having.loss).toBeLessThan(0.995 * without.loss);
  });
});

describe('of padded texts with a word table of two factors', () => {
  it('has a gradient for whatever trains, which is nothing for biases of absorbed keys', async () => {
    const { ranks, ...others } = bert.adapterOptions('paper');
    const textSpecs = adapterTensors(bert.tinyBert.layers, ranks);
    const textLayout = flatLayout(textSpecs);
    const { gradients } = compressGraph(
      { model: bert.tinyBert, batch: bert.BATCH, layout: textLayout, adapters: { ranks, ...others }, alpha: 0.2 },
      'quantized',
    );
    const drawn = initialTensors(
      textSpecs.map((spec) => ({ ...spec, start: 'normal' as const })),
      0.3,
      random(5),
    );
    const engine = await onnx.create();
    const made = await evaluate(
      engine,
      { outputs: Object.fromEntries(gradients.map((gradient, i) => [textSpecs[i].name, gradient])) },
      { ...bert.tinyFeeds(), parameters: floats(packVector(textLayout, drawn), [textLayout.size]) },
    );
    const still = Object.entries(made).flatMap(([name, { data }]) =>
      data.every((value) => value === 0) ? [name] : [],
    );
    expect(still).toEqual(['block.0.key.loraC', 'block.1.key.loraC']);
  });
});

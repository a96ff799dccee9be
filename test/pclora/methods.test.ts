/** Parts of the methods that PC-LoRA is compared with, in a whole model, against parts that they must equal. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor } from '../../cli/engines/engine.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { scalar } from '../../cli/graph/ops/leaf.ts';
import { type Layer, tensorsOf } from '../../cli/models/layers.ts';
import type { Parts } from '../../cli/models/model.ts';
import { adaptersOnlyParts, adapterTensors, denseParts, exchangedParts, fadingParts } from '../../cli/pclora/linear.ts';
import { merged } from '../../cli/pclora/merge.ts';
import { startAdapters } from '../../cli/pclora/start.ts';
import type { Tensors } from '../../cli/pretrained/tensor-file.ts';
import { random } from '../../runtime/random.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';
import { adapterOptions, BATCH, denseTensors, tinyBert, tinyFeeds } from '../support/tiny-bert.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

const options = { ...adapterOptions('random', { scaling: 0.5 }) };
const blocksOnly = new Map([...options.ranks].filter(([name]) => name.startsWith('block.')));
const dense = tensorsOf(tinyBert.layers);

async function randomAdapters(): Promise<Tensors> {
  const adapters = await startAdapters(engine, tinyBert.layers, denseTensors, options, random(5));
  const source = random(6);
  return new Map([...adapters].map(([name, values]) => [name, values.map((v) => v + 0.1 * source.normal())]));
}

async function logitsOf(parts: Parts, feeds: Readonly<Record<string, HostTensor>>): Promise<Float32Array> {
  const inputs = tinyBert.batchInputs(BATCH, { padded: true });
  const { logits } = tinyBert.forward(inputs, BATCH, parts);
  const outputs = await evaluate(engine, { outputs: { logits } }, feeds);
  return outputs.logits.data as Float32Array;
}

const feedsOf = (adapters: Tensors): Record<string, HostTensor> => ({
  ...tinyFeeds(),
  ...Object.fromEntries(
    adapterTensors(tinyBert.layers, options.ranks).map(({ name, shape }) => [name, floats(adapters.get(name)!, shape)]),
  ),
});

it('starts at random with A and B of their variance, and C as b', async () => {
  const adapters = await startAdapters(engine, tinyBert.layers, denseTensors, options, random(5));
  const [a, b, c] = ['loraA', 'loraB', 'loraC'].map((part) => adapters.get(`block.0.up.${part}`)!);
  const variance = (values: Float32Array): number => values.reduce((sum, v) => sum + v * v, 0) / values.length;
  // Uniform within 1/√12 and 1/√3.
  expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(12));
  expect(variance(a)).toBeGreaterThan(0.5 / 36);
  expect(Math.max(...b.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(3));
  expect(variance(b)).toBeGreaterThan(0.5 / 9);
  expect([...c]).toEqual([...denseTensors.get('block.0.up.bias')!]);
});

describe('exchanged blocks', () => {
  const byBlock =
    (values: readonly number[]) =>
    (layer: Layer): Node =>
      scalar(values[layer.block!]);

  it('are the teacher at λ = 1, and the adapters alone at λ = 0', async () => {
    const adapters = await randomAdapters();
    const feeds = feedsOf(adapters);
    const specs = [...dense, ...adapterTensors(tinyBert.layers, blocksOnly)];
    const exchanged = (values: readonly number[]) => exchangedParts(specs, options, byBlock(values), new Map());
    expectClose(
      await logitsOf(exchanged([1, 1]), feeds),
      await logitsOf(denseParts(dense), feeds),
      1e-5,
      'the teacher',
    );
    const alone = adaptersOnlyParts(specs, options.scaling);
    expectClose(await logitsOf(exchanged([0, 0]), feeds), await logitsOf(alone, feeds), 1e-5, 'adapters alone');
    // One of each: a model whose first block is dense, and whose second is not.
    const mixed: Parts = {
      ...alone,
      linear: (layer, x) => (layer.block === 0 ? denseParts(dense) : alone).linear(layer, x),
    };
    expectClose(await logitsOf(exchanged([1, 0]), feeds), await logitsOf(mixed, feeds), 1e-5, 'one of each');
  });
});

describe('merged adapters', () => {
  it('are the model that has them beside its weights', async () => {
    const adapters = await randomAdapters();
    const specs = [...dense, ...adapterTensors(tinyBert.layers, options.ranks)];
    const beside = fadingParts(specs, { ...options, init: 'paper' }, () => scalar(1), new Map());
    const tensors = merged(tinyBert.layers, options, new Map([...denseTensors, ...adapters]));
    const feeds = {
      ...feedsOf(adapters),
      ...Object.fromEntries(dense.map(({ name, shape }) => [name, floats(tensors.get(name)!, shape)])),
    };
    expectClose(await logitsOf(denseParts(dense), feeds), await logitsOf(beside, feedsOf(adapters)), 1e-5, 'merged');
    expect(tensors.get('embedding.word')).not.toEqual(denseTensors.get('embedding.word'));
  });
});

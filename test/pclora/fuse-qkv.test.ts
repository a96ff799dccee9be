/** Query, key and value that share A: what trains is what would train if three equal A's were kept equal. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor } from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { linearSize, rankedOf, tensorsOf } from '../../cli/models/layers.ts';
import { layerNamed } from '../../cli/models/model.ts';
import { type AdapterOptions, adapterTensors, type Init, initialName, isResidual } from '../../cli/pclora/linear.ts';
import { merged } from '../../cli/pclora/merge.ts';
import { startAdapters } from '../../cli/pclora/start.ts';
import { symmetricEigenvalues } from '../../cli/pclora/symmetric-eigen.ts';
import { productSpectrum } from '../../cli/pclora/worth.ts';
import { initialTensors } from '../../cli/pretrained/initial.ts';
import type { Tensors } from '../../cli/pretrained/tensor-file.ts';
import { compressLosses, type Phase } from '../../cli/train/step.ts';
import { random } from '../../runtime/random.ts';
import { expectClose } from '../support/compare.ts';
import { drawnMoments } from '../support/drawn-moments.ts';
import { onnxEngine } from '../support/engines.ts';
import { adapterOptions, BATCH, denseTensors, tinyFeeds, tinyVit } from '../support/tiny-vit.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

const SHARING = ['query', 'key', 'value'];

function fusedOptions(init: Init, scaling: number): AdapterOptions {
  const { ranks, ...options } = adapterOptions(init, { scaling });
  const names = [...ranks].map(([name, rank]) => [name.replace(/\.(query|key|value)$/, '.qkv'), rank] as const);
  return { ...options, ranks: new Map(names) };
}

/** `block.0.key.loraA` → `block.0.qkv.loraA` */
const sharedName = (name: string): string => name.replace(/\.(query|key|value)\.loraA$/, '.qkv.loraA');

it('has one A for a block, before the first B, and B and C of their own', () => {
  const specs = adapterTensors(tinyVit.layers, fusedOptions('svd', 1).ranks);
  expect(specs.slice(0, 8).map(({ name, shape }) => [name, ...shape])).toEqual([
    ['block.0.qkv.loraA', 3, 12],
    ['block.0.query.loraB', 12, 3],
    ['block.0.query.loraC', 12],
    ['block.0.key.loraB', 12, 3],
    ['block.0.key.loraC', 12],
    ['block.0.value.loraB', 12, 3],
    ['block.0.value.loraC', 12],
    ['block.0.attention.loraA', 3, 12],
  ]);
});

describe.each([
  ['fading', 'svd', 2],
  ['fading', 'paper', 0.5],
  ['exchanging', 'svd', 2],
  ['adapters', 'svd', 0.5],
  ['quantized', 'svd', 0.5],
] as const)('%s from %s', (phase: Phase, init: Init, scaling) => {
  it('has the losses of three equal A, and the sum of their gradients', async () => {
    const [fused, apart] = [fusedOptions(init, scaling), adapterOptions(init, { scaling })];
    const specs = adapterTensors(tinyVit.layers, fused.ranks);
    const drawn = (seed: number): Tensors =>
      initialTensors(
        specs.map((spec) => ({ ...spec, start: 'normal' as const })),
        0.3,
        random(seed),
      );
    const [now, before] = [drawn(31), drawn(32)];
    const lambda = phase === 'exchanging' ? 1 / 3 : 0.4;
    const told = async (options: AdapterOptions) => {
      const own = adapterTensors(tinyVit.layers, options.ranks);
      const { loss, student } = compressLosses(
        { model: tinyVit, batch: BATCH, adapters: options, alpha: 0.2 },
        phase,
        new Map(own.map(({ name, shape }) => [name, trained(name, shape)])),
      );
      // A bias of keys adds the same to all scores of a query: its gradient is 0, of which rounding is left.
      const moved = own.filter(({ name }) => !name.endsWith('.key.loraC'));
      const found = gradients(
        loss,
        moved.map(({ name, shape }) => trained(name, shape)),
      );
      const feeds: Record<string, HostTensor> = {
        ...tinyFeeds(),
        lambda: floats(Float32Array.of(lambda), []),
        ...Object.fromEntries(own.map(({ name, shape }) => [name, floats(now.get(sharedFor(name))!, shape)])),
        ...(isResidual(options) &&
          Object.fromEntries(
            own.map(({ name, shape }) => [initialName(name), floats(before.get(sharedFor(name))!, shape)]),
          )),
      };
      nodes.clear();
      const outputs = {
        loss,
        logits: student.logits,
        ...Object.fromEntries(moved.map(({ name }, i) => [name, found[i]])),
      };
      return evaluate(engine, { outputs }, feeds);
    };
    const nodes = new Map<string, ReturnType<typeof input>>();
    const trained = (name: string, shape: readonly number[]) => {
      const node = nodes.get(name) ?? input(name, shape);
      nodes.set(name, node);
      return node;
    };
    const sharedFor = (name: string): string => (now.has(name) ? name : sharedName(name));
    const [one, three] = [await told(fused), await told(apart)];
    expectClose(one.logits.data, three.logits.data, 1e-5, 'logits');
    expectClose(one.loss.data, three.loss.data, 1e-5, 'loss');
    for (const name of Object.keys(one)) {
      if (name === 'logits' || name === 'loss') continue;
      const parts = name.endsWith('.qkv.loraA')
        ? SHARING.map((part) => three[name.replace('.qkv.', `.${part}.`)].data)
        : [three[name].data];
      const sum = Float64Array.from(parts[0], (_, i) => parts.reduce((all, part) => all + part[i], 0));
      expectClose(one[name].data, sum, 2e-5, name);
    }
  });
});

describe('the start', () => {
  const fused = fusedOptions('svd', 2);
  const [{ layer, parts }] = rankedOf(
    tinyVit.layers.filter(({ block, kind }) => block === 0 && kind === 'linear'),
    true,
  );
  const { inFeatures: n, outFeatures: m } = linearSize(layer);
  const weight = parts.flatMap(({ name }) => [...denseTensors.get(`${name}.weight`)!]);
  const moments = drawnMoments(tinyVit.layers, adapterOptions('activation'));

  /** W - s·B·A of all three, (36, 12). */
  function left(adapters: Tensors): Float64Array {
    const loraA = adapters.get('block.0.qkv.loraA')!;
    const loraB = parts.flatMap(({ name }) => [...adapters.get(`${name}.loraB`)!]);
    return Float64Array.from({ length: m * n }, (_, at) => {
      const [row, column] = [Math.floor(at / n), at % n];
      return weight[at] - 2 * [0, 1, 2].reduce((sum, r) => sum + loraB[row * 3 + r] * loraA[r * n + column], 0);
    });
  }

  const gram = (rows: ArrayLike<number>): Float64Array =>
    Float64Array.from({ length: n * n }, (_, at) =>
      Array.from({ length: m }, (_, row) => rows[row * n + Math.floor(at / n)] * rows[row * n + (at % n)]).reduce(
        (a, b) => a + b,
      ),
    );
  const sumFrom = (values: Float64Array, first: number): number => values.slice(first).reduce((a, b) => a + b, 0);

  it('from the weights leaves the least that one A can of the three, stacked by rows (Eckart, Young 1936)', async () => {
    const adapters = await startAdapters(engine, tinyVit.layers, denseTensors, fused, random(21));
    const error = left(adapters).reduce((sum, value) => sum + value * value, 0);
    expect(error).toBeCloseTo(sumFrom(symmetricEigenvalues(gram(weight), n), 3), 4);
    for (const { name } of parts) expect(adapters.get(`${name}.loraC`)).toEqual(denseTensors.get(`${name}.bias`));
  });

  it('from activations leaves the least of their outputs on the inputs that they share', async () => {
    const options = { ...fused, init: 'activation' as const };
    const adapters = await startAdapters(engine, tinyVit.layers, denseTensors, options, random(21), moments);
    const { values } = moments.get('block.0.query')!;
    // tr(E·XᵀX·Eᵀ), and the tail of the squared singular values of W·L.
    const error = gram(left(adapters)).reduce((sum, value, i) => sum + value * values[i], 0);
    const least = sumFrom(productSpectrum(values, gram(weight), n), 3);
    expect(Math.abs(error / least - 1)).toBeLessThan(1e-3);
  });

  it('as in the paper and at random draws A once', async () => {
    for (const init of ['paper', 'random'] as const) {
      const adapters = await startAdapters(engine, tinyVit.layers, denseTensors, { ...fused, init }, random(21));
      expect([...adapters.keys()].sort()).toEqual(
        adapterTensors(tinyVit.layers, fused.ranks)
          .map(({ name }) => name)
          .sort(),
      );
      const other = adapters.get('block.0.query.loraB')!;
      expect(other.every((value) => value === 0)).toBe(init === 'paper');
    }
  });
});

it('merges into each weight its own B with the A of all three', async () => {
  const options = fusedOptions('svd', 2);
  const adapters = await startAdapters(engine, tinyVit.layers, denseTensors, options, random(21));
  const dense = merged(tinyVit.layers, options, new Map([...denseTensors, ...adapters]));
  const { inFeatures: n } = linearSize(layerNamed(tinyVit.layers, 'block.1.key'));
  const [loraA, loraB] = [adapters.get('block.1.qkv.loraA')!, adapters.get('block.1.key.loraB')!];
  const expected = denseTensors
    .get('block.1.key.weight')!
    .map(
      (w, at) =>
        w + 2 * [0, 1, 2].reduce((sum, r) => sum + loraB[Math.floor(at / n) * 3 + r] * loraA[r * n + (at % n)], 0),
    );
  expectClose(dense.get('block.1.key.weight')!, expected, 1e-6, 'weight');
  expect([...dense.keys()].sort()).toEqual(
    tensorsOf(tinyVit.layers)
      .map(({ name }) => name)
      .sort(),
  );
});

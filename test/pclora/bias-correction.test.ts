/**
 * `--bias-correction`: where C starts with the mean of a layer's inputs, against sums over rows in float64; and what
 * that leaves of the layer while λ falls.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats } from '../../cli/engines/engine.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { adaptedLayers, linearSize, rankedLinears, tensorsOf } from '../../cli/models/layers.ts';
import { layerNamed } from '../../cli/models/model.ts';
import {
  type AdapterOptions,
  adapterTensors,
  fadingParts,
  initialName,
  loraAName,
  rankOf,
} from '../../cli/pclora/linear.ts';
import { startAdapters } from '../../cli/pclora/start.ts';
import type { Moment } from '../../cli/pclora/svd.ts';
import type { Tensors } from '../../cli/pretrained/tensor-file.ts';
import { compressLosses } from '../../cli/train/step.ts';
import { random } from '../../runtime/random.ts';
import { expectClose, relativeError } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';
import { adapterOptions, BATCH, denseTensors, tinyFeeds, tinyVit } from '../support/tiny-vit.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

const SCALING = 2;
const ROWS = 30;
/** Rows whose mean is far from 0, for every width of inputs: query, key and value see the same. */
const rowsOf = (width: number): number[][] => {
  const source = random(51, width);
  return Array.from({ length: ROWS }, () =>
    Array.from({ length: width }, (_, i) => Math.fround(source.normal() + Math.sin(i))),
  );
};
const meanOf = (rows: readonly (readonly number[])[]): number[] =>
  rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);

const fused = new Map(rankedLinears(tinyVit.layers, true).map(({ name }) => [name, 3]));

describe.each<[string, AdapterOptions]>([
  ['layers of their own', adapterOptions('activation', { scaling: SCALING })],
  ['query, key and value that share A', { init: 'activation', scaling: SCALING, ranks: fused }],
])('%s', (_, options) => {
  const start = (withMeans: boolean): Promise<Tensors> => {
    const moments = adaptedLayers(tinyVit.layers, options.ranks).map((layer): [string, Moment] => {
      const { inFeatures: n } = linearSize(layer);
      const rows = rowsOf(n);
      const values = Float32Array.from({ length: n * n }, (_, at) =>
        rows.reduce((sum, row) => sum + row[Math.floor(at / n)] * row[at % n], 0),
      );
      return [layer.name, { of: 'inputs', values, ...(withMeans && { mean: Float32Array.from(meanOf(rows)) }) }];
    });
    return startAdapters(engine, tinyVit.layers, denseTensors, options, random(21), new Map(moments));
  };
  const specs = adapterTensors(tinyVit.layers, options.ranks);
  const given = (adapters: Tensors, lambda: number) => ({
    ...tinyFeeds(),
    ...Object.fromEntries(
      specs.flatMap(({ name, shape }) =>
        [name, initialName(name)].map((as) => [as, floats(adapters.get(name)!, shape)] as const),
      ),
    ),
    lambda: floats(Float32Array.of(lambda), []),
  });

  it('start with the same A and B, and with C = b + (W - s·B·A)·mean(x)', async () => {
    const [plain, corrected] = [await start(false), await start(true)];
    for (const { name } of specs.filter((spec) => !spec.name.endsWith('.loraC')))
      expect(corrected.get(name), name).toEqual(plain.get(name));
    for (const layer of adaptedLayers(tinyVit.layers, options.ranks)) {
      const { inFeatures: n, outFeatures: m } = linearSize(layer);
      const r = rankOf(options.ranks, layer);
      const mean = meanOf(rowsOf(n));
      const [weight, bias] = ['weight', 'bias'].map((part) => denseTensors.get(`${layer.name}.${part}`)!);
      const [loraA, loraB] = [loraAName(options.ranks, layer), `${layer.name}.loraB`].map((at) => corrected.get(at)!);
      const down = Array.from({ length: r }, (_, k) => mean.reduce((sum, x, j) => sum + loraA[k * n + j] * x, 0));
      const expected = Array.from({ length: m }, (_, i) => {
        const whole = mean.reduce((sum, x, j) => sum + weight[i * n + j] * x, 0);
        return bias[i] + whole - SCALING * down.reduce((sum, value, k) => sum + loraB[i * r + k] * value, 0);
      });
      expectClose(corrected.get(`${layer.name}.loraC`)!, expected, 1e-5, layer.name);
      expect(plain.get(`${layer.name}.loraC`), layer.name).toEqual(bias);
      expect(relativeError(expected, bias), layer.name).toBeGreaterThan(0.01);
    }
  });

  it.each(['block.0.key', 'block.1.up', 'block.1.down'])(
    'make of %s what it was at λ = 1, and keep its mean output on the way to 0',
    async (name) => {
      const layer = layerNamed(tinyVit.layers, name);
      const { inFeatures: n, outFeatures: m } = linearSize(layer);
      const rows = rowsOf(n);
      const x = input('x', [ROWS, n]);
      const parts = fadingParts(
        [...tensorsOf(tinyVit.layers), ...specs],
        options,
        () => input('lambda', []),
        new Map(),
      );
      const y = parts.linear(layer, x);
      const [weight, bias] = ['weight', 'bias'].map((part) => denseTensors.get(`${name}.${part}`)!);
      const dense = rows.map((row) =>
        Array.from({ length: m }, (_, i) => row.reduce((sum, value, j) => sum + weight[i * n + j] * value, bias[i])),
      );
      const [corrected, plain] = [await start(true), await start(false)];
      const outputsAt = async (adapters: Tensors, lambda: number): Promise<number[][]> => {
        const feeds = { ...given(adapters, lambda), x: floats(Float32Array.from(rows.flat()), [ROWS, n]) };
        const { data } = (await evaluate(engine, { outputs: { y } }, feeds)).y;
        return Array.from({ length: ROWS }, (_, row) => [...data.subarray(row * m, (row + 1) * m)]);
      };
      expectClose((await outputsAt(corrected, 1)).flat(), dense.flat(), 1e-5, 'outputs at λ = 1');
      for (const lambda of [0.6, 0]) {
        const outputs = await outputsAt(corrected, lambda);
        expectClose(meanOf(outputs), meanOf(dense), 1e-5, `mean at λ = ${lambda}`);
        expect(relativeError(outputs.flat(), dense.flat()), 'each output is not kept').toBeGreaterThan(0.01);
        const without = meanOf(await outputsAt(plain, lambda));
        expect(relativeError(without, meanOf(dense)), 'nor is the mean without it').toBeGreaterThan(0.01);
      }
    },
  );

  it('make a student that equals the teacher at step 0', async () => {
    const { student, teacher, feature } = compressLosses(
      { model: tinyVit, batch: BATCH, adapters: options, alpha: 0.2 },
      'fading',
      new Map(),
    );
    const outputs = { student: student.logits, teacher: teacher.logits, feature };
    const got = await evaluate(engine, { outputs }, given(await start(true), 1));
    expectClose(got.student.data, got.teacher.data, 1e-5, 'logits');
    expect(got.feature.data[0]).toBeLessThan(1e-10);
  });
});

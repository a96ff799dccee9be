/** A word table that fades into its factors, in a whole model: what has to hold at λ = 1, at λ = 0 and in between. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor } from '../../cli/engines/engine.ts';
import { inputsOf } from '../../cli/graph/cost.ts';
import { gradients } from '../../cli/graph/grad.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { input, inputName } from '../../cli/graph/ops/leaf.ts';
import { adaptedLayers, tensorsOf, wordEmbedding } from '../../cli/models/layers.ts';
import {
  type AdapterOptions,
  adaptersOnlyParts,
  adapterTensors,
  fadingParts,
  INITS,
  type Init,
  initialName,
  tensorsLeft,
} from '../../cli/pclora/linear.ts';
import { startAdapters } from '../../cli/pclora/start.ts';
import { createTruncator } from '../../cli/pclora/svd.ts';
import { symmetricEigen } from '../../cli/pclora/symmetric-eigen.ts';
import type { Tensors } from '../../cli/pretrained/tensor-file.ts';
import { compressLosses } from '../../cli/train/step.ts';
import { random } from '../../runtime/random.ts';
import { expectClose, relativeError } from '../support/compare.ts';
import { drawnMoments } from '../support/drawn-moments.ts';
import { onnxEngine } from '../support/engines.ts';
import {
  adapterOptions,
  BATCH,
  denseTensors,
  TOKENS,
  tinyBert,
  tinyBertConfig,
  tinyFeeds,
} from '../support/tiny-bert.ts';

const [V, D, K] = [tinyBertConfig.vocabSize, tinyBertConfig.hiddenSize, 4];
const words = wordEmbedding(tinyBert.layers)!;

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

const start = (options: AdapterOptions): Promise<Tensors> =>
  startAdapters(engine, tinyBert.layers, denseTensors, options, random(21), drawnMoments(tinyBert.layers, options));

/** Adapters as they are after some training: every tensor moved. */
function moved(adapters: Tensors): Tensors {
  const source = random(22);
  return new Map([...adapters].map(([name, values]) => [name, values.map((v) => v + 0.2 * source.normal())]));
}

/** Feeds of a step: the batch, W and E, the adapters, their frozen start and λ. */
function feeds(
  options: AdapterOptions,
  adapters: Tensors,
  initial: Tensors,
  lambda: number,
): Record<string, HostTensor> {
  const named = (values: Tensors, rename: (name: string) => string) =>
    adapterTensors(tinyBert.layers, options.ranks).map(
      ({ name, shape }) => [rename(name), floats(values.get(name)!, shape)] as const,
    );
  return {
    ...tinyFeeds(),
    ...Object.fromEntries([...named(adapters, (name) => name), ...named(initial, initialName)]),
    lambda: floats(Float32Array.of(lambda), []),
  };
}

function losses(options: AdapterOptions, trained: ReadonlyMap<string, Node> = new Map()) {
  return compressLosses({ model: tinyBert, batch: BATCH, adapters: options, alpha: 0.2 }, 'fading', trained);
}

function outputsOf({ student, teacher, feature }: ReturnType<typeof losses>): Record<string, Node> {
  return {
    student: student.logits,
    block: student.blocks[1],
    teacher: teacher.logits,
    teacherBlock: teacher.blocks[1],
    feature,
  };
}

describe('its factors', () => {
  it('are loraA (k, D) and loraB (V, k), without a C', () => {
    const { ranks } = adapterOptions('svd', { embeddingRank: K });
    expect(adaptedLayers(tinyBert.layers, ranks)[0]).toBe(words);
    expect(adapterTensors(tinyBert.layers, ranks).slice(0, 3)).toMatchObject([
      { name: 'embedding.word.loraA', shape: [K, D] },
      { name: 'embedding.word.loraB', shape: [V, K] },
      { name: 'block.0.query.loraA' },
    ]);
  });

  it('are all that is left of it at λ = 0, and only where the ranks name it', () => {
    const { ranks } = adapterOptions('svd');
    const left = tensorsLeft(tinyBert.layers, ranks);
    const { logits } = tinyBert.forward(tinyBert.batchInputs(1), 1, adaptersOnlyParts(left, 1));
    const read = inputsOf({ outputs: { logits } }).map(inputName);
    expect(read.filter((name) => name?.startsWith('embedding.word')).sort()).toEqual([
      'embedding.word.loraA',
      'embedding.word.loraB',
    ]);
    expect(left.map(({ name }) => name)).not.toContain('embedding.word');

    const dense = new Map([...ranks].filter(([name]) => name !== words.name));
    expect(tensorsLeft(tinyBert.layers, dense).map(({ name }) => name)).toContain('embedding.word');
    expect(adapterTensors(tinyBert.layers, dense)[0].name).toBe('block.0.query.loraA');
  });

  it('start as the linears do under `paper`: A uniform within 1/√k, B zero', async () => {
    const adapters = await start(adapterOptions('paper', { embeddingRank: K }));
    const a = [...adapters.get('embedding.word.loraA')!];
    expect(a).toHaveLength(K * D);
    expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(0.5);
    expect(Math.max(...a)).toBeGreaterThan(0.4);
    expect(Math.min(...a)).toBeLessThan(-0.4);
    expect(adapters.get('embedding.word.loraB')).toEqual(new Float32Array(V * K));
    expect(adapters.has('embedding.word.loraC')).toBe(false);
  });

  it.each([1, 0.5])(
    'start under `svd` as the nearest table of rank k, with scaling %d: off by what EᵀE has beyond it (Eckart, Young 1936)',
    async (scaling) => {
      const adapters = await start(adapterOptions('svd', { embeddingRank: K, scaling }));
      const [e, a, b] = [
        denseTensors.get('embedding.word')!,
        adapters.get('embedding.word.loraA')!,
        adapters.get('embedding.word.loraB')!,
      ];
      const gram = Float64Array.from({ length: D * D }, (_, at) => {
        let sum = 0;
        for (let v = 0; v < V; v++) sum += e[v * D + Math.floor(at / D)] * e[v * D + (at % D)];
        return sum;
      });
      const squares = [...symmetricEigen(gram, D).values];
      const least = Math.sqrt(squares.slice(K).reduce((sum, s) => sum + s, 0));
      let error = 0;
      for (let v = 0; v < V; v++) {
        for (let d = 0; d < D; d++) {
          let product = 0;
          for (let k = 0; k < K; k++) product += b[v * K + k] * a[k * D + d];
          error += (e[v * D + d] - scaling * product) ** 2;
        }
      }
      expect(Math.sqrt(error)).toBeGreaterThanOrEqual(least * (1 - 1e-6));
      expect(Math.sqrt(error)).toBeLessThanOrEqual(least * 1.001);
    },
  );
});

describe.each(INITS)('init %s', (init: Init) => {
  const options = adapterOptions(init, { embeddingRank: K, scaling: init !== 'paper' ? 2 : 0.5 });

  it('equals the teacher at step 0, where λ is 1', async () => {
    const adapters = await start(options);
    const r = await evaluate(engine, { outputs: outputsOf(losses(options)) }, feeds(options, adapters, adapters, 1));
    expectClose(r.student.data, r.teacher.data, 1e-5, 'logits');
    expectClose(r.block.data, r.teacherBlock.data, 1e-5, 'block 1');
    expect(r.feature.data[0]).toBeLessThan(1e-10);
  });

  it('leaves the teacher its table while the factors train', async () => {
    const adapters = await start(options);
    const first = await evaluate(
      engine,
      { outputs: outputsOf(losses(options)) },
      feeds(options, adapters, adapters, 1),
    );
    const only = new Map([...adapters, ...[...moved(adapters)].filter(([name]) => name.startsWith(words.name))]);
    const later = await evaluate(engine, { outputs: outputsOf(losses(options)) }, feeds(options, only, adapters, 0.5));
    expect(later.teacher.data).toEqual(first.teacher.data);
    expect(relativeError(later.student.data, first.student.data)).toBeGreaterThan(0.01);
  });

  it('is the adapters-only model at λ = 0', async () => {
    const initial = await start(options);
    const specs = [...tensorsOf(tinyBert.layers), ...adapterTensors(tinyBert.layers, options.ranks)];
    const { logits, blocks } = tinyBert.forward(
      tinyBert.batchInputs(BATCH, { padded: true }),
      BATCH,
      adaptersOnlyParts(specs, options.scaling),
    );
    const given = feeds(options, moved(initial), initial, 0);
    const adaptersOnly = await evaluate(engine, { outputs: { logits, block: blocks[1] } }, given);
    const fading = await evaluate(engine, { outputs: outputsOf(losses(options)) }, given);
    expectClose(fading.student.data, adaptersOnly.logits.data, 1e-5, 'logits');
    expectClose(fading.block.data, adaptersOnly.block.data, 1e-5, 'block 1');
  });

  it('computes λ·(E - s·B₀A₀)[ids] + s·B[ids]·A in between, without B₀A₀ under `paper`', async () => {
    const initial = await start(options);
    const adapters = moved(initial);
    const lambda = 0.3;
    const specs = [...tensorsOf(tinyBert.layers), ...adapterTensors(tinyBert.layers, options.ranks)];
    const y = fadingParts(specs, options, () => input('lambda', []), new Map()).embedding(
      words,
      input('ids', [BATCH, TOKENS], 'i32'),
    );
    const given = feeds(options, adapters, initial, lambda);
    const result = await evaluate(engine, { outputs: { y } }, given);
    const lowRank = (values: Tensors, id: number, d: number): number => {
      let sum = 0;
      for (let k = 0; k < K; k++)
        sum += values.get('embedding.word.loraB')![id * K + k] * values.get('embedding.word.loraA')![k * D + d];
      return options.scaling * sum;
    };
    const expected = [...given.ids.data].flatMap((id) =>
      Array.from({ length: D }, (_, d) => {
        const fading =
          denseTensors.get('embedding.word')![id * D + d] - (init !== 'paper' ? lowRank(initial, id, d) : 0);
        return lambda * fading + lowRank(adapters, id, d);
      }),
    );
    expectClose(result.y.data, expected, 1e-5, 'y');
  });

  it('moves the rows of B that the batch reads, and A', async () => {
    const initial = await start(options);
    const names = ['embedding.word.loraA', 'embedding.word.loraB'];
    const trained = new Map(
      names.map((name, i) => [
        name,
        input(
          name,
          [
            [K, D],
            [V, K],
          ][i],
        ),
      ]),
    );
    const [dA, dB] = gradients(losses(options, trained).loss, [...trained.values()]);
    const given = feeds(options, moved(initial), initial, 0.5);
    const results = await evaluate(engine, { outputs: { dA, dB } }, given);
    expect(Math.max(...[...results.dA.data].map(Math.abs))).toBeGreaterThan(1e-4);
    const read = new Set(given.ids.data);
    for (let id = 0; id < V; id++) {
      const largest = Math.max(...[...results.dB.data.subarray(id * K, (id + 1) * K)].map(Math.abs));
      // Id 0 is padding, which no loss sees.
      if (read.has(id) && id !== 0) expect(largest, `row ${id}`).toBeGreaterThan(1e-6);
      else expect(largest, `row ${id}`).toBeLessThan(1e-12);
    }
  });
});

it('splits a tall table near-optimally: 3,000 rows whose singular values are known', async () => {
  const [rows, columns, rank] = [3000, 20, 6];
  // Columns of scaled unit vectors' blocks: orthogonal by having no row in common.
  const sigma = Array.from({ length: columns }, (_, c) => 10 / (c + 1));
  const perColumn = rows / columns;
  const table = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++)
    table[r * columns + (r % columns)] = (sigma[r % columns] / Math.sqrt(perColumn)) * (r % 2 === 0 ? 1 : -1);
  const truncator = createTruncator(engine, random(5));
  const { loraA, loraB } = await truncator.truncate(table, rows, columns, rank, 1);
  await truncator.dispose();
  let error = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      let product = 0;
      for (let k = 0; k < rank; k++) product += loraB[r * rank + k] * loraA[k * columns + c];
      error += (table[r * columns + c] - product) ** 2;
    }
  }
  const tail = Math.hypot(...sigma.slice(rank));
  expect(Math.sqrt(error)).toBeGreaterThanOrEqual(tail * (1 - 1e-5));
  expect(Math.sqrt(error)).toBeLessThanOrEqual(tail * 1.001);
});

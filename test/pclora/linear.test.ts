/** The PC-LoRA layer in a whole model: what has to hold at λ = 1, at λ = 0 and in between, whatever the weights are. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor } from '../../cli/engines/engine.ts';
import { inputsOf } from '../../cli/graph/cost.ts';
import { gradients } from '../../cli/graph/grad.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { input, inputName } from '../../cli/graph/ops/leaf.ts';
import { blockLinears, linearSize, tensorsOf } from '../../cli/models/layers.ts';
import {
  type AdapterOptions,
  adaptersOnlyParts,
  adapterTensors,
  fadingParts,
  INITS,
  type Init,
  initialName,
} from '../../cli/pclora/linear.ts';
import { startAdapters } from '../../cli/pclora/start.ts';
import type { Tensors } from '../../cli/pretrained/tensor-file.ts';
import { compressLosses } from '../../cli/train/step.ts';
import { random } from '../../runtime/random.ts';
import { expectClose, relativeError } from '../support/compare.ts';
import { drawnMoments } from '../support/drawn-moments.ts';
import { onnxEngine } from '../support/engines.ts';
import { adapterOptions, BATCH, denseTensors, tinyFeeds, tinyVit } from '../support/tiny-vit.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

const start = (options: AdapterOptions): Promise<Tensors> =>
  startAdapters(engine, tinyVit.layers, denseTensors, options, random(21), drawnMoments(tinyVit.layers, options));

/** Feeds of a step: the batch, W, the adapters, their frozen start and λ. */
function feeds(
  options: AdapterOptions,
  adapters: Tensors,
  initial: Tensors,
  lambda: number,
): Record<string, HostTensor> {
  const named = (values: Tensors, rename: (name: string) => string) =>
    adapterTensors(tinyVit.layers, options.ranks).map(
      ({ name, shape }) => [rename(name), floats(values.get(name)!, shape)] as const,
    );
  return {
    ...tinyFeeds(),
    ...Object.fromEntries([...named(adapters, (name) => name), ...named(initial, initialName)]),
    lambda: floats(Float32Array.of(lambda), []),
  };
}

/** Adapters as they are after some training: every tensor moved. */
function moved(adapters: Tensors): Tensors {
  const source = random(22);
  return new Map([...adapters].map(([name, values]) => [name, values.map((v) => v + 0.2 * source.normal())]));
}

function stepOutputs(options: AdapterOptions) {
  const { student, teacher, loss, task, feature } = compressLosses(
    { model: tinyVit, batch: BATCH, adapters: options, alpha: 0.2 },
    'fading',
    new Map(),
  );
  return {
    student: student.logits,
    block0: student.blocks[0],
    block1: student.blocks[1],
    teacher: teacher.logits,
    teacher0: teacher.blocks[0],
    teacher1: teacher.blocks[1],
    loss,
    task,
    feature,
  };
}

describe.each(INITS)('init %s', (init: Init) => {
  const options = adapterOptions(init, { scaling: init !== 'paper' ? 2 : 0.5 });

  it('equals the teacher at step 0, where λ is 1', async () => {
    const adapters = await start(options);
    const r = await evaluate(engine, { outputs: stepOutputs(options) }, feeds(options, adapters, adapters, 1));
    expectClose(r.student.data, r.teacher.data, 1e-5, 'logits');
    expectClose(r.block0.data, r.teacher0.data, 1e-5, 'block 0');
    expectClose(r.block1.data, r.teacher1.data, 1e-5, 'block 1');
    expect(r.feature.data[0]).toBeLessThan(1e-10);
  });

  it('leaves the teacher alone while λ falls and the adapters train', async () => {
    const adapters = await start(options);
    const [first, ...others] = await Promise.all([
      evaluate(engine, { outputs: stepOutputs(options) }, feeds(options, adapters, adapters, 1)),
      ...[1, 0.5, 0].map((lambda) =>
        evaluate(engine, { outputs: stepOutputs(options) }, feeds(options, moved(adapters), adapters, lambda)),
      ),
    ]);
    for (const other of others) {
      for (const name of ['teacher', 'teacher0', 'teacher1']) expect(other[name].data, name).toEqual(first[name].data);
      expect(relativeError(other.student.data, first.student.data)).toBeGreaterThan(0.01);
    }
  });

  it('is the adapters-only model at λ = 0', async () => {
    const initial = await start(options);
    const specs = [...tensorsOf(tinyVit.layers), ...adapterTensors(tinyVit.layers, options.ranks)];
    const { logits, blocks } = tinyVit.forward(
      tinyVit.batchInputs(BATCH),
      BATCH,
      adaptersOnlyParts(specs, options.scaling),
    );
    const given = feeds(options, moved(initial), initial, 0);
    const adaptersOnly = await evaluate(engine, { outputs: { logits, block1: blocks[1] } }, given);
    const fading = await evaluate(engine, { outputs: stepOutputs(options) }, given);
    expectClose(fading.student.data, adaptersOnly.logits.data, 1e-5, 'logits');
    expectClose(fading.block1.data, adaptersOnly.block1.data, 1e-5, 'block 1');
  });

  it('computes the equation of the paper in one layer, also in between', async () => {
    const layer = blockLinears(tinyVit.layers)[0];
    const { inFeatures: n, outFeatures: m } = linearSize(layer);
    const initial = await start(options);
    const adapters = moved(initial);
    const lambda = 0.3;
    const specs = [...tensorsOf(tinyVit.layers), ...adapterTensors(tinyVit.layers, options.ranks)];
    const y = fadingParts(specs, options, () => input('lambda', []), new Map()).linear(layer, input('x', [2, n]));
    const source = random(23);
    const x = Float32Array.from({ length: 2 * n }, () => source.normal());
    const result = await evaluate(
      engine,
      { outputs: { y } },
      { ...feeds(options, adapters, initial, lambda), x: floats(x, [2, n]) },
    );

    const of = (values: Tensors, suffix: string) => values.get(`${layer.name}.${suffix}`)!;
    const lowRank = (values: Tensors, row: number, out: number): number => {
      let sum = 0;
      for (let k = 0; k < 3; k++)
        for (let j = 0; j < n; j++)
          sum += of(values, 'loraB')[out * 3 + k] * of(values, 'loraA')[k * n + j] * x[row * n + j];
      return options.scaling * sum + of(values, 'loraC')[out];
    };
    const dense = (row: number, out: number): number => {
      let sum = of(denseTensors, 'bias')[out];
      for (let j = 0; j < n; j++) sum += of(denseTensors, 'weight')[out * n + j] * x[row * n + j];
      return sum;
    };
    // paper: λ·(W x + b) + s·B A x + C;  residual decay: λ scales what the start does not hold.
    const expected = Array.from({ length: 2 * m }, (_, at) => {
      const [row, out] = [Math.floor(at / m), at % m];
      const fading = dense(row, out) - (init !== 'paper' ? lowRank(initial, row, out) : 0);
      return lambda * fading + lowRank(adapters, row, out);
    });
    expectClose(result.y.data, expected, 1e-5, 'y');
  });

  it('distils: the feature loss moves every A, B and C that reaches a block output', async () => {
    const initial = await start(options);
    const specs = adapterTensors(tinyVit.layers, options.ranks);
    const trained = new Map(specs.map(({ name, shape }) => [name, input(name, shape)]));
    const { feature } = compressLosses(
      { model: tinyVit, batch: BATCH, adapters: options, alpha: 0.2 },
      'fading',
      trained,
    );
    const byTensor = gradients(feature, [...trained.values()]);
    const outputs = Object.fromEntries(specs.map(({ name }, i) => [name, byTensor[i]]));
    const results = await evaluate(engine, { outputs }, feeds(options, moved(initial), initial, 0.5));
    for (const { name } of specs) {
      const largest = Math.max(...[...results[name].data].map(Math.abs));
      if (name.endsWith('.key.loraC'))
        expect(largest, name).toBeLessThan(1e-6); // softmax ignores it
      else expect(largest, name).toBeGreaterThan(1e-4);
    }
  });

  it.each([[[0]], [[1]], [[0, 1]]])('compares the outputs of blocks %j alone', async (featureBlocks) => {
    const initial = await start(options);
    const { feature, student, teacher } = compressLosses(
      { model: tinyVit, batch: BATCH, adapters: options, alpha: 0.2, featureBlocks },
      'fading',
      new Map(),
    );
    const named = (whose: string, blocks: readonly Node[]) =>
      Object.fromEntries(blocks.map((block, i) => [`${whose}${i}`, block]));
    const outputs = { feature, ...named('student', student.blocks), ...named('teacher', teacher.blocks) };
    const got = await evaluate(engine, { outputs }, feeds(options, moved(initial), initial, 0.5));
    const differences = featureBlocks.map((i) => {
      const [own, given] = [got[`student${i}`].data, got[`teacher${i}`].data] as Float32Array[];
      return own.reduce((sum, value, at) => sum + (value - given[at]) ** 2, 0) / own.length;
    });
    const expected = differences.reduce((sum, value) => sum + value, 0) / featureBlocks.length;
    expectClose(got.feature.data, [expected], 1e-5, 'feature loss');
  });

  it('weighs the losses by α and 1 - α', async () => {
    const initial = await start(options);
    const { loss, task, feature } = await evaluate(
      engine,
      { outputs: stepOutputs(options) },
      feeds(options, moved(initial), initial, 0.5),
    );
    expect(feature.data[0]).toBeGreaterThan(0.01);
    expectClose(loss.data, [0.2 * task.data[0] + 0.8 * feature.data[0]], 1e-6, 'loss');
  });
});

it.each(['fading', 'adapters'] as const)(
  'reads nothing that trains in the teacher (%s), layer norms and head included',
  (phase) => {
    const options = adapterOptions('paper');
    const specs = [
      ...tensorsOf(tinyVit.layers.filter(({ kind }) => kind === 'norm' || kind === 'head')),
      ...adapterTensors(tinyVit.layers, options.ranks),
    ];
    const trained = new Map(specs.map(({ name, shape }) => [name, input(`trained ${name}`, shape)]));
    const { student, teacher } = compressLosses(
      { model: tinyVit, batch: BATCH, adapters: options, alpha: 0.2 },
      phase,
      trained,
    );
    const namesOf = (logits: Node) => inputsOf({ outputs: { logits } }).map((node) => inputName(node)!);
    expect(namesOf(teacher.logits).sort()).toEqual(
      ['pixels', ...tensorsOf(tinyVit.layers).map(({ name }) => name)].sort(),
    );
    expect(namesOf(student.logits)).toEqual(
      expect.arrayContaining([...trained.keys()].map((name) => `trained ${name}`)),
    );
  },
);

it('reads no W of an adapted layer in the student at λ = 0', () => {
  const options = adapterOptions('paper');
  const specs = [...tensorsOf(tinyVit.layers), ...adapterTensors(tinyVit.layers, options.ranks)];
  const { logits } = tinyVit.forward(tinyVit.batchInputs(BATCH), BATCH, adaptersOnlyParts(specs, 1));
  const read = inputsOf({ outputs: { logits } }).map(inputName);
  for (const { name } of blockLinears(tinyVit.layers)) {
    expect(read).not.toContain(`${name}.weight`);
    expect(read).not.toContain(`${name}.bias`);
    expect(read).toEqual(expect.arrayContaining([`${name}.loraA`, `${name}.loraB`, `${name}.loraC`]));
  }
});

describe('adapters start', () => {
  it('as the paper says: A Kaiming-uniform within 1/√in, B and C zero', async () => {
    const adapters = await start(adapterOptions('paper', { rank: 5 }));
    for (const layer of blockLinears(tinyVit.layers)) {
      const { inFeatures, outFeatures } = linearSize(layer);
      const bound = 1 / Math.sqrt(inFeatures);
      const a = [...adapters.get(`${layer.name}.loraA`)!];
      expect(a).toHaveLength(5 * inFeatures);
      expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(bound);
      expect(Math.max(...a)).toBeGreaterThan(0.8 * bound);
      expect(Math.min(...a)).toBeLessThan(-0.8 * bound);
      expect(adapters.get(`${layer.name}.loraB`)).toEqual(new Float32Array(outFeatures * 5));
      expect(adapters.get(`${layer.name}.loraC`)).toEqual(new Float32Array(outFeatures));
    }
    // Uniform: mean 0 and variance bound²/3, over all layers at once.
    const scaled = blockLinears(tinyVit.layers).flatMap((layer) =>
      [...adapters.get(`${layer.name}.loraA`)!].map((v) => v * Math.sqrt(linearSize(layer).inFeatures)),
    );
    const mean = scaled.reduce((sum, v) => sum + v, 0) / scaled.length;
    const variance = scaled.reduce((sum, v) => sum + (v - mean) ** 2, 0) / scaled.length;
    const standardError = Math.sqrt(1 / 3 / scaled.length);
    expect(Math.abs(mean)).toBeLessThan(4 * standardError);
    expect(Math.abs(variance - 1 / 3)).toBeLessThan(4 * Math.sqrt(4 / 45 / scaled.length));
  });

  it("with W's bias in C under svd, a copy of it", async () => {
    const adapters = await start(adapterOptions('svd'));
    for (const { name } of blockLinears(tinyVit.layers)) {
      expect(adapters.get(`${name}.loraC`)).toEqual(denseTensors.get(`${name}.bias`));
      expect(adapters.get(`${name}.loraC`)!.buffer).not.toBe(denseTensors.get(`${name}.bias`)!.buffer);
    }
  });

  it('the same for the same seed, and differently for another', async () => {
    const options = adapterOptions('paper');
    const again = await startAdapters(
      engine,
      tinyVit.layers,
      denseTensors,
      options,
      random(21),
      drawnMoments(tinyVit.layers, options),
    );
    const other = await startAdapters(
      engine,
      tinyVit.layers,
      denseTensors,
      options,
      random(22),
      drawnMoments(tinyVit.layers, options),
    );
    expect(again).toEqual(await start(options));
    expect(other.get('block.0.query.loraA')).not.toEqual(again.get('block.0.query.loraA'));
  });
});

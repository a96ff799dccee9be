/** Moments of a teacher's layers against sums over rows that its graph gives, padding left out. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Batch, Samples } from '../../cli/data/samples.ts';
import { type Engine, evaluate, floats, type HostTensor } from '../../cli/engines/engine.ts';
import { elementCount, type Node } from '../../cli/graph/graph.ts';
import { add } from '../../cli/graph/ops/binary.ts';
import { gemm } from '../../cli/graph/ops/gemm.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { blockLinears, linearSize, tensorsOf } from '../../cli/models/layers.ts';
import { layerNamed } from '../../cli/models/model.ts';
import { denseParts } from '../../cli/pclora/linear.ts';
import type { Checkpoint } from '../../cli/pretrained/checkpoint.ts';
import { collectBackwards, collectMoments } from '../../cli/train/calibrate.ts';
import { evaluationBatch } from '../../cli/train/evaluate.ts';
import { uploadTensors } from '../../cli/train/trained-tensors.ts';
import { random } from '../../runtime/random.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';
import { adapterOptions, denseTensors, tinyBert, tinyBertConfig } from '../support/tiny-bert.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());

/** Two batches of texts, one of them shorter throughout. */
function batches(batch: number): Batch[] {
  return [5, 3].map((tokens, at): Batch => {
    const source = random(31, at);
    const lengths = Array.from({ length: batch }, () => 1 + source.below(tokens));
    const cells = Array.from({ length: batch * tokens }, (_, i) => i % tokens < lengths[Math.floor(i / tokens)]);
    const tensor = (data: Int32Array | Float32Array): HostTensor => ({
      dtype: data instanceof Int32Array ? 'i32' : 'f32',
      shape: [batch, tokens],
      data,
    });
    return {
      inputs: {
        ids: tensor(Int32Array.from(cells, (counts) => (counts ? source.below(tinyBertConfig.vocabSize) : 0))),
        types: tensor(Int32Array.from(cells, () => source.below(2))),
        mask: tensor(Float32Array.from(cells, Number)),
      },
      labels: new Int32Array(batch),
      size: batch,
      isLabelled: true,
      rows: [],
      tokens,
      sample: () => ({}),
    };
  });
}

/** Each layer's rows as the teacher's graph gives them, those of padding left out; and its inputs, as `LAYER in`. */
async function rowsOf({ inputs, tokens, size }: Batch): Promise<Record<string, number[][]>> {
  const specs = tensorsOf(tinyBert.layers);
  const dense = denseParts(specs);
  const outputs: Record<string, Node> = {};
  tinyBert.forward(tinyBert.batchInputs(size, { padded: true, tokens: tokens! }), size, {
    ...dense,
    linear(layer, x) {
      const { inFeatures, outFeatures } = linearSize(layer);
      const weight = dense.tensor(`${layer.name}.weight`);
      outputs[`${layer.name} in`] = x;
      outputs[layer.name] = inFeatures <= outFeatures ? x : gemm(x, weight, null, { transB: true });
      return dense.linear(layer, x);
    },
    embedding(layer, ids) {
      return (outputs[layer.name] = dense.embedding(layer, ids));
    },
  });
  const weights = specs.map(({ name, shape }) => [name, floats(denseTensors.get(name)!, shape)] as const);
  const got = await evaluate(engine, { outputs }, { ...Object.fromEntries(weights), ...inputs });
  const { mask } = inputs;
  return Object.fromEntries(
    Object.entries(got).map(([name, { shape, data }]) => [
      name,
      Array.from({ length: shape[0] }, (_, row) => [...data.subarray(row * shape[1], (row + 1) * shape[1])]).filter(
        (_, row) => mask.data[row] === 1,
      ),
    ]),
  );
}

/** φ = Σ signs · outputs of these blocks as a function of what is added to a layer's outputs, for finite differences. */
async function signedOutputs(
  { inputs, size, tokens }: Batch,
  signs: Float32Array,
  name: string,
  featureBlocks: readonly number[],
): Promise<{ readonly count: number; at(nudge: Float32Array): Promise<number> }> {
  const specs = tensorsOf(tinyBert.layers);
  const dense = denseParts(specs);
  let shape: readonly number[] = [];
  const { blocks } = tinyBert.forward(tinyBert.batchInputs(size, { padded: true, tokens: tokens! }), size, {
    ...dense,
    linear(layer, x) {
      const y = dense.linear(layer, x);
      if (layer.name !== name) return y;
      shape = y.shape;
      return add(y, input('nudge', shape));
    },
  });
  const program = await engine.compile({
    outputs: Object.fromEntries(blocks.map((block, i) => [`block${i}`, block])),
  });
  const given = {
    ...uploadTensors(engine, specs, denseTensors),
    ...Object.fromEntries(Object.entries(inputs).map(([input, tensor]) => [input, engine.upload(tensor)])),
  };
  return {
    count: elementCount(shape),
    async at(nudge) {
      const got = await program.run({ ...given, nudge: engine.upload(floats(nudge, shape)) });
      let sum = 0;
      for (const [i, block] of featureBlocks.entries()) {
        const [rows, width] = blocks[block].shape;
        const values = await got[`block${block}`].read();
        for (let at = 0; at < rows * width; at++)
          sum += inputs.mask.data[Math.floor(at / width)] * signs[i * tokens! * width + at] * values[at];
      }
      return sum;
    },
  };
}

it.each([
  ['all blocks', [0, 1]],
  ['the last block alone', [1]],
])('sums what flows back to each layer from random signs at the outputs of %s', async (_, featureBlocks) => {
  const [batch] = batches(2);
  const samples: Samples = {
    size: batch.size,
    count: () => 1,
    async *batches() {
      yield batch;
    },
  };
  const weights = uploadTensors(engine, tensorsOf(tinyBert.layers), denseTensors);
  const seed = 4;
  const [backwards, fused] = await Promise.all(
    [new Map<string, number>(), new Map([['block.0.qkv', 3]])].map((ranks) =>
      collectBackwards(engine, teacher, ranks, weights, samples, seed, { batch: batch.size, featureBlocks }),
    ),
  );
  const width = tinyBertConfig.hiddenSize;
  const source = random(seed, 3);
  const rows = batch.size * batch.tokens!;
  const count = (rows + (featureBlocks.length - 1) * batch.tokens!) * width;
  const signs = Float32Array.from({ length: count }, () => (source.uniform() < 0.5 ? -1 : 1));
  expect([...backwards.keys()].sort()).toEqual(
    blockLinears(tinyBert.layers)
      .map(({ name }) => name)
      .sort(),
  );
  const flowThrough = async (name: string): Promise<Float64Array> => {
    const { inFeatures, outFeatures } = linearSize(layerNamed(tinyBert.layers, name));
    const { count: outputs, at } = await signedOutputs(batch, signs, name, featureBlocks);
    const delta = new Float64Array(outputs);
    for (let i = 0; i < outputs; i++) {
      const [more, less] = [new Float32Array(outputs), new Float32Array(outputs)];
      [more[i], less[i]] = [0.01, -0.01];
      delta[i] = ((await at(more)) - (await at(less))) / 0.02;
    }
    const weight = denseTensors.get(`${name}.weight`)!;
    const n = Math.min(inFeatures, outFeatures);
    return Float64Array.from({ length: rows * n }, (_, at) => {
      const [row, column] = [Math.floor(at / n), at % n];
      if (inFeatures > outFeatures) return delta[at];
      let sum = 0;
      for (let k = 0; k < outFeatures; k++) sum += delta[row * outFeatures + k] * weight[k * inFeatures + column];
      return sum;
    });
  };
  const gram = (flow: Float64Array): Float64Array => {
    const n = flow.length / rows;
    return Float64Array.from({ length: n * n }, (_, at) => {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += flow[row * n + Math.floor(at / n)] * flow[row * n + (at % n)];
      return sum;
    });
  };
  for (const name of ['block.0.query', 'block.0.up', 'block.1.down'])
    expectClose(backwards.get(name)!, gram(await flowThrough(name)), 2e-2, name);
  // Where A is shared, what flows back through all three to the inputs that they have in common.
  const [query, key, value] = await Promise.all(
    ['query', 'key', 'value'].map((kind) => flowThrough(`block.0.${kind}`)),
  );
  const together = query.map((flow, i) => flow + key[i] + value[i]);
  expectClose(fused.get('block.0.qkv')!, gram(together), 2e-2, 'block.0.qkv');
  expect(fused.has('block.0.key')).toBe(false);
});

const teacher = { model: tinyBert, preprocessing: { kind: 'text' }, tensors: denseTensors } as unknown as Checkpoint;

/** Batches, and the samples that give them. */
function someSamples() {
  const all = batches(evaluationBatch(engine));
  const samples: Samples = {
    size: all.length * all[0].size,
    count: () => all.length,
    async *batches() {
      yield* all;
    },
  };
  return { all, samples };
}

it("tells the mean of each linear layer's inputs over tokens alone, where it is asked for", async () => {
  const { all, samples } = someSamples();
  const weights = uploadTensors(engine, tensorsOf(tinyBert.layers), denseTensors);
  const { ranks } = adapterOptions('activation');
  const [moments, plain] = await Promise.all(
    [true, false].map((withMeans) => collectMoments(engine, teacher, ranks, weights, samples, { seed: 0, withMeans })),
  );
  const rows = await Promise.all(all.map(rowsOf));
  for (const { name } of blockLinears(tinyBert.layers)) {
    const seen = rows.flatMap((one) => one[`${name} in`]);
    const expected = seen[0].map((_, i) => seen.reduce((sum, row) => sum + row[i], 0) / seen.length);
    expectClose(moments.get(name)!.mean!, expected, 1e-5, name);
  }
  expect(moments.get('embedding.word')!.mean).toBeUndefined();
  for (const [name, { of, values, mean }] of plain) {
    expect([name, of, mean]).toEqual([name, moments.get(name)!.of, undefined]);
    expectClose(values, moments.get(name)!.values, 1e-6, name);
  }
});

it('sums what goes through each layer, or comes out of it where that is narrower, over tokens alone', async () => {
  const { all, samples } = someSamples();
  const weights = uploadTensors(engine, tensorsOf(tinyBert.layers), denseTensors);
  const { ranks } = adapterOptions('activation');
  const moments = await collectMoments(engine, teacher, ranks, weights, samples, { seed: 0, withMeans: false });
  const rows = await Promise.all(all.map(rowsOf));
  expect([...moments.keys()].sort()).toEqual([...ranks.keys()].sort());
  for (const [name, { of, values }] of moments) {
    const seen = rows.flatMap((one) => one[name]);
    const width = seen[0].length;
    expect([name, of]).toEqual([
      name,
      name === 'embedding.word' ? 'rows' : name.endsWith('down') ? 'outputs' : 'inputs',
    ]);
    const expected = Float64Array.from({ length: width * width }, (_, at) =>
      seen.reduce((sum, row) => sum + row[Math.floor(at / width)] * row[at % width], 0),
    );
    expectClose(values, expected, 1e-5, name);
  }
});

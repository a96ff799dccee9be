/** Moments of a teacher's layers against sums over rows that its graph gives, padding left out. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Batch, Samples } from '../../cli/data/samples.ts';
import { type Engine, evaluate, floats, type HostTensor } from '../../cli/engines/engine.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { gemm } from '../../cli/graph/ops/gemm.ts';
import { linearSize, tensorsOf } from '../../cli/models/layers.ts';
import { denseParts } from '../../cli/pclora/linear.ts';
import type { Checkpoint } from '../../cli/pretrained/checkpoint.ts';
import { collectMoments } from '../../cli/train/calibrate.ts';
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

/** Each layer's rows as the teacher's graph gives them, those of padding left out. */
async function rowsOf({ inputs, tokens, size }: Batch): Promise<Record<string, number[][]>> {
  const specs = tensorsOf(tinyBert.layers);
  const dense = denseParts(specs);
  const outputs: Record<string, Node> = {};
  tinyBert.forward(tinyBert.batchInputs(size, { padded: true, tokens: tokens! }), size, {
    ...dense,
    linear(layer, x) {
      const { inFeatures, outFeatures } = linearSize(layer);
      const weight = dense.tensor(`${layer.name}.weight`);
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

it('sums what goes through each layer, or comes out of it where that is narrower, over tokens alone', async () => {
  const all = batches(evaluationBatch(engine));
  const samples: Samples = {
    size: all.length * all[0].size,
    count: () => all.length,
    async *batches() {
      yield* all;
    },
  };
  const teacher = { model: tinyBert, preprocessing: { kind: 'text' }, tensors: denseTensors } as unknown as Checkpoint;
  const weights = uploadTensors(engine, tensorsOf(tinyBert.layers), denseTensors);
  const { ranks } = adapterOptions('activation');
  const moments = await collectMoments(engine, teacher, ranks, weights, samples, 0);
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

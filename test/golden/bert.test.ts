/** The BERT graph against what Hugging Face transformers makes of the same weights. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate, floats, integers, type Engine, type HostTensor } from '../../cli/engines/engine.ts';
import { createOnnxEngine } from '../../cli/engines/onnx/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { crossEntropy } from '../../cli/graph/ops/cross-entropy.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { createBert } from '../../cli/models/bert.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import { denseParts } from '../../cli/pclora/linear.ts';
import { openTensorFile } from '../../cli/pretrained/tensor-file.ts';
import { expectClose } from '../support/compare.ts';
import { goldenFolder, present } from '../support/shared.ts';

const folder = `${goldenFolder}/hf/bert-random-hf`;
const [BATCH, TOKENS] = [3, 8];
const sizes = {
  vocabSize: 500, maxPositions: 64, typeVocabSize: 2, hiddenSize: 48, layers: 2, heads: 4, intermediateSize: 96,
  layerNormEpsilon: 1e-12, initializerRange: 0.02, headDropout: 0, labels: ['a', 'b', 'c'],
};

const BLOCK_NAMES: Readonly<Record<string, string>> = {
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  attention: 'attention.output.dense',
  norm1: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  norm2: 'output.LayerNorm',
};
const OTHER_NAMES: Readonly<Record<string, string>> = {
  'embedding.word': 'bert.embeddings.word_embeddings.weight',
  'embedding.position': 'bert.embeddings.position_embeddings.weight',
  'embedding.type': 'bert.embeddings.token_type_embeddings.weight',
  'norm.weight': 'bert.embeddings.LayerNorm.weight',
  'norm.bias': 'bert.embeddings.LayerNorm.bias',
  'pooler.weight': 'bert.pooler.dense.weight',
  'pooler.bias': 'bert.pooler.dense.bias',
  'head.weight': 'classifier.weight',
  'head.bias': 'classifier.bias',
};

function checkpointName(name: string): string {
  const [, block, layer, suffix] = /^block\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  return block === undefined ? OTHER_NAMES[name] : `bert.encoder.layer.${block}.${BLOCK_NAMES[layer]}.${suffix}`;
}

describe.skipIf(!present(folder))('a random BERT of transformers', () => {
  const model = createBert({ ...sizes, tokens: TOKENS });
  const specs = tensorsOf(model.layers);
  let engine: Engine;
  let reference: ReturnType<typeof JSON.parse>;
  const feeds: Record<string, HostTensor> = {};
  beforeAll(async () => {
    engine = createOnnxEngine({ threads: 1 });
    reference = JSON.parse(readFileSync(`${folder}/reference.json`, 'utf8'));
    const file = await openTensorFile(`${folder}/model.safetensors`);
    for (const { name, shape } of specs) feeds[name] = floats(await file.read(checkpointName(name)), shape);
    await file.close();
    feeds.ids = integers(Int32Array.from(reference.input_ids.flat()), [BATCH, TOKENS]);
    feeds.types = integers(Int32Array.from(reference.token_type_ids.flat()), [BATCH, TOKENS]);
    feeds.mask = floats(Float32Array.from(reference.attention_mask.flat()), [BATCH, TOKENS]);
  });
  afterAll(() => engine.dispose());

  it('gives its logits and hidden states, padding masked', async () => {
    const { logits, blocks } = model.forward(model.batchInputs(BATCH, { padded: true }), BATCH, denseParts(specs));
    const results = await evaluate(engine, { outputs: { logits, ...Object.fromEntries(blocks.map((block, i) => [`block.${i}`, block])) } }, feeds);
    expectClose(results.logits.data, reference.logits.flat(), 1e-5, 'logits');
    // hidden_states[0] is the embedding, hidden_states[i + 1] block i's output, of token 0 here.
    const [, ...states]: number[][][] = reference.hidden_states_token0;
    states.forEach((state, i) => {
      const { data } = results[`block.${i}`];
      const first = state.flatMap((_, sample) => [...data.subarray(sample * TOKENS * 48, sample * TOKENS * 48 + 48)]);
      expectClose(first, state.flat(), 1e-5, `block ${i}`);
    });
  });

  it('needs no mask for a text without padding, whatever its length', async () => {
    for (const [sample, tokens] of [[0, 8], [1, 4]] as const) {
      const short = createBert({ ...sizes, tokens });
      const { logits } = short.forward(short.batchInputs(1), 1, denseParts(specs));
      const part = ({ data }: HostTensor): HostTensor => integers((data as Int32Array).slice(sample * TOKENS, sample * TOKENS + tokens), [1, tokens]);
      const results = await evaluate(engine, { outputs: { logits } }, { ...feeds, ids: part(feeds.ids), types: part(feeds.types) });
      expectClose(results.logits.data, reference.logits[sample], 1e-5, `sample ${sample}`);
    }
  });

  it('gives its loss, and the gradient of every tensor', async () => {
    const tensors = new Map<string, Node>(specs.map(({ name, shape }) => [name, input(name, shape)]));
    const { logits } = model.forward(model.batchInputs(BATCH, { padded: true }), BATCH, denseParts(specs, tensors));
    const loss = crossEntropy(logits, input('labels', [BATCH], 'i32'));
    const byTensor = gradients(loss, [...tensors.values()]);
    const outputs = { loss, ...Object.fromEntries([...tensors.keys()].map((name, i) => [name, byTensor[i]])) };
    const results = await evaluate(engine, { outputs }, { ...feeds, labels: integers(Int32Array.from(reference.labels), [BATCH]) });

    expectClose(results.loss.data, [reference.loss], 1e-6, 'loss');
    expect([...tensors.keys()].map(checkpointName).sort()).toEqual(Object.keys(reference.grads).sort());
    for (const name of tensors.keys()) {
      const { norm } = reference.grads[checkpointName(name)];
      const length = Math.hypot(...results[name].data);
      // Softmax ignores what a key's bias adds to a row: the true gradient is 0, and both sides hold rounding.
      if (name.endsWith('.key.bias')) expect(length, name).toBeLessThan(1e-6);
      else expectClose([length], [norm], 1e-5, `norm of ${name}'s gradient`);
    }
  });
});

/** The BERT graph against what Hugging Face transformers makes of the same weights. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor, integers } from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { crossEntropy } from '../../cli/graph/ops/cross-entropy.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { type TensorSpec, tensorsOf } from '../../cli/models/layers.ts';
import type { Model } from '../../cli/models/model.ts';
import { denseParts } from '../../cli/pclora/linear.ts';
import { type Checkpoint, loadCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { checkpointNames } from '../support/checkpoint-names.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';
import { goldenFolder, present } from '../support/shared.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tinyTokenizer } from '../support/tiny-tokenizer.ts';

const folder = `${goldenFolder}/hf/bert-random-hf`;
const [BATCH, TOKENS] = [3, 8];
describe.skipIf(!present(folder))('a random BERT of transformers', () => {
  const copy = temporaryFolder();
  let checkpoint: Checkpoint;
  let model: Model;
  let specs: TensorSpec[];
  let engine: Engine;
  let reference: ReturnType<typeof JSON.parse>;
  const feeds: Record<string, HostTensor> = {};
  beforeAll(async () => {
    engine = await onnxEngine();
    reference = JSON.parse(readFileSync(`${folder}/reference.json`, 'utf8'));
    // The golden folder has no tokenizer.
    for (const name of ['config.json', 'model.safetensors']) copyFileSync(`${folder}/${name}`, `${copy}/${name}`);
    writeFileSync(`${copy}/tokenizer.json`, JSON.stringify(tinyTokenizer(500)));
    checkpoint = await loadCheckpoint(copy, { seed: 0, maxTokens: TOKENS });
    ({ model } = checkpoint);
    specs = tensorsOf(model.layers);
    for (const { name, shape } of specs) feeds[name] = floats(checkpoint.tensors.get(name)!, shape);
    feeds.ids = integers(Int32Array.from(reference.input_ids.flat()), [BATCH, TOKENS]);
    feeds.types = integers(Int32Array.from(reference.token_type_ids.flat()), [BATCH, TOKENS]);
    feeds.mask = floats(Float32Array.from(reference.attention_mask.flat()), [BATCH, TOKENS]);
  });
  afterAll(() => engine.dispose());

  it('gives its logits and hidden states, padding masked', async () => {
    const { logits, blocks } = model.forward(model.batchInputs(BATCH, { padded: true }), BATCH, denseParts(specs));
    const results = await evaluate(
      engine,
      { outputs: { logits, ...Object.fromEntries(blocks.map((block, i) => [`block.${i}`, block])) } },
      feeds,
    );
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
    for (const [sample, tokens] of [
      [0, 8],
      [1, 4],
    ] as const) {
      const { logits } = model.forward(model.batchInputs(1, { tokens }), 1, denseParts(specs));
      const part = ({ data }: HostTensor): HostTensor =>
        integers((data as Int32Array).slice(sample * TOKENS, sample * TOKENS + tokens), [1, tokens]);
      const results = await evaluate(
        engine,
        { outputs: { logits } },
        { ...feeds, ids: part(feeds.ids), types: part(feeds.types) },
      );
      expectClose(results.logits.data, reference.logits[sample], 1e-5, `sample ${sample}`);
    }
  });

  it('gives its loss, and the gradient of every tensor', async () => {
    const tensors = new Map<string, Node>(specs.map(({ name, shape }) => [name, input(name, shape)]));
    const { logits } = model.forward(model.batchInputs(BATCH, { padded: true }), BATCH, denseParts(specs, tensors));
    const loss = crossEntropy(logits, input('labels', [BATCH], 'i32'));
    const byTensor = gradients(loss, [...tensors.values()]);
    const outputs = { loss, ...Object.fromEntries([...tensors.keys()].map((name, i) => [name, byTensor[i]])) };
    const results = await evaluate(
      engine,
      { outputs },
      { ...feeds, labels: integers(Int32Array.from(reference.labels), [BATCH]) },
    );

    expectClose(results.loss.data, [reference.loss], 1e-6, 'loss');
    const theirs = checkpointNames(checkpoint);
    expect([...theirs.values()].sort()).toEqual(Object.keys(reference.grads).sort());
    for (const name of tensors.keys()) {
      const { norm } = reference.grads[theirs.get(name)!];
      const length = Math.hypot(...results[name].data);
      // Softmax ignores what a key's bias adds to a row: the true gradient is 0, and both sides hold rounding.
      if (name.endsWith('.key.bias')) expect(length, name).toBeLessThan(1e-6);
      else expectClose([length], [norm], 1e-5, `norm of ${name}'s gradient`);
    }
  });
});

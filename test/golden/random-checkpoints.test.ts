/** Checkpoints with random weights against what Hugging Face transformers makes of them: every architecture, backwards, too. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor, integers } from '../../cli/engines/engine.ts';
import { gradients } from '../../cli/graph/grad.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { crossEntropy } from '../../cli/graph/ops/cross-entropy.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { type TensorSpec, tensorsOf } from '../../cli/models/layers.ts';
import { denseParts } from '../../cli/pclora/linear.ts';
import { usedCount } from '../../cli/pretrained/architecture.ts';
import { type Checkpoint, loadCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';
import { describeWith, own, shared, type TestData } from '../support/shared.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tinyTokenizer } from '../support/tiny-tokenizer.ts';

const ownData = (name: string): TestData => own(import.meta.url, `fixtures/${name}`);
const PICTURES = [ownData('random-vit'), ownData('random-deit'), shared('golden/hf/vit-random-hf')];
const TEXTS = [
  ownData('random-bert'),
  ownData('random-roberta'),
  ownData('random-distilbert'),
  shared('golden/hf/bert-random-hf'),
];
const BATCH = 3;

/** reference.json. */
interface Reference {
  /** (B, C, H, W) */
  readonly pixel_values: number[][][][];
  /** (B, T), as are the next two. */
  readonly input_ids: number[][];
  readonly attention_mask: number[][];
  readonly token_type_ids?: number[][];
  readonly labels: number[];
  readonly logits: number[][];
  readonly loss: number;
  /** (L + 1, B, D): of the embeddings, then of every block. */
  readonly hidden_states_token0: number[][][];
  readonly grads: Readonly<Record<string, { readonly norm: number; readonly first4: number[] }>>;
}

for (const data of PICTURES)
  describeWith([data], data.name, () =>
    compareWithTransformers(async () => {
      const reference = referenceOf(data);
      const checkpoint = await loadCheckpoint(data.path(), { seed: 0 });
      const { shape } = checkpoint.model.batchInputs(BATCH).pixels;
      return {
        reference,
        checkpoint,
        feeds: { pixels: floats(Float32Array.from(reference.pixel_values.flat(3)), shape) },
      };
    }),
  );

for (const data of TEXTS)
  describeWith([data], data.name, () => {
    const loaded = compareWithTransformers(() => loadTexts(data));

    it('needs no mask for a text without padding, whatever its length', async () => {
      const { engine, checkpoint, reference, feeds } = loaded();
      const { model } = checkpoint;
      const specs = tensorsOf(model.layers);
      for (let sample = 0; sample < BATCH; sample++) {
        const tokens = reference.attention_mask[sample].reduce((a, b) => a + b);
        const first = ({ data, shape: [, width] }: HostTensor): HostTensor =>
          integers((data as Int32Array).slice(sample * width, sample * width + tokens), [1, tokens]);
        const { mask: _, ...unmasked } = feeds;
        const cut = Object.fromEntries(Object.entries(unmasked).map(([name, tensor]) => [name, first(tensor)]));
        const { logits } = model.forward(model.batchInputs(1, { tokens }), 1, denseParts(specs));
        const results = await evaluate(engine, { outputs: { logits } }, { ...weightsOf(checkpoint), ...cut });
        expectClose(results.logits.data, reference.logits[sample], 1e-5, `sample ${sample}`);
      }
    });
  });

/** A checkpoint, and a batch of it. */
interface Subject {
  readonly reference: Reference;
  readonly checkpoint: Checkpoint;
  readonly feeds: Record<string, HostTensor>;
}

function referenceOf(data: TestData): Reference {
  return JSON.parse(readFileSync(data.path('reference.json'), 'utf8')) as Reference;
}

async function loadTexts(data: TestData): Promise<Subject> {
  const reference = referenceOf(data);
  const shape = [BATCH, reference.input_ids[0].length];
  // They have no tokenizer, without which slim loads none.
  const copy = temporaryFolder();
  for (const name of ['config.json', 'model.safetensors']) copyFileSync(data.path(name), join(copy, name));
  const { vocab_size: words } = JSON.parse(readFileSync(data.path('config.json'), 'utf8')) as { vocab_size: number };
  writeFileSync(join(copy, 'tokenizer.json'), JSON.stringify(tinyTokenizer(words)));
  // Of no model's own class: taken as it is.
  writeFileSync(join(copy, 'tokenizer_config.json'), '{"tokenizer_class": "PreTrainedTokenizerFast"}');
  const checkpoint = await loadCheckpoint(copy, { seed: 0, maxTokens: shape[1] });
  const ids = (rows: number[][]): HostTensor => integers(Int32Array.from(rows.flat()), shape);
  const { types } = checkpoint.model.batchInputs(BATCH, { padded: true });
  return {
    reference,
    checkpoint,
    feeds: {
      ids: ids(reference.input_ids),
      mask: floats(Float32Array.from(reference.attention_mask.flat()), shape),
      ...(types && { types: ids(reference.token_type_ids ?? reference.input_ids.map((row) => row.map(() => 0))) }),
    },
  };
}

function weightsOf({ model, tensors }: Checkpoint): Record<string, HostTensor> {
  return Object.fromEntries(
    tensorsOf(model.layers).map(({ name, shape }) => [name, floats(tensors.get(name)!, shape)]),
  );
}

/** The first token's row of each sample in a block's output (B·T, D). */
function firstTokens({ data, shape: [rows, width] }: HostTensor): number[] {
  return Array.from({ length: BATCH }, (_, i) => {
    const from = (i * rows * width) / BATCH;
    return [...data.subarray(from, from + width)];
  }).flat();
}

/** What is asked of every architecture; gives what was loaded, once tests run. */
function compareWithTransformers(load: () => Promise<Subject>): () => Subject & { readonly engine: Engine } {
  let engine: Engine;
  let subject: Subject;
  beforeAll(async () => {
    engine = await onnxEngine();
    subject = await load();
  });
  afterAll(() => engine?.dispose());

  it('gives its logits and hidden states, padding masked', async () => {
    const { reference, checkpoint, feeds } = subject;
    const { model } = checkpoint;
    const inputs = model.batchInputs(BATCH, { padded: true });
    const { logits, blocks } = model.forward(inputs, BATCH, denseParts(tensorsOf(model.layers)));
    const outputs = { logits, ...Object.fromEntries(blocks.map((block, i) => [`block.${i}`, block])) };
    const results = await evaluate(engine, { outputs }, { ...weightsOf(checkpoint), ...feeds });
    expectClose(results.logits.data, reference.logits.flat(), 1e-5, 'logits');
    const [, ...states] = reference.hidden_states_token0;
    expect(blocks).toHaveLength(states.length);
    states.forEach((state, i) => expectClose(firstTokens(results[`block.${i}`]), state.flat(), 1e-5, `block ${i}`));
  });

  it('gives its loss, and the gradient of every tensor', async () => {
    const { reference, checkpoint, feeds } = subject;
    const { model } = checkpoint;
    const specs = tensorsOf(model.layers);
    const tensors = new Map<string, Node>(specs.map(({ name, shape }) => [name, input(name, shape)]));
    const { logits } = model.forward(model.batchInputs(BATCH, { padded: true }), BATCH, denseParts(specs, tensors));
    const loss = crossEntropy(logits, input('labels', [BATCH], 'i32'));
    const byTensor = gradients(loss, [...tensors.values()]);
    const outputs = { loss, ...Object.fromEntries(specs.map(({ name }, i) => [name, byTensor[i]])) };
    const labels = integers(Int32Array.from(reference.labels), [BATCH]);
    const results = await evaluate(engine, { outputs }, { ...weightsOf(checkpoint), ...feeds, labels });

    expectClose(results.loss.data, [reference.loss], 1e-6, 'loss');
    const compared = specs.flatMap((spec) =>
      partsOf(checkpoint, spec, results[spec.name].data as Float32Array).map(({ name, values, skipped }) => {
        const { norm, first4 } = reference.grads[name];
        if (/(key|k_lin)\.bias$/.test(name)) {
          // Softmax ignores what a key's bias adds to a row: the true gradient is 0, and both sides hold rounding.
          expect(norm, name).toBeLessThan(1e-6);
          expect(Math.hypot(...values), name).toBeLessThan(1e-6);
          return name;
        }
        expectClose([Math.hypot(...values)], [norm], 1e-5, `norm of ${name}'s gradient`);
        // To the largest entry that a gradient of this norm is sure to have.
        const typical = norm / Math.sqrt(values.length);
        const first = [...new Array<number>(Math.min(skipped, 4)).fill(0), ...values].slice(0, 4);
        expectClose(
          first.map((g) => g / typical),
          first4.map((g) => g / typical),
          1e-4,
          `${name}'s gradient`,
        );
        return name;
      }),
    );
    expect(compared.sort()).toEqual(Object.keys(reference.grads).sort());
  });

  return () => ({ ...subject, engine });
}

/** One of our tensors' values as those of the checkpoint's tensors that hold it, behind so many that no text reaches. */
function partsOf({ architecture, config }: Checkpoint, spec: TensorSpec, values: Float32Array) {
  let from = 0;
  return architecture.storedAs(spec, config).map((part) => ({
    name: part.name,
    values: values.subarray(from, (from += usedCount(part))),
    skipped: part.unused,
  }));
}

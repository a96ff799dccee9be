/** Every architecture against what Hugging Face transformers makes of the same weights (fixtures/make_fixtures.py). */
import { mkdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Engine, evaluate, floats, type HostTensor, integers } from '../../cli/engines/engine.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import { denseParts } from '../../cli/pclora/linear.ts';
import { type Checkpoint, loadCheckpoint, saveCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { openTensorFile, saveTensors } from '../../cli/pretrained/tensor-file.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tinyTokenizer } from '../support/tiny-tokenizer.ts';

interface Golden {
  readonly config: Record<string, unknown>;
  readonly tensors: Readonly<Record<string, number[]>>;
  readonly inputs: Readonly<
    Record<'input_ids' | 'attention_mask' | 'token_type_ids', { shape: number[]; values: number[] } | undefined>
  >;
  readonly logits: number[];
}
const golden: Readonly<Record<string, Golden>> = JSON.parse(
  readFileSync(new URL('fixtures/encoders.json', import.meta.url), 'utf8'),
);
const TEXTS = ['bert', 'roberta', 'distilbert'];

const root = temporaryFolder();
let count = 0;
let folder: string;
let engine: Engine;
beforeAll(async () => {
  engine = await onnxEngine();
});
afterAll(() => engine.dispose());
beforeEach(() => {
  folder = join(root, String(count++));
  mkdirSync(folder);
});

/** The formula of make_fixtures.py. */
function weight(name: string, shape: readonly number[]): Float32Array {
  const start = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 0.3 * Math.sin(start + 0.37 * i));
}

interface Changes {
  readonly config?: Record<string, unknown>;
  readonly rename?: (name: string) => string;
  readonly keep?: (name: string) => boolean;
  readonly words?: number;
}

/** Writes a folder as transformers does. */
async function writeModel(
  model: string,
  { config = {}, rename = (name) => name, keep = () => true, words = 40 }: Changes = {},
): Promise<void> {
  const entries = Object.entries(golden[model].tensors).filter(([name]) => keep(name));
  await saveTensors(
    join(folder, 'model.safetensors'),
    entries.map(([name, shape]) => [rename(name), { shape, data: weight(name, shape) }]),
  );
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...golden[model].config, ...config }));
  if (!TEXTS.includes(model)) return;
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tinyTokenizer(words)));
  // Of no model's own class: taken as it is.
  const tokenizerConfig = { tokenizer_class: 'PreTrainedTokenizerFast' };
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(tokenizerConfig));
}

async function logitsOf({ model, tensors }: Checkpoint, { inputs }: Golden): Promise<HostTensor> {
  const { input_ids: ids, attention_mask: mask, token_type_ids: types } = inputs;
  const [batch, tokens] = ids?.shape ?? [2];
  const specs = tensorsOf(model.layers);
  const nodes = model.batchInputs(batch, { padded: true, tokens });
  const { logits } = model.forward(nodes, batch, denseParts(specs));
  const feeds: Record<string, HostTensor> = Object.fromEntries(
    specs.map(({ name, shape }) => [name, floats(tensors.get(name)!, shape)]),
  );
  if (ids) {
    feeds.ids = integers(Int32Array.from(ids.values), ids.shape);
    feeds.mask = floats(Float32Array.from(mask!.values), ids.shape);
    if (nodes.types)
      feeds.types = integers(Int32Array.from(types?.values ?? new Array(batch * tokens).fill(0)), ids.shape);
  } else {
    feeds.pixels = floats(
      Float32Array.from({ length: 2 * 3 * 16 * 24 }, (_, i) => Math.cos(0.61 * i)),
      [2, 3, 16, 24],
    );
  }
  return (await evaluate(engine, { outputs: { logits } }, feeds)).logits;
}

describe.each(Object.keys(golden))('%s', (model) => {
  it('gives the logits of transformers, padding masked', async () => {
    await writeModel(model);
    const checkpoint = await loadCheckpoint(folder, { seed: 0 });
    expect(checkpoint.notices).toEqual([]);
    expectClose((await logitsOf(checkpoint, golden[model])).data, golden[model].logits, 1e-5, 'logits');
  });

  it('is written with their names, shapes and config, and read again as it was', async () => {
    await writeModel(model);
    const loaded = await loadCheckpoint(folder, { seed: 0 });
    const again = join(folder, 'again');
    await saveCheckpoint(again, loaded, loaded.tensors);
    expect(await loadCheckpoint(again, { seed: 0 })).toMatchObject({
      config: loaded.config,
      tensors: loaded.tensors,
      preprocessing: { kind: loaded.preprocessing.kind },
      notices: [],
    });
    const file = await openTensorFile(join(again, 'model.safetensors'));
    expect(Object.fromEntries(file.shapes)).toEqual(golden[model].tensors);
    await file.close();
    const config = JSON.parse(await readFile(join(again, 'config.json'), 'utf8'));
    const { config: theirs } = golden[model];
    // What theirs has too is the same; dropout within the blocks is not modelled, and classifier_dropout is written
    // out.
    for (const [field, value] of Object.entries(theirs)) {
      if (field in config && !/dropout/.test(field)) expect(config[field], field).toEqual(value);
    }
    expect(config.architectures).toEqual(theirs.architectures);
  });
});

describe.each(TEXTS)('a %s checkpoint', (model) => {
  it("has a new pooler and head where its task was another one, and its encoder's names have no prefix", async () => {
    const heads = /^(classifier|pre_classifier|bert\.pooler)\./;
    await writeModel(model, {
      keep: (name) => !heads.test(name),
      rename: (name) => name.replace(/^(bert|roberta|distilbert)\./, ''),
    });
    const { tensors, notices, architecture, config } = await loadCheckpoint(folder, { labels: ['a', 'b'], seed: 0 });
    expect(notices).toEqual(['The pooler and the classification head are new: the checkpoint has none.']);
    expect(tensors.get('head.weight')).toHaveLength(2 * 16);
    expect(tensors.get('pooler.bias')).toEqual(new Float32Array(16));
    const [{ name, shape }] = architecture.storedAs(
      { name: 'block.1.up.weight', shape: [24, 16], start: 'normal' },
      config,
    );
    expect(tensors.get('block.1.up.weight')).toEqual(weight(name, shape));
  });

  it('keeps its pooler where the labels are others', async () => {
    await writeModel(model);
    const { tensors, notices } = await loadCheckpoint(folder, { labels: ['a', 'b'], seed: 0 });
    expect(notices).toEqual(['The classification head is new: the checkpoint knows 3 labels, the data 2.']);
    expect(tensors.get('pooler.weight')!.some((value) => Math.abs(value) > 0.2)).toBe(true);
  });

  it("reads TensorFlow's names of layer norms, and leaves out tensors that it does not know", async () => {
    await writeModel(model, {
      rename: (name) =>
        name.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta'),
    });
    expectClose(
      (await logitsOf(await loadCheckpoint(folder, { seed: 0 }), golden[model])).data,
      golden[model].logits,
      1e-5,
      'logits',
    );
  });

  it('takes texts up to its positions, and fewer where asked or written', async () => {
    await writeModel(model);
    const lengthOf = async (maxTokens?: number) => (await loadCheckpoint(folder, { seed: 0, maxTokens })).preprocessing;
    expect(await lengthOf()).toMatchObject({ kind: 'text', maxTokens: 20, tokenizer: tinyTokenizer(40) });
    expect(await lengthOf(7)).toMatchObject({ maxTokens: 7 });
    await expect(lengthOf(21)).rejects.toThrow(
      `${folder}: expected at most 20 tokens, for which it has positions, got 21`,
    );
    await writeFile(
      join(folder, 'tokenizer_config.json'),
      JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', model_max_length: 12, do_lower_case: true }),
    );
    expect(await lengthOf()).toMatchObject({ maxTokens: 12 });
    // What a run of ours asked for is what it is loaded with.
    const asked = await loadCheckpoint(folder, { seed: 0, maxTokens: 5 });
    await saveCheckpoint(join(folder, 'saved'), asked, asked.tensors);
    expect((await loadCheckpoint(join(folder, 'saved'), { seed: 0 })).config).toEqual(asked.config);
    await writeFile(
      join(folder, 'tokenizer_config.json'),
      '{"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 1000000000000000019884624838656}',
    );
    const { model: network, config } = await loadCheckpoint(folder, { seed: 0 });
    expect(config).toMatchObject({ tokens: 20 });
    expect(network.batchInputs(1).ids.shape).toEqual([1, 20]);
  });

  it('refuses a tokenizer that knows more words than it', async () => {
    await writeModel(model, { words: 41 });
    await expect(loadCheckpoint(folder, { seed: 0 })).rejects.toThrow(
      `${folder}: the tokenizer has ids up to 40, the checkpoint has embeddings for 40`,
    );
  });

  it('refuses an image size', async () => {
    await writeModel(model);
    await expect(loadCheckpoint(folder, { seed: 0, imageSize: { height: 16, width: 16 } })).rejects.toThrow(
      'is a model of texts',
    );
  });

  const [size, layers, heads, act] =
    model === 'distilbert'
      ? ['dim', 'n_layers', 'n_heads', 'activation']
      : ['hidden_size', 'num_hidden_layers', 'num_attention_heads', 'hidden_act'];
  it.each([
    [{ [act]: 'xielu' }, 'xielu'],
    [{ position_embedding_type: 'relative_key' }, 'expected position_embedding_type absolute, got relative_key'],
    [{ [heads]: 3 }, 'expected a hidden size divisible by 3 heads, got 16'],
    [{ [size]: 1 << 19 }, 'expected shape (40, 524288), got (40, 16)'],
    [{ [layers]: 1e6 }, `${layers} to be a whole number from 1 to 1000`],
    [{ vocab_size: 0 }, 'vocab_size to be a whole number from 1'],
    [{ vocab_size: 1 << 19 }, 'expected shape (524288, 16), got (40, 16)'],
    [{ max_position_embeddings: 1 << 19 }, 'got ('],
    [{ max_position_embeddings: 1 << 30 }, 'max_position_embeddings to be a whole number from 1'],
    [
      { [model === 'distilbert' ? 'seq_classif_dropout' : 'classifier_dropout']: 1 },
      "expected the head's dropout to be below 1, got 1",
    ],
  ])('is refused where its config says %j', async (config, message) => {
    await writeModel(model, { config });
    await expect(loadCheckpoint(folder, { seed: 0 })).rejects.toThrow(message);
  });
});

describe('the dropouts of the head', () => {
  const dropoutsOf = async (model: string, config: Record<string, unknown>) => {
    await writeModel(model, { config });
    return (await loadCheckpoint(folder, { seed: 0 })).model.dropouts;
  };
  it("are where each model's head has them, at the rate of its config", async () => {
    expect(await dropoutsOf('bert', { classifier_dropout: 0.3 })).toEqual([{ name: 'dropout', width: 16, rate: 0.3 }]);
    expect(await dropoutsOf('bert', { classifier_dropout: null, hidden_dropout_prob: 0.2 })).toEqual([
      { name: 'dropout', width: 16, rate: 0.2 },
    ]);
    expect(await dropoutsOf('roberta', {})).toEqual([
      { name: 'poolerDropout', width: 16, rate: 0.1 },
      { name: 'dropout', width: 16, rate: 0.1 },
    ]);
    expect(await dropoutsOf('distilbert', { seq_classif_dropout: 0.4 })).toEqual([
      { name: 'dropout', width: 16, rate: 0.4 },
    ]);
    expect(await dropoutsOf('distilbert', { seq_classif_dropout: 0 })).toEqual([]);
  });
});

describe("RoBERTa's positions", () => {
  it('begin after the two rows of padding, which are written as zeros', async () => {
    await writeModel('roberta');
    const loaded = await loadCheckpoint(folder, { seed: 0 });
    const name = 'roberta.embeddings.position_embeddings.weight';
    expect(loaded.tensors.get('embedding.position')).toEqual(weight(name, [22, 16]).subarray(32));
    await saveCheckpoint(folder, loaded, loaded.tensors);
    const file = await openTensorFile(join(folder, 'model.safetensors'));
    const written = await file.read(name);
    await file.close();
    expect(written.subarray(0, 32)).toEqual(new Float32Array(32));
    expect(written.subarray(32)).toEqual(weight(name, [22, 16]).subarray(32));
  });

  it('are refused where they are counted from elsewhere, or where there are none', async () => {
    await writeModel('roberta', { config: { pad_token_id: 0 } });
    await expect(loadCheckpoint(folder, { seed: 0 })).rejects.toThrow('expected pad_token_id 1, got 0');
    await writeModel('roberta', { config: { max_position_embeddings: 2 } });
    await expect(loadCheckpoint(folder, { seed: 0 })).rejects.toThrow(
      'expected max_position_embeddings above 2, got 2',
    );
  });
});

describe('DeiT', () => {
  it('keeps both class tokens where the size of pictures is another', async () => {
    await writeModel('deit');
    const { tensors, notices } = await loadCheckpoint(folder, { seed: 0, imageSize: { height: 32, width: 32 } });
    expect(notices).toEqual(['Position embeddings were interpolated from 2×3 to 4×4 patches.']);
    const position = tensors.get('embedding.position')!;
    expect(position).toHaveLength(18 * 16);
    expect(position.subarray(0, 32)).toEqual(weight('deit.embeddings.position_embeddings', [1, 8, 16]).subarray(0, 32));
  });

  it('gets two new heads where it has two and the labels are others', async () => {
    await writeModel('deit-with-teacher');
    const { model } = await loadCheckpoint(folder, { seed: 0, labels: ['a', 'b'] });
    expect(
      model.layers.filter(({ kind }) => kind === 'head').map(({ name, tensors: [{ shape }] }) => [name, shape]),
    ).toEqual([
      ['head', [2, 16]],
      ['distilled', [2, 16]],
    ]);
  });
});

/** Hugging Face folders: whole, in shards, without a head, for other labels and sizes; and folders that lie. */
import { mkdirSync } from 'node:fs';
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../cli/io/errors.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import { type LoadOptions, loadCheckpoint, loadDescription, saveCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { interpolatePositions } from '../../cli/pretrained/interpolate.ts';
import { imagePreprocessOf } from '../../cli/pretrained/preprocessing.ts';
import { saveTensors } from '../../cli/pretrained/tensor-file.ts';
import { vitArchitecture } from '../../cli/pretrained/vit-checkpoint.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { denseTensors, tinyConfig, tinyVit } from '../support/tiny-vit.ts';

const root = temporaryFolder();
let count = 0;
let folder: string;
beforeEach(() => {
  folder = join(root, String(count++));
  mkdirSync(folder);
});

const description = {
  architecture: vitArchitecture,
  config: tinyConfig,
  model: tinyVit,
  preprocessing: { kind: 'image' as const, image: defaultImagePreprocess(tinyConfig.imageSize) },
};
const save = (): Promise<void> => saveCheckpoint(folder, description, denseTensors);
const load = (options: Partial<LoadOptions> = {}) => loadCheckpoint(folder, { seed: 0, ...options });

/** What a checkpoint file holds, by Hugging Face's names. */
function checkpointEntries(rename = (name: string) => name) {
  return tensorsOf(tinyVit.layers).map((spec) => {
    const [{ name, shape }] = vitArchitecture.storedAs(spec, tinyConfig);
    return [rename(name), { shape, data: denseTensors.get(spec.name)! }] as const;
  });
}

/** Config.json with some fields changed. */
async function writeConfig(changes: Record<string, unknown> = {}): Promise<void> {
  await writeFile(
    join(folder, 'config.json'),
    JSON.stringify({ ...vitArchitecture.writeConfig(tinyConfig), ...changes }),
  );
}

async function refusal(run: Promise<unknown>): Promise<UserError> {
  const error = await run.then(
    () => new Error('not refused'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof UserError)) throw error;
  return error;
}

describe('a saved checkpoint', () => {
  it('loads as it was', async () => {
    await save();
    const loaded = await load();
    expect(loaded.config).toEqual(tinyConfig);
    expect(loaded.preprocessing).toEqual(description.preprocessing);
    expect(loaded.tensors).toEqual(denseTensors);
    expect(loaded.notices).toEqual([]);
    expect(await loadDescription(folder)).toMatchObject({
      config: tinyConfig,
      preprocessing: description.preprocessing,
    });
  });

  it("has the names and shapes of transformers' ViTForImageClassification", async () => {
    await save();
    const bytes = await readFile(join(folder, 'model.safetensors'));
    const header: Record<string, { shape?: number[] }> = JSON.parse(
      bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString(),
    );
    expect(header.__metadata__).toEqual({ format: 'pt' });
    expect(header['vit.embeddings.cls_token'].shape).toEqual([1, 1, 12]);
    expect(header['vit.embeddings.position_embeddings'].shape).toEqual([1, 7, 12]);
    expect(header['vit.embeddings.patch_embeddings.projection.weight'].shape).toEqual([12, 3, 4, 4]);
    expect(header['vit.encoder.layer.1.intermediate.dense.weight'].shape).toEqual([20, 12]);
    expect(header['classifier.weight'].shape).toEqual([5, 12]);
    expect(Object.keys(header)).toHaveLength(1 + 4 + 2 * 16 + 2 + 2);
  });

  it('loads from shards', async () => {
    await writeConfig();
    const entries = checkpointEntries();
    const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    await Promise.all(
      shards.map((shard, i) =>
        saveTensors(
          join(folder, shard),
          entries.filter((_, k) => k % 2 === i),
        ),
      ),
    );
    const weightMap = Object.fromEntries(entries.map(([name], k) => [name, shards[k % 2]]));
    await writeFile(
      join(folder, 'model.safetensors.index.json'),
      JSON.stringify({ metadata: {}, weight_map: weightMap }),
    );
    expect((await load()).tensors).toEqual(denseTensors);
  });

  it('loads with the names of a bare ViTModel, whose head is missing', async () => {
    await writeConfig();
    const entries = checkpointEntries((name) => name.replace(/^vit\./, '')).filter(
      ([name]) => !name.startsWith('classifier'),
    );
    await saveTensors(join(folder, 'model.safetensors'), entries);
    const { tensors, notices } = await load();
    for (const { name } of tensorsOf(tinyVit.layers))
      if (!name.startsWith('head.')) expect(tensors.get(name), name).toEqual(denseTensors.get(name));
    expect(tensors.get('head.bias')).toEqual(new Float32Array(5));
    expect(notices).toEqual(['The classification head is new: the checkpoint has none.']);
  });
});

describe('loaded for a task of its own', () => {
  it('a checkpoint keeps its head where the labels are its own', async () => {
    await save();
    expect((await load({ labels: ['a', 'b', 'c', 'd', 'e'] })).tensors.get('head.weight')).toEqual(
      denseTensors.get('head.weight'),
    );
  });

  it('and where they are its own in another order: the head follows the data', async () => {
    await save();
    const { tensors, config, notices, newHead } = await load({ labels: ['c', 'a', 'b', 'e', 'd'] });
    expect([config.labels, notices, newHead]).toEqual([['c', 'a', 'b', 'e', 'd'], [], false]);
    for (const name of ['head.weight', 'head.bias']) {
      const [theirs, ours] = [denseTensors.get(name)!, tensors.get(name)!];
      const width = theirs.length / 5;
      for (const [row, from] of [2, 0, 1, 4, 3].entries())
        expect(ours.subarray(row * width, (row + 1) * width)).toEqual(
          theirs.subarray(from * width, (from + 1) * width),
        );
    }
  });

  it('and where nobody gave its labels names, as many do: then the data does', async () => {
    await save();
    await writeConfig({ id2label: Object.fromEntries([0, 1, 2, 3, 4].map((i) => [i, `LABEL_${i}`])) });
    const { tensors, config, notices, newHead } = await load({ labels: ['v', 'w', 'x', 'y', 'z'] });
    expect([config.labels, notices, newHead]).toEqual([['v', 'w', 'x', 'y', 'z'], [], false]);
    expect(tensors.get('head.weight')).toEqual(denseTensors.get('head.weight'));
    expect((await load({ labels: ['v', 'w'] })).newHead).toBe(true);
  });

  it.each([
    [['ants', 'bees'], '2'],
    [['a', 'b', 'c', 'd', 'f'], 'others'],
  ])('a checkpoint gets a new head for %j, from the seed, and says so', async (labels, others) => {
    await save();
    const { tensors, notices, config, model } = await load({ labels });
    expect(config.labels).toEqual(labels);
    expect(model.labels).toEqual(labels);
    const weight = tensors.get('head.weight')!;
    expect(weight).toHaveLength(labels.length * 12);
    // Normal with the config's initializer_range: a deviation of so few draws is within a half of it.
    const deviation = Math.hypot(...weight) / Math.sqrt(weight.length) / tinyConfig.initializerRange;
    expect(deviation).toBeGreaterThan(0.5);
    expect(deviation).toBeLessThan(1.5);
    expect(tensors.get('head.bias')).toEqual(new Float32Array(labels.length));
    expect(notices).toEqual([`The classification head is new: the checkpoint knows 5 labels, the data ${others}.`]);
    expect((await load({ labels })).tensors.get('head.weight')).toEqual(weight);
    expect((await load({ labels, seed: 1 })).tensors.get('head.weight')).not.toEqual(weight);
  });

  it('a checkpoint gets new positions for another image size, and says so', async () => {
    await save();
    const { tensors, notices, preprocessing, config } = await load({ imageSize: { height: 16, width: 16 } });
    const expected = interpolatePositions(
      denseTensors.get('embedding.position')!,
      12,
      { height: 2, width: 3 },
      { height: 4, width: 4 },
    );
    expect(tensors.get('embedding.position')).toEqual(expected);
    expect(config).toMatchObject({ imageSize: { height: 16, width: 16 } });
    expect(imagePreprocessOf(preprocessing)).toMatchObject({
      size: { height: 16, width: 16 },
      resize: { mode: 'exact', height: 16, width: 16 },
    });
    expect(notices).toEqual(['Position embeddings were interpolated from 2×3 to 4×4 patches.']);
  });

  it('an image size that patches do not divide is refused', async () => {
    await save();
    expect((await refusal(load({ imageSize: { height: 18, width: 16 } }))).message).toContain(
      'expected an image size divisible by the patch size 4, got 18×16',
    );
  });
});

describe('weights that do not fit', () => {
  it('name a missing tensor', async () => {
    await writeConfig();
    await saveTensors(
      join(folder, 'model.safetensors'),
      checkpointEntries().filter(([name]) => name !== 'vit.encoder.layer.1.output.dense.weight'),
    );
    const error = await refusal(load());
    expect(error.message).toBe(
      `tensor vit.encoder.layer.1.output.dense.weight is missing in ${folder}/model.safetensors`,
    );
    expect(error.hint).toBe(
      'It holds 39 tensors: classifier.bias, classifier.weight, vit.embeddings.cls_token ... ' +
        'Does config.json belong to these weights?',
    );
  });

  it('name a tensor of the wrong shape, the expected shape and its own', async () => {
    await save();
    await writeConfig({ intermediate_size: 24 });
    expect((await refusal(load())).message).toBe(
      `tensor vit.encoder.layer.0.intermediate.dense.weight in ${folder}/model.safetensors: ` +
        'expected shape (24, 12), got (20, 12)',
    );
  });

  it('name an integer tensor', async () => {
    await save();
    const path = join(folder, 'model.safetensors');
    const text = (await readFile(path))
      .toString('latin1')
      .replace('"classifier.bias":{"dtype":"F32"', '"classifier.bias":{"dtype":"I32"');
    await writeFile(path, text, 'latin1');
    expect((await refusal(load())).message).toContain('tensor classifier.bias');
  });

  it('are damaged where they are cut short', async () => {
    await save();
    await truncate(join(folder, 'model.safetensors'), 5000);
    expect((await refusal(load())).message).toContain(
      `${folder}/model.safetensors is damaged: expected a safetensors file of at least`,
    );
  });
});

describe('a shard index', () => {
  const index = (weightMap: unknown): Promise<void> =>
    writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
  beforeEach(() => writeConfig());

  it.each([
    '../secret.safetensors',
    '/etc/secret.safetensors',
    'sub/model.safetensors',
    '..',
    'model.bin',
    '',
    7,
    null,
  ])('that leads to %j is refused', async (shard) => {
    await index({ 'classifier.bias': shard });
    expect((await refusal(load())).message).toBe(
      `${folder}/model.safetensors.index.json: ` +
        `expected the name of a .safetensors file in the same folder, got ${JSON.stringify(shard)}`,
    );
  });

  it.each([[{}], [[]], [null], ['model.safetensors']])('that lists nothing (%j) is refused', async (weightMap) => {
    await index(weightMap);
    expect((await refusal(load())).message).toContain('model.safetensors.index.json: expected an object weight_map');
  });

  it('that names an absent shard is refused', async () => {
    await index({ 'classifier.bias': 'model-00001-of-00001.safetensors' });
    expect((await refusal(load())).message).toContain(`can't read ${folder}/model-00001-of-00001.safetensors`);
  });
});

describe('a folder', () => {
  it('that does not exist, is a file, or holds no config.json or weights is refused', async () => {
    expect((await refusal(loadCheckpoint(join(folder, 'none'), { seed: 0 }))).message).toBe(
      `model ${folder}/none does not exist`,
    );
    await writeFile(join(folder, 'file'), '');
    expect((await refusal(loadCheckpoint(join(folder, 'file'), { seed: 0 }))).message).toBe(
      `model ${folder}/file is a file, expected a folder`,
    );
    expect((await refusal(load())).message).toBe(`${folder} has no config.json`);
    await writeConfig();
    expect((await refusal(load())).message).toBe(
      `${folder} has none of model.safetensors, model.safetensors.index.json, ` +
        'pytorch_model.bin, pytorch_model.bin.index.json',
    );
    await mkdir(join(folder, 'model.safetensors'));
    expect((await refusal(load())).message).toBe(`${folder}/model.safetensors is no file`);
  });

  it.each([
    [{ model_type: 'swin' }, 'is of the unknown architecture "swin"'],
    [{ model_type: 7 }, 'is of the unknown architecture 7'],
    [{ model_type: undefined }, 'has no model_type'],
  ])('of another architecture (%j) is refused, and the supported ones are listed', async (changes, message) => {
    await writeConfig(changes);
    const error = await refusal(load());
    expect(error.message).toBe(`${folder}/config.json ${message}`);
    expect(error.hint).toMatch(/^Supported: .*\bvit\b/);
  });

  it.each(['', '{', '[]', 'null', '"vit"', '7'])('whose config.json is %j is refused', async (text) => {
    await writeFile(join(folder, 'config.json'), text);
    expect((await refusal(load())).message).toContain(`${folder}/config.json`);
  });

  const lies: [field: string, value: unknown, expected: string][] = [
    ['hidden_size', 0, 'a whole number from 1'],
    ['hidden_size', -12, 'a whole number from 1'],
    ['hidden_size', 12.5, 'a whole number from 1'],
    ['hidden_size', '12', 'a whole number from 1'],
    ['hidden_size', 1e300, 'a whole number from 1'],
    ['hidden_size', [12], 'a whole number from 1'],
    ['hidden_size', 13, 'hidden_size divisible by 3 heads, got 13'],
    ['num_hidden_layers', 1e6, 'num_hidden_layers to be a whole number from 1 to 1000, got 1000000'],
    ['num_attention_heads', 0, 'a whole number from 1'],
    ['num_attention_heads', 5, 'hidden_size divisible by 5 heads, got 12'],
    ['patch_size', 5, 'an image size divisible by the patch size 5, got 8×12'],
    ['patch_size', [4, 2], 'patch_size to be a square, got 4×2'],
    ['image_size', [8, 12, 3], 'image_size to be one number or two'],
    ['image_size', 1 << 20, 'patches a picture are too many'],
    ['layer_norm_eps', -1, 'layer_norm_eps to be a number of at least 0, got -1'],
    ['layer_norm_eps', 'tiny', 'layer_norm_eps to be a number of at least 0, got "tiny"'],
    ['hidden_act', 'prelu', 'hidden_act to be an activation that Slim computes, got "prelu"'],
    ['hidden_act', 7, 'hidden_act to be a string, got 7'],
    ['id2label', {}, 'id2label'],
    ['id2label', ['a', 'b'], 'id2label to be an object'],
    ['id2label', { 0: 'a', 2: 'c' }, 'id2label["1"] to be a string, got undefined'],
    ['id2label', { 0: 'a', 1: 7 }, 'id2label["1"] to be a string, got 7'],
  ];
  it.each(lies)('whose config.json says %s is %j is refused', async (field, value, expected) => {
    await save();
    await writeConfig({ [field]: value });
    const started = performance.now();
    const error = await refusal(load());
    expect(error.message).toContain(`${folder}/config.json`);
    expect(error.message).toContain(expected);
    expect(performance.now() - started, 'refused before memory is asked for').toBeLessThan(1000);
  });

  it.each([[0], [-1], [1e9], ['five']])('whose config.json says num_labels is %j is refused', async (value) => {
    await save();
    await writeConfig({ id2label: undefined, num_labels: value });
    expect((await refusal(load())).message).toContain('num_labels');
  });

  it('without id2label gets made-up labels', async () => {
    await save();
    await writeConfig({ id2label: undefined, num_labels: 5 });
    const { config, notices } = await load();
    expect(config.labels).toEqual(['LABEL_0', 'LABEL_1', 'LABEL_2', 'LABEL_3', 'LABEL_4']);
    expect(notices).toEqual([]);
  });
});

/** Checkpoints that would be answered wrongly are refused, in a sentence that says what was found and what to do. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, it } from 'vitest';
import type { UserError } from '../../cli/io/errors.ts';
import { loadCheckpoint } from '../../cli/pretrained/checkpoint.ts';
import { openTensorFile, saveTensors } from '../../cli/pretrained/tensor-file.ts';
import { loadTrainedModel } from '../../cli/train/trained-model.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const FIXTURES = fileURLToPath(new URL('fixtures/', import.meta.url));
const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);

function begin(family: string): void {
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(FIXTURES, family), folder, { recursive: true });
}
beforeEach(() => begin('vit-silu'));

function edit(changes: Readonly<Record<string, unknown>>, file = 'config.json'): void {
  writeFileSync(at(file), JSON.stringify({ ...JSON.parse(readFileSync(at(file), 'utf8')), ...changes }));
}

async function rename(named: (name: string) => string | null): Promise<void> {
  const file = await openTensorFile(at('model.safetensors'));
  const tensors: [string, { shape: readonly number[]; data: Float32Array }][] = [];
  for (const [name, shape] of file.shapes) {
    const to = named(name);
    if (to !== null) tensors.push([to, { shape, data: await file.read(name) }]);
  }
  await file.close();
  await saveTensors(at('model.safetensors'), tensors);
}

async function refusal(): Promise<UserError> {
  return loadTrainedModel(folder).then(
    () => expect.fail('not refused'),
    (error: UserError) => error,
  );
}

it('without a head', async () => {
  await rename((name) => (name.startsWith('classifier') ? null : name));
  const { message, hint } = await refusal();
  expect(message).toBe(
    `${folder} has no trained classification head: there is no classifier.weight nor classifier.bias in its weights`,
  );
  expect(hint).toContain(`slim finetune --model ${folder}`);
  expect((await loadCheckpoint(folder, { seed: 0, labels: ['a', 'b'] })).newHead).toBe(true);
});

it('with code of its own', async () => {
  edit({ auto_map: { AutoModelForImageClassification: 'modeling.MyViT' } });
  expect((await refusal()).message).toContain(
    'config.json: the model runs code of its own (auto_map names AutoModelForImageClassification)',
  );
});

it('whose weights are quantized', async () => {
  edit({ quantization_config: { quant_method: 'bitsandbytes', load_in_8bit: true } });
  expect((await refusal()).message).toContain('the weights are quantized by bitsandbytes');
});

it('that PEFT has wrapped', async () => {
  await rename((name) => name.replace('query.weight', 'query.base_layer.weight'));
  const { message, hint } = await refusal();
  expect(message).toContain('holds a PEFT model whose adapter is not merged (');
  expect(hint).toContain('merge_and_unload');
});

it('whose pictures are prepared nobody knows how', async () => {
  rmSync(at('preprocessor_config.json'));
  expect((await refusal()).message).toContain('has no preprocessor_config.json');
});

it.each([
  [{ size: { height: 20, width: 20 } }, 'the preprocessor makes pictures of 20×20, the model takes 16×16'],
  [{ size: { longest_edge: 16 } }, 'preprocessor_config.json: size: expected height and width, or shortest_edge'],
  [{ image_mean: [0.5] }, 'preprocessor_config.json: image_mean: expected a list of 3'],
  [{ image_processor_type: 'MobileViTImageProcessor' }, 'image_processor_type: expected one of ViTImageProcessor'],
])('whose preprocessor says %j', async (changes, expected) => {
  edit(changes, 'preprocessor_config.json');
  expect((await refusal()).message).toContain(expected);
});

it.each([2, 4])('of %i channels', async (channels) => {
  edit({ num_channels: channels });
  expect((await refusal()).message).toContain(`expected a model of 1 or 3 channels, got ${channels}`);
});

it.each([
  ['reg_token', 'registers'],
  ['blocks.0.attn.q_norm.weight', 'norms of queries and keys'],
  ['fc_norm.weight', 'a head on the mean of the patches'],
  ['attn_pool.latent', 'attention pooling before its head'],
])("of timm's, with %s", async (name, what) => {
  begin('timm-vit');
  await rename((known) => (known === 'norm.bias' ? name : known));
  expect((await refusal()).message).toBe(`${folder} is a timm model with ${what}, which Slim does not compute`);
});

it.each(['module.', 'model.', '_orig_mod.'])('is read with %s before its names', async (prefix) => {
  const { tensors } = await loadCheckpoint(folder, { seed: 0 });
  await rename((name) => prefix + name);
  const { tensors: again, newHead } = await loadCheckpoint(folder, { seed: 0 });
  expect(newHead).toBe(false);
  expect(again).toEqual(tensors);
});

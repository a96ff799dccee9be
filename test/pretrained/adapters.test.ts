/** Folders with PEFT's adapters that are refused, and why; those that are merged are in families/texts.test.ts. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../cli/io/errors.ts';
import { findAdapter } from '../../cli/pretrained/adapter-folder.ts';
import { loadCheckpoint, loadDescription } from '../../cli/pretrained/checkpoint.ts';
import { openTensorFile, saveTensors } from '../../cli/pretrained/tensor-file.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const families = fileURLToPath(new URL('../families/fixtures/', import.meta.url));
const adapter = join(families, 'peft-bert');
const base = join(families, 'bert-relu');
const root = temporaryFolder();
let folders = 0;

/** A copy of the adapter with another adapter_config.json. */
function adapterWith(changes: Readonly<Record<string, unknown>>): string {
  const folder = join(root, `${folders++}`);
  cpSync(adapter, folder, { recursive: true });
  const path = join(folder, 'adapter_config.json');
  writeFileSync(
    path,
    JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), base_model_name_or_path: base, ...changes }),
  );
  return folder;
}

interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

async function tensorsOf(path: string): Promise<[string, Tensor][]> {
  const file = await openTensorFile(path);
  const tensors: [string, Tensor][] = [];
  for (const [name, shape] of file.shapes) tensors.push([name, { shape, data: await file.read(name) }]);
  await file.close();
  return tensors;
}

async function refusal(folder: string): Promise<string> {
  const error: unknown = await loadCheckpoint(folder, { seed: 0 }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(UserError);
  return `${(error as UserError).message} ${(error as UserError).hint}`;
}

describe('an adapter is refused', () => {
  it.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    ['of another kind', { peft_type: 'IA3' }, /peft_type LORA, got "IA3".*merge_and_unload/],
    ['that is DoRA', { use_dora: true }, /more than LoRA: DoRA \(use_dora\)/],
    ['with trained tokens', { trainable_token_indices: [1] }, /trainable tokens/],
    ['that took a part of W', { init_lora_weights: 'pissa' }, /init_lora_weights "pissa" changed the base/],
    ['with patterns that are no names', { alpha_pattern: { '.*query|x': 2 } }, /expected names in alpha_pattern/],
    ['without a base', { base_model_name_or_path: null }, /does not name it.*--base/],
    ['whose base is elsewhere', { base_model_name_or_path: '/nowhere/bert' }, /\/nowhere\/bert is not here.*--base/],
  ])('%s', async (_, changes, message) => {
    expect(await refusal(adapterWith(changes))).toMatch(message);
  });

  it('of another base', async () => {
    const folder = adapterWith({ base_model_name_or_path: join(families, 'electra') });
    expect(await refusal(folder)).toMatch(/changes .*, which its base does not have/);
  });

  const QUERY = 'base_model.model.bert.encoder.layer.0.attention.self.query';
  it.each<[string, string, readonly number[], RegExp]>([
    ['B of another rank', `${QUERY}.lora_B.weight`, [16, 8], /query.lora_B.weight to be 16×3, got 16×8/],
    ['A of another width', `${QUERY}.lora_A.weight`, [3, 20], /query.lora_A.weight to be 3×16, got 3×20/],
    ['a bias of another length', `${QUERY}.lora_B.bias`, [2], /query.lora_B.bias to be 16, got 2/],
  ])('whose shapes do not fit: %s', async (_, name, shape, message) => {
    const folder = adapterWith({});
    const path = join(folder, 'adapter_model.safetensors');
    const tensors = new Map(await tensorsOf(path));
    tensors.set(name, { shape, data: new Float32Array(shape.reduce((a, b) => a * b)).fill(0.1) });
    await saveTensors(path, [...tensors]);
    expect(await refusal(folder)).toMatch(message);
  });

  it('that was not merged', async () => {
    const folder = join(root, 'unmerged');
    cpSync(base, folder, { recursive: true });
    const shape = [1];
    const name = 'bert.encoder.layer.0.attention.self.query.base_layer.weight';
    await saveTensors(join(folder, 'model.safetensors'), [[name, { shape, data: new Float32Array(1) }]]);
    expect(await refusal(folder)).toMatch(/adapter is not merged .*merge_and_unload/);
  });
});

it('--base leads to a base, and is for adapters', async () => {
  const folder = adapterWith({ base_model_name_or_path: null });
  const given = await loadCheckpoint(folder, { seed: 0, base });
  const told = await loadCheckpoint(adapterWith({ base_model_name_or_path: base }), { seed: 0 });
  expect(given.tensors).toEqual(told.tensors);
  await expect(findAdapter(base, { base })).rejects.toThrow('--base is for an adapter');
});

it('beside its base, an adapter changes it', async () => {
  const folder = join(root, 'beside');
  cpSync(base, folder, { recursive: true });
  for (const name of ['adapter_config.json', 'adapter_model.safetensors'])
    cpSync(join(adapter, name), join(folder, name));
  const [beside, alone] = await Promise.all([folder, adapter].map((path) => loadCheckpoint(path, { seed: 0 })));
  expect(beside.tensors).toEqual(alone.tensors);
  expect(beside.tensors).not.toEqual((await loadCheckpoint(base, { seed: 0 })).tensors);
});

it('a head of another width makes its labels up, as its base names others', async () => {
  const folder = adapterWith({ base_model_name_or_path: base });
  const path = join(folder, 'adapter_model.safetensors');
  const tensors = (await tensorsOf(path)).map(([name, tensor]): [string, Tensor] => {
    const wide = [5, ...tensor.shape.slice(1)];
    const isHead = name.includes('classifier');
    return [name, isHead ? { shape: wide, data: new Float32Array(wide.reduce((a, b) => a * b, 1)) } : tensor];
  });
  await saveTensors(path, tensors);
  expect((await loadDescription(folder)).config.labels).toEqual([
    'LABEL_0',
    'LABEL_1',
    'LABEL_2',
    'LABEL_3',
    'LABEL_4',
  ]);
});

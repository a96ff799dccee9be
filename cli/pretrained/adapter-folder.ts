/**
 * Folders that hold an adapter of PEFT: beside their base model, or alone, with their base in another folder or on the
 * hub.
 */
import { isAbsolute, join } from 'node:path';
import { isObject, type JsonObject } from '../../runtime/artifact/schema.ts';
import { UserError } from '../io/errors.ts';
import { exists, kindOf, readJson } from '../io/files.ts';
import { hubName, resolveModelFolder } from './hub.ts';
import { type Changes, changed, changesOf, expectLora } from './lora-adapter.ts';
import { openPytorchFile } from './pytorch-file.ts';
import { openTensorFile, type TensorFile } from './tensor-file.ts';

/** An adapter's folder and that of its base, which may be one; `config` is adapter_config.json. */
export interface AdapterFolder {
  readonly folder: string;
  readonly base: string;
  readonly config: JsonObject;
}

/** Where the base is looked for. */
export interface BaseOptions {
  /** Its folder, or its name on the hub, where adapter_config.json does not lead to it. */
  readonly base?: string;
  /** Only the hub's cache. */
  readonly offline?: boolean;
}

const CONFIG = 'adapter_config.json';

/**
 * The adapter in a folder; null where there is none. UserErrors say what an adapter is that is not plain LoRA, and what
 * to do where its base is not found.
 */
export async function findAdapter(folder: string, options: BaseOptions): Promise<AdapterFolder | null> {
  const path = join(folder, CONFIG);
  if ((await kindOf(path)) !== 'file') {
    if (options.base !== undefined)
      throw new UserError(`--base is for an adapter, and ${folder} has no ${CONFIG}`, 'Leave --base out.');
    return null;
  }
  const config = await readJson(path);
  if (!isObject(config)) throw new UserError(`${path}: expected a JSON object`);
  expectLora(config, path);
  return { folder, config, base: await baseFolder(folder, config, options) };
}

async function baseFolder(folder: string, config: JsonObject, { base, offline }: BaseOptions): Promise<string> {
  if (base !== undefined) return resolveModelFolder(base, { offline });
  if (await exists(join(folder, 'config.json'))) return folder;
  const { base_model_name_or_path: given, revision } = config;
  const hint = `Name the folder of its base model, or its name on the hub: --base DIR|OWNER/NAME.`;
  if (typeof given !== 'string' || given === '')
    throw new UserError(`${folder} is a PEFT adapter without its base model, and does not name it`, hint);
  const paths = isAbsolute(given) ? [given] : [given, join(folder, given), join(folder, '..', given)];
  for (const path of paths) if (await exists(join(path, 'config.json'))) return path;
  if (hubName(given) === null)
    throw new UserError(`${folder} is a PEFT adapter: its base model ${given} is not here`, hint);
  return resolveModelFolder(typeof revision === 'string' ? `${given}@${revision}` : given, { offline });
}

/**
 * The files of a base's weights as the adapter changes them; what it brings itself is a file of its own. The caller
 * closes them, as `basePrefix` is what checkpoints without a head leave out before each name.
 */
export async function withAdapter(
  files: readonly TensorFile[],
  { folder, config }: AdapterFolder,
  basePrefix: string,
): Promise<readonly TensorFile[]> {
  const adapter = await openAdapter(folder);
  const bare = (name: string): string => (name.startsWith(basePrefix) ? name.slice(basePrefix.length) : name);
  const changes: Changes = new Map(
    [...changesOf(config, adapter, join(folder, CONFIG))].map(([name, change]) => [bare(name), change]),
  );
  const known = new Set(files.flatMap(({ shapes }) => [...shapes.keys()].map(bare)));
  const own = [...changes].filter(([name]) => !known.has(name));
  for (const [name, { replacement }] of own)
    if (replacement === null) {
      await adapter.close();
      throw new UserError(
        `the adapter ${folder} changes ${name}, which its base does not have`,
        'Is it the right base?',
      );
    }
  const replaced = (name: string): string | undefined => changes.get(bare(name))?.replacement ?? undefined;
  return [
    ...files.map(
      (file): TensorFile => ({
        path: file.path,
        shapes: new Map(
          [...file.shapes].map(([name, shape]) => [name, adapter.shapes.get(replaced(name) ?? '') ?? shape]),
        ),
        async read(name) {
          const change = changes.get(bare(name));
          if (change === undefined) return file.read(name);
          if (change.replacement !== null) return changed(change, adapter, name, null);
          return changed(change, adapter, name, { data: await file.read(name), shape: file.shapes.get(name)! });
        },
        close: () => file.close(),
      }),
    ),
    {
      path: adapter.path,
      shapes: new Map(own.map(([name, { replacement }]) => [name, adapter.shapes.get(replacement!)!])),
      read: (name) => changed(changes.get(name)!, adapter, name, null),
      close: () => adapter.close(),
    },
  ];
}

async function openAdapter(folder: string): Promise<TensorFile> {
  const safetensors = join(folder, 'adapter_model.safetensors');
  if (await exists(safetensors)) return openTensorFile(safetensors);
  const pickled = join(folder, 'adapter_model.bin');
  if (await exists(pickled)) return openPytorchFile(pickled);
  throw new UserError(
    `${folder} has ${CONFIG} but neither adapter_model.safetensors nor adapter_model.bin`,
    'Fetch or save the adapter again.',
  );
}

/** How many labels a head that was trained with the adapter tells apart; null where it brings none. */
export async function adapterLabels({ folder, config }: AdapterFolder): Promise<number | null> {
  const adapter = await openAdapter(folder);
  try {
    const changes = changesOf(config, adapter, join(folder, CONFIG));
    for (const name of ['classifier.weight', 'classifier.out_proj.weight', 'cls_classifier.weight']) {
      const replacement = changes.get(name)?.replacement;
      if (replacement) return adapter.shapes.get(replacement)![0];
    }
    return null;
  } finally {
    await adapter.close();
  }
}

/** UserError for the weights of a model with adapters that were not merged. */
export function expectMerged(files: readonly TensorFile[]): void {
  for (const { shapes, path } of files)
    for (const name of shapes.keys())
      if (/\.base_layer\.|\.lora_[AB]\.|\.modules_to_save\./.test(name))
        throw new UserError(
          `${path} holds a PEFT model whose adapter is not merged (${name})`,
          'Save the adapter by itself (model.save_pretrained(FOLDER)), or merge it: model.merge_and_unload().save_pretrained(FOLDER).',
        );
}

/** The folder with what prepares the inputs: the adapter's, where it has a tokenizer or a preprocessor. */
export async function inputsFolder({ folder, base }: AdapterFolder): Promise<string> {
  for (const name of ['tokenizer.json', 'vocab.txt', 'vocab.json', 'preprocessor_config.json'])
    if (await exists(join(folder, name))) return folder;
  return base;
}

/** The files of a folder that hold a model's weights: safetensors or PyTorch's, whole or in shards. */
import { basename, join } from 'node:path';
import { UserError } from '../io/errors.ts';
import { exists, readJson } from '../io/files.ts';
import { openPytorchFile } from './pytorch-file.ts';
import { openTensorFile, type TensorFile } from './tensor-file.ts';

interface Format {
  /** The file that holds all; its shards are listed in FILE.index.json. */
  readonly file: string;
  readonly suffix: string;
  readonly open: (path: string) => Promise<TensorFile>;
}

/** In the order of preference. */
export const WEIGHT_FORMATS: readonly Format[] = [
  { file: 'model.safetensors', suffix: '.safetensors', open: openTensorFile },
  { file: 'pytorch_model.bin', suffix: '.bin', open: openPytorchFile },
];

/** The file that says in which shard each tensor lies. */
export function indexName({ file }: Format): string {
  return `${file}.index.json`;
}

/** Whether a folder has weights that `openWeights` looks for. */
export async function hasWeights(folder: string): Promise<boolean> {
  const names = WEIGHT_FORMATS.flatMap((format) => [format.file, indexName(format)]);
  return (await Promise.all(names.map((name) => exists(join(folder, name))))).some(Boolean);
}

/** Opens the weights of a folder; the caller closes them. */
export async function openWeights(folder: string): Promise<readonly TensorFile[]> {
  for (const format of WEIGHT_FORMATS) {
    if (await exists(join(folder, format.file))) return [await format.open(join(folder, format.file))];
    const index = join(folder, indexName(format));
    if (await exists(index)) return openShards(folder, shardNames(await readJson(index), index, format), format);
  }
  const names = WEIGHT_FORMATS.flatMap((format) => [format.file, indexName(format)]);
  throw new UserError(`${folder} has none of ${names.join(', ')}`, 'Save the model with save_pretrained().');
}

async function openShards(folder: string, shards: readonly string[], { open }: Format): Promise<TensorFile[]> {
  const files: TensorFile[] = [];
  try {
    for (const shard of shards) files.push(await open(join(folder, shard)));
    return files;
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    throw error;
  }
}

/** The shards that an index names. `path` is for its errors. */
export function shardNames(index: unknown, path: string, { suffix }: Format): string[] {
  const map = typeof index === 'object' && index !== null && 'weight_map' in index ? index.weight_map : null;
  if (typeof map !== 'object' || map === null) throw new UserError(`${path}: expected an object weight_map`);
  const names = new Set<unknown>(Object.values(map));
  if (names.size === 0)
    throw new UserError(`${path}: expected an object weight_map that names shards, got ${JSON.stringify(map)}`);
  for (const name of names) {
    // A shard lies beside its index: a path that leads elsewhere is refused.
    if (typeof name !== 'string' || basename(name) !== name || !name.endsWith(suffix)) {
      throw new UserError(
        `${path}: expected the name of a ${suffix} file in the same folder, got ${JSON.stringify(name)}`,
      );
    }
  }
  return [...names] as string[];
}

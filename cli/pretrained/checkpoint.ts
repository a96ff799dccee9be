/** Models in Hugging Face folders: config.json, model.safetensors (or shards and their index), preprocessor_config.json. */
import { basename, join } from 'node:path';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { imagePreprocessFromHuggingFace, imagePreprocessToHuggingFace } from './preprocessor-config.ts';
import { random } from '../../runtime/random.ts';
import { elementCount, sameShape } from '../graph/graph.ts';
import { UserError } from '../io/errors.ts';
import { exists, kindOf, readJson, writeJson } from '../io/files.ts';
import { tensorsOf, type TensorSpec } from '../models/layers.ts';
import { PRESETS, VIT_PRESETS } from '../models/presets.ts';
import type { Model } from '../models/model.ts';
import type { Architecture, ModelConfig } from './architecture.ts';
import { architectureOf } from './architectures.ts';
import { interpolatePositions } from './interpolate.ts';
import { initialTensors } from './initial.ts';
import { openTensorFile, saveTensors, type TensorFile, type Tensors } from './tensor-file.ts';

/** A dense model and how its pictures are prepared. */
export interface Checkpoint {
  readonly architecture: Architecture;
  readonly config: ModelConfig;
  readonly model: Model;
  /** By the names of the model's layer table. */
  readonly tensors: Tensors;
  readonly preprocess: ImagePreprocess;
  /** What was changed while loading, in sentences for the user. */
  readonly notices: readonly string[];
}

export interface LoadOptions {
  /** The data set's labels; where they differ from the checkpoint's, the head is made new. */
  readonly labels?: readonly string[];
  /** Another input size: position embeddings are interpolated. */
  readonly imageSize?: { readonly height: number; readonly width: number };
  /** Seeds a new head. */
  readonly seed: number;
}

const INDEX = 'model.safetensors.index.json';

/** What a folder says of its model, weights aside: config.json and preprocessor_config.json. */
export async function loadDescription(folder: string): Promise<Pick<Checkpoint, 'architecture' | 'config' | 'preprocess'>> {
  await expectCheckpointFolder(folder);
  const configPath = join(folder, 'config.json');
  const json = await readJson(configPath);
  const architecture = architectureOf(json, configPath);
  const config = architecture.readConfig(json, configPath);
  return { architecture, config, preprocess: await loadPreprocess(folder, config) };
}

/** Writes what `loadDescription` reads. */
export async function saveDescription(folder: string, { architecture, config, preprocess }: Pick<Checkpoint, 'architecture' | 'config' | 'preprocess'>): Promise<void> {
  await writeJson(join(folder, 'preprocessor_config.json'), imagePreprocessToHuggingFace(preprocess));
  await writeJson(join(folder, 'config.json'), architecture.writeConfig(config));
}

/** Loads a checkpoint. UserErrors name the file and the tensor, what was expected and what came. */
export async function loadCheckpoint(folder: string, options: LoadOptions): Promise<Checkpoint> {
  const { architecture, config: stored } = await loadDescription(folder);
  const config = { ...stored, labels: options.labels ?? stored.labels, imageSize: options.imageSize ?? stored.imageSize };
  architecture.checkConfig(config, folder);
  const model = architecture.create(config);
  const files = await openTensorFiles(folder);
  try {
    const { tensors, notices } = await readTensors(files, architecture, stored, config, options.seed);
    return { architecture, config, model, tensors, preprocess: await loadPreprocess(folder, config), notices };
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/** Writes a dense model as a Hugging Face folder that transformers loads. */
export async function saveCheckpoint(folder: string, description: Omit<Checkpoint, 'tensors' | 'notices'>, tensors: Tensors): Promise<void> {
  const { architecture, config, model } = description;
  const specs = tensorsOf(model.layers).map(({ name, shape }) => {
    const data = tensors.get(name);
    if (!data) throw new Error(`no tensor ${name} to save`);
    return [architecture.checkpointName(name), { shape: architecture.checkpointShape(name, shape, config), data }] as const;
  });
  await saveTensors(join(folder, 'model.safetensors'), specs, { format: 'pt' });
  await saveDescription(folder, description);
}

async function expectCheckpointFolder(folder: string): Promise<void> {
  const kind = await kindOf(folder);
  const hint = `A model is a Hugging Face folder on this disk (config.json, model.safetensors; nothing is downloaded) or a run of slim finetune; slim finetune also takes presets (${VIT_PRESETS.join(', ')}), and so does slim bench (${PRESETS.slice(VIT_PRESETS.length).join(', ')} too).`;
  if (kind === 'absent') throw new UserError(`model ${folder} does not exist`, hint);
  if (kind === 'file') throw new UserError(`model ${folder} is a file, expected a folder`, hint);
  if (!(await exists(join(folder, 'config.json')))) throw new UserError(`${folder} has no config.json`, hint);
}

async function openTensorFiles(folder: string): Promise<TensorFile[]> {
  if (await exists(join(folder, 'model.safetensors'))) return [await openTensorFile(join(folder, 'model.safetensors'))];
  const indexPath = join(folder, INDEX);
  if (!(await exists(indexPath))) {
    throw new UserError(`${folder} has neither model.safetensors nor ${INDEX}`, 'Save the model with save_pretrained(safe_serialization=True).');
  }
  const files: TensorFile[] = [];
  try {
    for (const shard of shardNames(await readJson(indexPath), indexPath)) files.push(await openTensorFile(join(folder, shard)));
    return files;
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    throw error;
  }
}

function shardNames(index: unknown, path: string): string[] {
  const map = typeof index === 'object' && index !== null && 'weight_map' in index ? index.weight_map : null;
  if (typeof map !== 'object' || map === null) throw new UserError(`${path}: expected an object weight_map`);
  const names = new Set<unknown>(Object.values(map));
  if (names.size === 0) throw new UserError(`${path}: expected an object weight_map that names shards, got ${JSON.stringify(map)}`);
  for (const name of names) {
    // A shard lies beside its index: a path that leads elsewhere is refused.
    if (typeof name !== 'string' || basename(name) !== name || !name.endsWith('.safetensors')) {
      throw new UserError(`${path}: expected the name of a .safetensors file in the same folder, got ${JSON.stringify(name)}`);
    }
  }
  return [...names] as string[];
}

async function readTensors(files: readonly TensorFile[], architecture: Architecture, stored: ModelConfig, config: ModelConfig, seed: number) {
  const tensors: Tensors = new Map();
  const notices: string[] = [];
  const find = (name: string): { file: TensorFile; name: string } | null => {
    const candidates = [name, name.startsWith(architecture.basePrefix) ? name.slice(architecture.basePrefix.length) : name];
    for (const candidate of candidates) {
      const file = files.find(({ header }) => header.entries.has(candidate));
      if (file) return { file, name: candidate };
    }
    return null;
  };
  const headIsThere = find(architecture.checkpointName('head.weight')) !== null;
  const headIsKept = headIsThere && sameLabels(stored.labels, config.labels);
  const storedSpecs = new Map(tensorsOf(architecture.create(stored).layers).map((spec) => [spec.name, spec]));

  for (const spec of tensorsOf(architecture.create(config).layers)) {
    if (spec.name.startsWith('head.') && !headIsKept) continue;
    const storedSpec = storedSpecs.get(spec.name)!;
    const data = await readTensor(find, architecture, storedSpec, stored, files[0].path);
    tensors.set(spec.name, spec.name === 'embedding.position' ? resizedPositions(data, spec, stored, config, notices) : data);
  }
  if (!headIsKept) {
    const head = tensorsOf(architecture.create(config).layers).filter(({ name }) => name.startsWith('head.'));
    for (const [name, data] of initialTensors(head, config.initializerRange, random(seed, 1))) tensors.set(name, data);
    const [known, wanted] = [stored.labels.length, config.labels.length];
    const why = headIsThere ? `the checkpoint knows ${known} labels, the data ${wanted === known ? 'others' : wanted}` : 'the checkpoint has none';
    notices.push(`The classification head is new: ${why}.`);
  }
  return { tensors, notices };
}

async function readTensor(
  find: (name: string) => { file: TensorFile; name: string } | null,
  architecture: Architecture,
  spec: TensorSpec,
  config: ModelConfig,
  path: string,
): Promise<Float32Array<ArrayBuffer>> {
  const name = architecture.checkpointName(spec.name);
  const found = find(name);
  if (!found) throw new UserError(`tensor ${name} is missing in ${path}`, 'Does config.json belong to these weights?');
  const expected = architecture.checkpointShape(spec.name, spec.shape, config);
  const { shape } = found.file.header.entries.get(found.name)!;
  if (!sameShape(shape, expected)) {
    throw new UserError(`tensor ${found.name} in ${found.file.path}: expected shape (${expected.join(', ')}), got (${shape.join(', ')})`, 'Does config.json belong to these weights?');
  }
  const data = await found.file.read(found.name);
  if (data.length !== elementCount(spec.shape)) throw new UserError(`tensor ${found.name}: expected ${elementCount(spec.shape)} values, got ${data.length}`);
  return data;
}

function resizedPositions(data: Float32Array<ArrayBuffer>, spec: TensorSpec, stored: ModelConfig, config: ModelConfig, notices: string[]): Float32Array<ArrayBuffer> {
  const grid = ({ imageSize, patchSize }: ModelConfig) => ({ height: imageSize.height / patchSize, width: imageSize.width / patchSize });
  const from = grid(stored);
  const to = grid(config);
  if (from.height === to.height && from.width === to.width) return data;
  notices.push(`Position embeddings were interpolated from ${from.height}×${from.width} to ${to.height}×${to.width} patches.`);
  return interpolatePositions(data, spec.shape[1], from, to);
}

async function loadPreprocess(folder: string, config: ModelConfig): Promise<ImagePreprocess> {
  const path = join(folder, 'preprocessor_config.json');
  const stored = (await exists(path)) ? imagePreprocessFromHuggingFace(await readJson(path)) : defaultImagePreprocess(config.imageSize);
  const { height, width } = config.imageSize;
  if (stored.size.height === height && stored.size.width === width) return stored;
  return { ...stored, size: { height, width }, resize: { mode: 'exact', height, width } };
}

function sameLabels(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((label, i) => label === b[i]);
}

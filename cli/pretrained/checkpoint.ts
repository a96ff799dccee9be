/**
 * Models in Hugging Face folders: config.json, weights, and what prepares their inputs (preprocessor_config.json,
 * tokenizer.json).
 */
import { join } from 'node:path';
import { random } from '../../runtime/random.ts';
import { sameShape } from '../graph/graph.ts';
import { UserError } from '../io/errors.ts';
import { exists, kindOf, readJson, writeJson } from '../io/files.ts';
import { type Layer, tensorsOf } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import { PRESETS } from '../models/presets.ts';
import { taskOf } from '../models/task.ts';
import { type Architecture, type FitOptions, type ModelConfig, type StoredPart, usedCount } from './architecture.ts';
import { architectureOf } from './architectures.ts';
import { initialTensors } from './initial.ts';
import { headOrder } from './labels.ts';
import { type Preprocessing, savePreprocessing } from './preprocessing.ts';
import { saveTensors, type TensorFile, type Tensors } from './tensor-file.ts';
import { openWeights } from './weight-files.ts';

/** A dense model and how its inputs are prepared. */
export interface Checkpoint {
  readonly architecture: Architecture;
  readonly config: ModelConfig;
  readonly model: Model;
  /** By the names of the model's layer table. */
  readonly tensors: Tensors;
  readonly preprocessing: Preprocessing;
  /** What was changed while loading, in sentences for the user. */
  readonly notices: readonly string[];
  /** Whether the head, or its pooler, is new: the model then answers at random. */
  readonly newHead: boolean;
}

/** A model but for its weights. */
export type Description = Pick<Checkpoint, 'architecture' | 'config' | 'preprocessing'>;

/** What the data ask of the checkpoint, and the seed of what it does not hold. */
export interface LoadOptions extends FitOptions {
  /** Seeds a new head. */
  readonly seed: number;
}

/** What a folder says of its model, weights aside. */
export async function loadDescription(folder: string, options: FitOptions = {}): Promise<Description> {
  const { architecture, config, preprocessing } = await fitted(folder, options);
  return { architecture, config, preprocessing };
}

/** Writes what `loadDescription` reads. */
export async function saveDescription(
  folder: string,
  { architecture, config, preprocessing }: Description,
): Promise<void> {
  await savePreprocessing(folder, preprocessing);
  await writeJson(join(folder, 'config.json'), architecture.writeConfig(config));
}

async function fitted(folder: string, options: FitOptions): Promise<Description & { readonly stored: ModelConfig }> {
  await expectCheckpointFolder(folder);
  const configPath = join(folder, 'config.json');
  const json = await readJson(configPath);
  const architecture = architectureOf(json, configPath);
  const stored = architecture.readConfig(json, configPath);
  const { config, preprocessing } = await architecture.fit(folder, stored, options);
  architecture.checkConfig(config, folder);
  return { architecture, stored, config, preprocessing };
}

/** Loads a checkpoint. UserErrors name the file and the tensor, what was expected and what came. */
export async function loadCheckpoint(folder: string, { seed, ...options }: LoadOptions): Promise<Checkpoint> {
  const { architecture, stored, config, preprocessing } = await fitted(folder, options);
  const model = architecture.create(config);
  const files = await openWeights(folder);
  try {
    const read = await readTensors(files, architecture, stored, config, seed);
    return { architecture, config, model, preprocessing, ...read };
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/** Writes a dense model as a Hugging Face folder that transformers loads. */
export async function saveCheckpoint(
  folder: string,
  description: Omit<Checkpoint, 'tensors' | 'notices' | 'newHead'>,
  tensors: Tensors,
): Promise<void> {
  const { architecture, config, model } = description;
  const stored = tensorsOf(model.layers).flatMap((spec) => {
    const data = tensors.get(spec.name);
    if (!data) throw new Error(`no tensor ${spec.name} to save`);
    return toParts(architecture.storedAs(spec, config), data);
  });
  await saveTensors(join(folder, 'model.safetensors'), stored, { format: 'pt' });
  await saveDescription(folder, description);
}

function toParts(
  parts: readonly StoredPart[],
  data: Float32Array,
): (readonly [name: string, tensor: { readonly shape: readonly number[]; readonly data: Float32Array }])[] {
  let from = 0;
  return parts.map((part) => {
    const ours = data.subarray(from, (from += usedCount(part)));
    const theirs = new Float32Array(part.unused + ours.length);
    theirs.set(part.factor === 1 ? ours : ours.map((value) => value * part.factor), part.unused);
    return [part.name, { shape: part.shape, data: theirs }] as const;
  });
}

async function expectCheckpointFolder(folder: string): Promise<void> {
  const kind = await kindOf(folder);
  const hint =
    'A model is a Hugging Face folder (config.json, model.safetensors), a run of slim finetune, or a name on the hub ' +
    `(OWNER/NAME); slim finetune and slim bench also take presets (${PRESETS.join(', ')}).`;
  if (kind === 'absent') throw new UserError(`model ${folder} does not exist`, hint);
  if (kind === 'file') throw new UserError(`model ${folder} is a file, expected a folder`, hint);
  if (!(await exists(join(folder, 'config.json')))) throw new UserError(`${folder} has no config.json`, hint);
}

type Find = (name: string) => { readonly file: TensorFile; readonly name: string } | null;

async function readTensors(
  files: readonly TensorFile[],
  architecture: Architecture,
  stored: ModelConfig,
  config: ModelConfig,
  seed: number,
) {
  const tensors: Tensors = new Map();
  const notices: string[] = [];
  const find: Find = (name) => {
    for (const candidate of spellings(name, architecture)) {
      const file = files.find(({ shapes }) => shapes.has(candidate));
      if (file) return { file, name: candidate };
    }
    return null;
  };
  const storedLayers = architecture.create(stored).layers;
  const storedSpecs = new Map(tensorsOf(storedLayers).map((spec) => [spec.name, spec]));
  const { layers } = architecture.create(config);
  const { made, notice } = newLayers(layers, stored, config, ({ tensors: [weight] }) =>
    architecture.storedAs(storedSpecs.get(weight.name)!, stored).every(({ name }) => find(name)),
  );

  const order = headOrder(stored, config);
  for (const layer of layers.filter((candidate) => !made.includes(candidate))) {
    for (const spec of layer.tensors) {
      const storedSpec = storedSpecs.get(spec.name)!;
      const data = await readParts(find, architecture.storedAs(storedSpec, stored), files[0].path);
      const adapted = architecture.adapt(spec, data, stored, config, notices);
      tensors.set(spec.name, layer.kind === 'head' && order !== null ? rowsInOrder(adapted, order) : adapted);
    }
  }
  // After the tensors that are there: they vouch for the sizes.
  for (const [name, data] of initialTensors(tensorsOf(made), config.initializerRange, random(seed, 1)))
    tensors.set(name, data);
  if (notice) notices.push(notice);
  return { tensors, notices, newHead: made.length > 0 };
}

/** A row a class, in the data's order. */
function rowsInOrder(table: Float32Array<ArrayBuffer>, order: readonly number[]): Float32Array<ArrayBuffer> {
  const width = table.length / order.length;
  const rows = new Float32Array(table.length);
  order.forEach((from, to) => rows.set(table.subarray(from * width, (from + 1) * width), to * width));
  return rows;
}

/** The layers of the head that are made new, and why. */
function newLayers(
  layers: readonly Layer[],
  stored: ModelConfig,
  config: ModelConfig,
  isThere: (layer: Layer) => boolean,
): { readonly made: readonly Layer[]; readonly notice: string | null } {
  const poolers = layers.filter(({ kind }) => kind === 'pooler');
  const heads = layers.filter(({ kind }) => kind === 'head');
  // A head without its pooler is another task's, as that of a model that labels tokens.
  if (!poolers.every(isThere))
    return {
      made: [...poolers, ...heads],
      notice: 'The pooler and the classification head are new: the checkpoint has none.',
    };
  if (!heads.every(isThere)) return { made: heads, notice: 'The classification head is new: the checkpoint has none.' };
  if (headOrder(stored, config) !== null) return { made: [], notice: null };
  if (stored.problemType !== config.problemType)
    return {
      made: heads,
      notice:
        `The classification head is new: the checkpoint is for ${taskOf(stored.problemType)}, ` +
        `the data for ${taskOf(config.problemType)}.`,
    };
  const [known, wanted] = [stored.labels.length, config.labels.length];
  return {
    made: heads,
    notice:
      `The classification head is new: the checkpoint knows ${known} labels, ` +
      `the data ${wanted === known ? 'others' : wanted}.`,
  };
}

/**
 * A tensor's name, without the prefix that a checkpoint without a head leaves out, and as TensorFlow's layer norms were
 * called.
 */
function spellings(name: string, { basePrefix }: Architecture): string[] {
  const bare = name.startsWith(basePrefix) ? [name, name.slice(basePrefix.length)] : [name];
  return [
    ...bare,
    ...bare.map((known) =>
      known.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta'),
    ),
  ];
}

async function readParts(find: Find, parts: readonly StoredPart[], path: string): Promise<Float32Array<ArrayBuffer>> {
  const pieces: Float32Array<ArrayBuffer>[] = [];
  for (const part of parts) pieces.push(await readPart(find, part, path));
  if (pieces.length === 1) return pieces[0];
  const data = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    data.set(piece, at);
    at += piece.length;
  }
  return data;
}

async function readPart(
  find: Find,
  { name, shape: expected, unused, factor }: StoredPart,
  path: string,
): Promise<Float32Array<ArrayBuffer>> {
  const found = find(name);
  if (!found) throw new UserError(`tensor ${name} is missing in ${path}`, 'Does config.json belong to these weights?');
  const shape = found.file.shapes.get(found.name)!;
  if (!sameShape(shape, expected)) {
    throw new UserError(
      `tensor ${found.name} in ${found.file.path}: expected shape (${expected.join(', ')}), got (${shape.join(', ')})`,
      'Does config.json belong to these weights?',
    );
  }
  const data = await found.file.read(found.name);
  if (unused === 0 && factor === 1) return data;
  return data.slice(unused).map((value) => value / factor);
}

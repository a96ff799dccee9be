/**
 * Models in Hugging Face folders: config.json, weights, and what prepares their inputs (preprocessor_config.json,
 * tokenizer.json).
 */

import { join } from 'node:path';
import { isObject } from '../../runtime/artifact/schema.ts';
import { random } from '../../runtime/random.ts';
import { elementCount, type Shape, sameShape } from '../graph/graph.ts';
import { UserError } from '../io/errors.ts';
import { exists, kindOf, readJson, writeJson } from '../io/files.ts';
import { concatenated } from '../io/floats.ts';
import { counted } from '../io/words.ts';
import { type Layer, type TensorSpec, tensorsOf } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import { PRESETS } from '../models/presets.ts';
import { taskOf } from '../models/task.ts';
import {
  type AdapterFolder,
  adapterLabels,
  expectMerged,
  findAdapter,
  inputsFolder,
  withAdapter,
} from './adapter-folder.ts';
import {
  type Architecture,
  type FitOptions,
  type ModelConfig,
  type Reading,
  type StoredPart,
  usedCount,
} from './architecture.ts';
import { architectureOf } from './architectures.ts';
import { initialTensors } from './initial.ts';
import { headOrder } from './labels.ts';
import { type Preprocessing, savePreprocessing } from './preprocessing.ts';
import { unwrapped, wrapperOf } from './reading.ts';
import { expectDense, expectUnquantized } from './refused.ts';
import { saveTensors, shapesOf, type TensorFile, type Tensors } from './tensor-file.ts';
import { hasWeights, openWeights } from './weight-files.ts';

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
  /** Of the head and its pooler, the tensors that the checkpoint does not have. */
  readonly missingHead: readonly string[];
}

/** A model but for its weights. */
export type Description = Pick<Checkpoint, 'architecture' | 'config' | 'preprocessing'>;

/** What the data ask of the checkpoint, and the seed of what it does not hold. */
export interface LoadOptions extends FitOptions {
  /** Seeds a new head. */
  readonly seed: number;
  /** What the head's classes are called, in its order; config.json's names unless given. */
  readonly headLabels?: readonly string[];
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

interface Fitted extends Description {
  readonly stored: ModelConfig;
  /** The adapter that changes the weights, which lie in its base's folder; null for most. */
  readonly adapter: AdapterFolder | null;
}

async function fitted(
  folder: string,
  { headLabels, ...options }: FitOptions & Pick<LoadOptions, 'headLabels'>,
): Promise<Fitted> {
  const adapter = await findAdapter(folder, options);
  const own = adapter?.base ?? folder;
  await expectCheckpointFolder(own);
  const configPath = join(own, 'config.json');
  const json = await labelled(await readJson(configPath), adapter);
  expectUnquantized(json, configPath);
  const architecture = architectureOf(json, configPath);
  const read = architecture.readConfig(await completed(own, json, architecture), configPath);
  const stored = headLabels === undefined ? read : { ...read, labels: headLabels };
  const { config, preprocessing } = await architecture.fit(
    adapter ? await inputsFolder(adapter) : folder,
    stored,
    options,
  );
  architecture.checkConfig(config, folder);
  return { architecture, stored, config, preprocessing, adapter };
}

/** A base's config with as many labels as the head that came with its adapter, without names where they are others. */
async function labelled(json: unknown, adapter: AdapterFolder | null): Promise<unknown> {
  if (adapter === null || !isObject(json)) return json;
  const count = await adapterLabels(adapter);
  const known = isObject(json.id2label) ? Object.keys(json.id2label).length : (json.num_labels ?? 2);
  if (count === null || count === known) return json;
  return { ...json, id2label: null, label2id: null, num_labels: count };
}

/** config.json with what its tensors tell; as it is where there are none, as in a run that was compressed. */
async function completed(folder: string, json: unknown, { toldBy }: Architecture): Promise<unknown> {
  if (!toldBy || !isObject(json) || !(await hasWeights(folder))) return json;
  const files = await openWeights(folder);
  await Promise.all(files.map((file) => file.close()));
  return toldBy(json, shapesOf(files));
}

/** Loads a checkpoint. UserErrors name the file and the tensor, what was expected and what came. */
export async function loadCheckpoint(folder: string, { seed, ...options }: LoadOptions): Promise<Checkpoint> {
  const { architecture, stored, config, preprocessing, adapter } = await fitted(folder, options);
  const model = architecture.create(config);
  const weights = await openWeights(adapter?.base ?? folder);
  let files = weights;
  try {
    expectMerged(weights);
    if (adapter) files = await withAdapter(weights, adapter, architecture.basePrefix);
    const read = await readTensors(folder, files, architecture, stored, config, seed);
    return { architecture, config, model, preprocessing, ...read };
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/** Writes a dense model as a Hugging Face folder that transformers loads. */
export async function saveCheckpoint(
  folder: string,
  description: Omit<Checkpoint, 'tensors' | 'notices' | 'newHead' | 'missingHead'>,
  tensors: Tensors,
): Promise<void> {
  const stored = theirTensors(description, tensorsOf(description.model.layers), tensors);
  await saveTensors(join(folder, 'model.safetensors'), stored, { format: 'pt' });
  await saveDescription(folder, description);
}

/** A tensor of a checkpoint's file. */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Tensors of the layer table by Hugging Face's names and in their shapes, with what transformers looks for beside. */
export function theirTensors(
  { architecture, config }: Pick<Checkpoint, 'architecture' | 'config'>,
  specs: readonly TensorSpec[],
  tensors: Tensors,
): Map<string, StoredTensor> {
  const settled = architecture.settled?.(tensors, config) ?? tensors;
  const stored = new Map<string, StoredTensor>();
  for (const spec of specs) {
    const data = settled.get(spec.name);
    if (!data) throw new Error(`no tensor ${spec.name} to save`);
    writeParts(stored, architecture.storedAs(spec, config), data);
  }
  for (const { name, shape, value } of architecture.constants?.(config) ?? [])
    stored.set(name, { shape, data: new Float32Array(elementCount(shape)).fill(value) });
  return stored;
}

/** Writes one of our tensors into theirs, which may hold several of ours. */
function writeParts(stored: Map<string, StoredTensor>, parts: readonly StoredPart[], data: Float32Array): void {
  let from = 0;
  for (const part of parts) {
    const ours = data.subarray(from, (from += usedCount(part)));
    if (part.absent) continue;
    const theirs = stored.get(part.name) ?? { shape: part.shape, data: new Float32Array(elementCount(part.shape)) };
    theirs.data.set(part.factor === 1 ? ours : ours.map((value) => value * part.factor), part.unused);
    stored.set(part.name, theirs);
  }
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

/** Where a tensor is; `names` are those of all that there are. */
type Find = ((name: string) => { readonly file: TensorFile; readonly name: string } | null) & {
  readonly names: readonly string[];
};

/** How the tensors of these files are found, whatever library wrote them. */
function readingOf(
  folder: string,
  files: readonly TensorFile[],
  architecture: Architecture,
  config: ModelConfig,
): { readonly reading: Reading<ModelConfig>; readonly find: Find } {
  const shapes = shapesOf(files);
  expectDense(shapes, folder);
  const reading = architecture.foreign?.(unwrapped(shapes), folder) ?? architecture;
  const [block] = architecture
    .create(config)
    .layers.filter(({ kind }) => kind === 'norm')
    .slice(-1);
  const probes = reading.storedAs(block.tensors[0], config).flatMap(({ name }) => spellings(name, reading));
  const wrapper = wrapperOf(probes, shapes);
  const find = (name: string) => {
    for (const spelling of spellings(name, reading)) {
      // A head may stand outside of what wraps the body.
      for (const candidate of new Set([wrapper + spelling, spelling])) {
        const file = files.find((one) => one.shapes.has(candidate));
        if (file) return { file, name: candidate };
      }
    }
    return null;
  };
  return { reading, find: Object.assign(find, { names: [...shapes.keys()] }) };
}

async function readTensors(
  folder: string,
  files: readonly TensorFile[],
  architecture: Architecture,
  stored: ModelConfig,
  config: ModelConfig,
  seed: number,
) {
  const tensors: Tensors = new Map();
  const notices: string[] = [];
  const { reading, find } = readingOf(folder, files, architecture, stored);
  const storedLayers = architecture.create(stored).layers;
  const storedSpecs = new Map(tensorsOf(storedLayers).map((spec) => [spec.name, spec]));
  const { layers } = architecture.create(config);
  const { made, notice } = newLayers(layers, stored, config, ({ tensors: [weight] }) =>
    reading.storedAs(storedSpecs.get(weight.name)!, stored).every(({ name, absent }) => absent || find(name)),
  );

  const order = headOrder(stored, config);
  for (const layer of layers.filter((candidate) => !made.includes(candidate))) {
    for (const spec of layer.tensors) {
      const storedSpec = storedSpecs.get(spec.name)!;
      const data = await readParts(find, reading.storedAs(storedSpec, stored), files[0].path);
      const row = architecture.addedRow?.(storedSpec, stored);
      if (row) addToRows(data, await readPart(find, row, files[0].path), storedSpec.shape[1]);
      const adapted = architecture.adapt(spec, data, stored, config, notices);
      tensors.set(spec.name, layer.kind === 'head' && order !== null ? rowsInOrder(adapted, order) : adapted);
    }
  }
  // After the tensors that are there: they vouch for the sizes.
  for (const [name, data] of initialTensors(tensorsOf(made), config.initializerRange, random(seed, 1)))
    tensors.set(name, data);
  if (notice) notices.push(notice);
  const missingHead = tensorsOf(layers.filter(({ kind }) => kind === 'pooler' || kind === 'head'))
    .flatMap((spec) => reading.storedAs(storedSpecs.get(spec.name)!, stored))
    .flatMap(({ name, absent }) => (absent || find(name) ? [] : [name]));
  return { tensors, notices, newHead: made.length > 0, missingHead };
}

function addToRows(table: Float32Array, rows: Float32Array, width: number): void {
  table.forEach((value, i) => {
    table[i] = value + rows[i % width];
  });
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
      `The classification head is new: the checkpoint knows ${counted(known, 'label')}, ` +
      `the data ${wanted === known ? 'others' : wanted}.`,
  };
}

/**
 * A tensor's name, without the prefix that a checkpoint without a head leaves out, and as TensorFlow's layer norms were
 * called.
 */
function spellings(name: string, { basePrefix, aliases = [] }: Reading<ModelConfig>): string[] {
  const bare = name.startsWith(basePrefix) ? [name, name.slice(basePrefix.length)] : [name];
  return [
    ...bare,
    ...bare.flatMap((known) => aliases.map(([from, to]) => known.replace(from, to))),
    ...bare.map((known) =>
      known.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta'),
    ),
  ];
}

async function readParts(find: Find, parts: readonly StoredPart[], path: string): Promise<Float32Array<ArrayBuffer>> {
  const pieces: Float32Array<ArrayBuffer>[] = [];
  for (const part of parts) pieces.push(await readPart(find, part, path));
  return concatenated(pieces);
}

async function readPart(find: Find, part: StoredPart, path: string): Promise<Float32Array<ArrayBuffer>> {
  const { name, absent, shape, unused, behind, factor, rowScale } = part;
  if (absent) return new Float32Array(elementCount(shape));
  const data = await readTensor(find, name, shape, path);
  if (unused === 0 && behind === 0 && factor === 1 && rowScale === null) return data;
  const used = data.slice(unused, data.length - behind).map((value) => value / factor);
  if (rowScale === null) return used;
  const scales = await readTensor(find, rowScale, [shape[0]], path);
  const width = elementCount(shape) / shape[0];
  return used.map((value, i) => value * scales[Math.floor((unused + i) / width)]);
}

async function readTensor(find: Find, name: string, expected: Shape, path: string): Promise<Float32Array<ArrayBuffer>> {
  const found = find(name);
  if (!found)
    throw new UserError(
      `tensor ${name} is missing in ${path}`,
      `It holds ${find.names.length} tensors: ${find.names.slice(0, 3).join(', ')} ... ` +
        'Does config.json belong to these weights?',
    );
  const shape = found.file.shapes.get(found.name)!;
  if (!sameShape(shape, expected)) {
    throw new UserError(
      `tensor ${found.name} in ${found.file.path}: expected shape (${expected.join(', ')}), got (${shape.join(', ')})`,
      'Does config.json belong to these weights?',
    );
  }
  return found.file.read(found.name);
}

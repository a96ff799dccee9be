/** Any model that Slim made or can begin with: a Hugging Face folder, a fine-tuned, a compressed or a quantized run. */

import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { ArtifactError } from '../../runtime/artifact/errors.ts';
import type { Compression } from '../../runtime/artifact/manifest.ts';
import { readSafetensors, writeSafetensors } from '../../runtime/artifact/safetensors.ts';
import { factorName, INT4_GROUP, int4Shape, MAX_INT4_FACTOR, scaleName } from '../../runtime/artifact/steps.ts';
import { absorb } from '../compress/absorb.ts';
import { dequantizeTensors } from '../compress/quantize.ts';
import { f32Tensor, f32Values, i8Values, precisionOf, type StoredTensors } from '../compress/stored-tensors.ts';
import { inputsOf } from '../graph/cost.ts';
import { type Node, sameShape } from '../graph/graph.ts';
import { inputName } from '../graph/ops/leaf.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { writeFileAtomic } from '../io/files.ts';
import { type TensorSpec, tensorsOf, WORD_EMBEDDING } from '../models/layers.ts';
import type { BatchInputOptions, Model, Parts } from '../models/model.ts';
import { adaptersOnlyParts, denseParts, tensorsLeft } from '../pclora/linear.ts';
import { resolveRanks } from '../pclora/rank.ts';
import type { BaseOptions } from '../pretrained/adapter-folder.ts';
import type { Architecture, ModelConfig } from '../pretrained/architecture.ts';
import { type Checkpoint, type LoadOptions, loadCheckpoint, loadDescription } from '../pretrained/checkpoint.ts';
import type { Preprocessing } from '../pretrained/preprocessing.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import { expectFinished, RUN_FILES, type RunRecord, readRunRecord } from './run-directory.ts';

/** A model with its weights, as they are stored. */
export interface TrainedModel {
  readonly architecture: Architecture;
  readonly config: ModelConfig;
  readonly model: Model;
  readonly preprocessing: Preprocessing;
  /** How the adapters were made; null for a dense model. */
  readonly compression: Compression | null;
  readonly precision: 'f32' | 'int8' | 'int4';
  readonly stored: StoredTensors;
  /** run.json; null for a checkpoint from elsewhere. */
  readonly record: RunRecord | null;
  /** The checkpoint that all began with, for the record. */
  readonly source: string;
}

/** Loads whatever a folder holds; `options` tell of an adapter's base. UserErrors name the file and the tensor. */
export async function loadTrainedModel(folder: string, options: BaseOptions = {}): Promise<TrainedModel> {
  const record = await readRunRecord(folder);
  const source = record?.source ?? basename(resolve(folder));
  if (record) expectFinished(folder, record);
  if (record === null || record.kind === 'finetune') {
    const checkpoint = await loadDenseModel(folder, { seed: 0, ...options });
    expectHead(folder, checkpoint);
    expectPreprocessing(folder, checkpoint);
    const { architecture, config, model, preprocessing, tensors } = checkpoint;
    const stored = new Map(
      tensorsOf(model.layers).map(({ name, shape }) => [name, f32Tensor(tensors.get(name)!, shape)]),
    );
    return { architecture, config, model, preprocessing, compression: null, precision: 'f32', stored, record, source };
  }
  const path = join(folder, RUN_FILES.weights);
  const { architecture, config, preprocessing } = await loadDescription(folder);
  const model = architecture.create(config);
  const stored = await readStored(path);
  checkStored(path, stored, storedSpecs(model, record));
  const precision = precisionOf(stored);
  return {
    architecture,
    config,
    model,
    preprocessing,
    compression: record.compression,
    precision,
    stored,
    record,
    source,
  };
}

/** A head that was made new answers at random. */
function expectHead(folder: string, { newHead, missingHead }: Checkpoint): void {
  if (!newHead) return;
  throw new UserError(
    `${folder} has no trained classification head: there is no ${missingHead.slice(0, 2).join(' nor ')} in its weights`,
    `It is another task's model, or a body alone. Train a head: slim finetune --model ${folder} --data ...`,
  );
}

/** Pictures that were prepared by assumption get assumed answers. transformers refuses such a folder, too. */
export function expectPreprocessing(folder: string, { preprocessing }: Pick<Checkpoint, 'preprocessing'>): void {
  if (preprocessing.kind !== 'image' || !preprocessing.assumed) return;
  throw new UserError(
    `${folder} has no preprocessor_config.json: how its pictures were prepared is not known`,
    'Fetch that file from where the model is from, or write it: size, image_mean, image_std, resample.',
  );
}

/** A dense model to train from: a Hugging Face folder, or a finished run of slim finetune. */
export async function loadDenseModel(folder: string, options: LoadOptions): Promise<Checkpoint> {
  await expectDense(folder);
  const checkpoint = await loadCheckpoint(folder, options);
  for (const [name, values] of checkpoint.tensors) expectFinite(values, name, folder);
  return checkpoint;
}

/** UserError where a folder is a run that is no dense model, or has not finished; any other folder passes. */
export async function expectDense(folder: string): Promise<void> {
  const record = await readRunRecord(folder);
  if (record && record.kind !== 'finetune') {
    throw new UserError(
      `${folder} is ${record.kind === 'compress' ? 'compressed' : 'quantized'} already: ` +
        'training begins with a dense model',
      'Give the run of slim finetune, or the checkpoint.',
    );
  }
  if (record) expectFinished(folder, record);
}

/** A model whose weights are no numbers answers, but nothing that means anything: it is refused before it is used. */
function expectFinite(values: Float32Array, name: string, path: string): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]))
      throw new UserError(
        `tensor ${name} in ${path} holds ${values[i]}`,
        'Did its training diverge? Make or fetch it again.',
      );
  }
}

/** Writes what is left of a model, by the layer table's names. */
export async function saveStored(path: string, stored: StoredTensors): Promise<void> {
  await writeFileAtomic(path, writeSafetensors(stored));
}

/** The tensors of a model: dense, or what PC-LoRA left. */
export function weightSpecs(model: Model, compression: Compression | null): TensorSpec[] {
  return compression ? tensorsLeft(model.layers, ranksOf(model, compression)) : tensorsOf(model.layers);
}

/** The rank of every layer that was compressed. */
export function ranksOf({ layers }: Pick<Model, 'layers'>, { rank, ranks }: Compression): ReadonlyMap<string, number> {
  const { [WORD_EMBEDDING]: embeddingRank, ...perLayer } = ranks;
  return resolveRanks(layers, { rank, perLayer, embeddingRank, force: true });
}

/** What a run's weights hold: a quantized one's are those of the graph that gets deployed. */
function storedSpecs(
  model: Model,
  { kind, compression }: RunRecord,
): readonly { readonly name: string; readonly shape: readonly number[] }[] {
  if (kind !== 'quantize') return weightSpecs(model, compression);
  return deployedShapes({ model, compression }).specs;
}

/** The graph that gets deployed, and the names and shapes of the tensors that it takes. */
export function deployedShapes({ model, compression }: Pick<TrainedModel, 'model' | 'compression'>): {
  readonly logits: Node;
  readonly specs: readonly { readonly name: string; readonly shape: readonly number[] }[];
} {
  const given = model.batchInputs(1);
  const logits = deployedLogits({ model, compression });
  const specs = inputsOf({ outputs: { logits } })
    .map((node) => ({ name: inputName(node) as string, shape: node.shape }))
    .filter(({ name }) => !(name in given));
  return { logits, specs };
}

/** Where a forward pass of this model takes its tensors from. */
export function partsOf({ model, compression }: Pick<TrainedModel, 'model' | 'compression'>): Parts {
  const specs = weightSpecs(model, compression);
  return compression ? adaptersOnlyParts(specs, compression.scaling) : denseParts(specs);
}

/** The logits of a batch: of one sample, unless given. */
export function logitsOf(
  trained: Pick<TrainedModel, 'model' | 'compression'>,
  { batch = 1, ...inputs }: BatchInputOptions & { readonly batch?: number } = {},
): Node {
  const { model } = trained;
  return model.forward(model.batchInputs(batch, inputs), batch, partsOf(trained)).logits;
}

/** The logits of one sample as the runtime computes them, and the tensors for that: what gets quantized and packed. */
export function deployable(trained: Pick<TrainedModel, 'model' | 'compression' | 'precision' | 'stored'>): {
  readonly logits: Node;
  readonly tensors: StoredTensors;
} {
  const { logits, derive } = absorb(logitsOf(trained));
  // Quantized tensors are those of the absorbed graph already.
  return { logits, tensors: trained.precision === 'f32' ? derive(trained.stored) : trained.stored };
}

/** The same logits without the tensors. */
export function deployedLogits(...of: Parameters<typeof logitsOf>): Node {
  return absorb(logitsOf(...of)).logits;
}

/** The tensors that `deployable` gives, in f32 whatever they are stored in. */
export function floatDeployable(
  trained: Pick<TrainedModel, 'model' | 'compression' | 'precision' | 'stored'>,
): StoredTensors {
  const { logits, tensors } = deployable(trained);
  return trained.precision === 'f32' ? tensors : dequantizeTensors(tensors, logits);
}

/** Float values by name, for the training engines. */
export function floatTensors(stored: StoredTensors): Tensors {
  return new Map([...stored].map(([name, tensor]) => [name, f32Values(tensor) as Float32Array<ArrayBuffer>]));
}

async function readStored(path: string): Promise<StoredTensors> {
  try {
    return readSafetensors(await readFile(path)).tensors;
  } catch (error) {
    if (error instanceof ArtifactError)
      throw new UserError(`${path} is damaged: ${error.message}`, 'Make the run again.');
    throw new UserError(`can't read ${path}: ${messageOf(error)}`);
  }
}

function checkStored(path: string, stored: StoredTensors, specs: ReturnType<typeof storedSpecs>): void {
  for (const { name, shape } of specs) {
    const tensor = stored.get(name);
    if (!tensor) throw new UserError(`tensor ${name} is missing in ${path}`);
    if (tensor.dtype !== 'F32' && tensor.dtype !== 'I8' && tensor.dtype !== 'U8')
      throw new UserError(`tensor ${name} in ${path}: expected F32, I8 or U8, got ${tensor.dtype}`);
    const [rows, columns] = shape;
    const expected = tensor.dtype === 'U8' ? int4Shape(rows, columns) : shape;
    if (!sameShape(tensor.shape, expected))
      throw new UserError(
        `tensor ${name} in ${path}: expected shape (${expected.join(', ')}), got (${tensor.shape.join(', ')})`,
      );
    if (tensor.dtype === 'F32') {
      expectFinite(f32Values(tensor), name, path);
      continue;
    }
    const scale = stored.get(scaleName(name));
    if (scale?.dtype !== 'F32' || !sameShape(scale.shape, [rows]))
      throw new UserError(`tensor ${name} in ${path}: expected F32 scales (${rows}) in ${scaleName(name)}`);
    const wrong = f32Values(scale).find((value) => !(value >= 0 && value < Infinity));
    if (wrong !== undefined)
      throw new UserError(
        `tensor ${scaleName(name)} in ${path}: expected finite scales of at least 0, got ${wrong}`,
        'The file is damaged: quantize again.',
      );
    if (tensor.dtype === 'I8') continue;
    const factors = stored.get(factorName(name));
    const groups = Math.ceil(columns / INT4_GROUP);
    if (factors?.dtype !== 'I8' || !sameShape(factors.shape, [rows, groups]))
      throw new UserError(`tensor ${name} in ${path}: expected I8 factors (${rows}, ${groups}) in ${factorName(name)}`);
    const beyond = i8Values(factors).find((factor) => Math.abs(factor) > MAX_INT4_FACTOR);
    if (beyond !== undefined)
      throw new UserError(
        `tensor ${factorName(name)} in ${path}: expected factors of ±${MAX_INT4_FACTOR} at most, got ${beyond}`,
        'The file is damaged: quantize again.',
      );
  }
}

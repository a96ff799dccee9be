/** What an artifact says of itself: JSON in the safetensors metadata under the key `slim`. */
import { ArtifactError, shown } from './errors.ts';
import { isObject, type JsonObject } from './json.ts';
import type { Plan } from './plan.ts';
import { readPlan } from './plan-read.ts';

export const FORMAT_VERSION = 2;

const TASKS = ['image-classification', 'text-classification'] as const;

export interface Manifest {
  readonly formatVersion: typeof FORMAT_VERSION;
  readonly task: (typeof TASKS)[number];
  /** One for each logit. */
  readonly labels: readonly string[];
  readonly source: Source;
  /** How it was compressed; null for a dense model. */
  readonly compression: Compression | null;
  /** How the weights of linear layers are stored. */
  readonly precision: 'int8' | 'f32';
  /** Read by runtime/preprocess, which lies above this layer. */
  readonly preprocessing: JsonObject;
  /** Before and after each stage, in their order. */
  readonly accuracy: readonly StageAccuracy[];
  readonly costs: Costs;
  /** The resolved configuration of the run that made it. */
  readonly configuration: JsonObject;
  readonly plan: Plan;
  /** Of the tensors' bytes: `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
}

/** Where the model came from. */
export interface Source {
  /** The checkpoint's name, e.g. `google/vit-base-patch16-224`. */
  readonly model: string;
  /** e.g. `vit`. */
  readonly architecture: string;
}

export interface Compression {
  readonly method: 'pc-lora';
  /** The largest of `ranks`. */
  readonly rank: number;
  /** By layer. */
  readonly ranks: Readonly<Record<string, number>>;
  /** s in y = s·B(A x) + C while training; packing folds it into B. */
  readonly scaling: number;
  /** How λ went to 0, e.g. `sine`. */
  readonly schedule: string;
  /** How A and B started, e.g. `svd`. */
  readonly init: string;
}

export interface StageAccuracy {
  /** e.g. `teacher`, `pc-lora`, `int8`. */
  readonly stage: string;
  /** From 0 to 1. */
  readonly accuracy: number;
  readonly samples: number;
}

export interface Costs {
  /** The model that it was compressed from; null if there was none. */
  readonly teacher: Cost | null;
  readonly model: Cost;
}

/** Counted as the paper does (`blocks`) and as it ships (`whole`). MACs of one forward pass. */
export interface Cost {
  readonly blocks: { readonly parameters: number; readonly macs: number };
  readonly whole: { readonly parameters: number; readonly macs: number };
}

/** Reads a manifest, strictly: every field there, none unknown. @throws ArtifactError (version, manifest, plan) naming the field. */
export function readManifest(json: JsonObject): Manifest {
  if (json.formatVersion !== FORMAT_VERSION) {
    throw new ArtifactError('version', `formatVersion: this runtime reads ${FORMAT_VERSION}, got ${shown(json.formatVersion)}`);
  }
  const fields = record('manifest', json, [
    'formatVersion', 'task', 'labels', 'source', 'compression', 'precision', 'preprocessing', 'accuracy', 'costs', 'configuration',
    'plan', 'digest',
  ]);
  return {
    formatVersion: FORMAT_VERSION,
    task: oneOf('task', fields.task, TASKS),
    labels: list('labels', fields.labels, text),
    source: readSource(fields.source),
    compression: fields.compression === null ? null : readCompression(fields.compression),
    precision: oneOf('precision', fields.precision, ['int8', 'f32']),
    preprocessing: object('preprocessing', fields.preprocessing),
    accuracy: list('accuracy', fields.accuracy, readAccuracy),
    costs: readCosts(fields.costs),
    configuration: object('configuration', fields.configuration),
    plan: readPlan(fields.plan),
    digest: text('digest', fields.digest),
  };
}

function readSource(json: unknown): Source {
  const { model, architecture } = record('source', json, ['model', 'architecture']);
  return { model: text('source.model', model), architecture: text('source.architecture', architecture) };
}

function readCompression(json: unknown): Compression {
  const fields = record('compression', json, ['method', 'rank', 'ranks', 'scaling', 'schedule', 'init']);
  const ranks = object('compression.ranks', fields.ranks);
  return {
    method: oneOf('compression.method', fields.method, ['pc-lora']),
    rank: count('compression.rank', fields.rank),
    ranks: Object.fromEntries(Object.entries(ranks).map(([layer, rank]) => [layer, count(`compression.ranks.${layer}`, rank)])),
    scaling: number('compression.scaling', fields.scaling),
    schedule: text('compression.schedule', fields.schedule),
    init: text('compression.init', fields.init),
  };
}

function readAccuracy(where: string, json: unknown): StageAccuracy {
  const { stage, accuracy, samples } = record(where, json, ['stage', 'accuracy', 'samples']);
  if (typeof accuracy !== 'number' || !(accuracy >= 0 && accuracy <= 1)) throw wrong(`${where}.accuracy`, 'a number from 0 to 1', accuracy);
  return { stage: text(`${where}.stage`, stage), accuracy, samples: count(`${where}.samples`, samples) };
}

function readCosts(json: unknown): Costs {
  const { teacher, model } = record('costs', json, ['teacher', 'model']);
  return { teacher: teacher === null ? null : readCost('costs.teacher', teacher), model: readCost('costs.model', model) };
}

function readCost(where: string, json: unknown): Cost {
  const part = (name: string, value: unknown): Cost['whole'] => {
    const { parameters, macs } = record(`${where}.${name}`, value, ['parameters', 'macs']);
    return { parameters: count(`${where}.${name}.parameters`, parameters), macs: count(`${where}.${name}.macs`, macs) };
  };
  const { blocks, whole } = record(where, json, ['blocks', 'whole']);
  return { blocks: part('blocks', blocks), whole: part('whole', whole) };
}

function record<Name extends string>(where: string, json: unknown, names: readonly Name[]): Record<Name, unknown> {
  const fields = object(where, json);
  const missing = names.find((name) => !Object.hasOwn(fields, name));
  if (missing !== undefined) throw new ArtifactError('manifest', `${where}: the field ${missing} is missing`);
  const unknown = Object.keys(fields).find((name) => !(names as readonly string[]).includes(name));
  if (unknown !== undefined) throw new ArtifactError('manifest', `${where}: unknown field ${shown(unknown)}`);
  return fields as Record<Name, unknown>;
}

function object(where: string, json: unknown): JsonObject {
  if (!isObject(json)) throw wrong(where, 'an object', json);
  return json;
}

function list<T>(where: string, json: unknown, read: (where: string, item: unknown) => T): T[] {
  if (!Array.isArray(json)) throw wrong(where, 'a list', json);
  return json.map((item, i) => read(`${where}[${i}]`, item));
}

function text(where: string, json: unknown): string {
  if (typeof json !== 'string') throw wrong(where, 'a string', json);
  return json;
}

function number(where: string, json: unknown): number {
  if (typeof json !== 'number') throw wrong(where, 'a number', json);
  return json;
}

function count(where: string, json: unknown): number {
  if (!Number.isSafeInteger(json) || (json as number) < 0) throw wrong(where, 'a whole number', json);
  return json as number;
}

function oneOf<T extends string>(where: string, json: unknown, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === json);
  if (found === undefined) throw wrong(where, allowed.join(' or '), json);
  return found;
}

function wrong(where: string, expected: string, got: unknown): ArtifactError {
  return new ArtifactError('manifest', `${where}: expected ${expected}, got ${shown(got)}`);
}

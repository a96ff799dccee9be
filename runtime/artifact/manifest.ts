/** What an artifact says of itself: JSON in the safetensors metadata under the key `slim`. */
import { readPlan } from './plan-read.ts';
import {
  count,
  type JsonObject,
  list,
  mapOf,
  nullable,
  number,
  object,
  ofArtifact,
  oneOf,
  type Parsed,
  record,
  text,
  valueThat,
} from './schema.ts';

/** Counted up whenever readers of before would misread what is written; others are refused. */
export const FORMAT_VERSION = 2;

/** Where the model came from. */
const source = record({
  /** The checkpoint's name, e.g. `google/vit-base-patch16-224`. */
  model: text,
  /** e.g. `vit`. */
  architecture: text,
});

const compression = record({
  method: oneOf('pc-lora'),
  /** The largest of `ranks`. */
  rank: count,
  /** By layer. */
  ranks: mapOf(count),
  /** s in y = s·B(A x) + C while training; packing folds it into B. */
  scaling: number,
  /** How λ went to 0, e.g. `sine`. */
  schedule: text,
  /** How A and B started, e.g. `svd`. */
  init: text,
});

const stageAccuracy = record({
  /** e.g. `teacher`, `pc-lora`, `int8`. */
  stage: text,
  accuracy: valueThat<number>('a number from 0 to 1', (json) => typeof json === 'number' && json >= 0 && json <= 1),
  samples: count,
});

const counts = record({ parameters: count, macs: count });

/** Counted as the paper does (`blocks`) and as it ships (`whole`). MACs of one forward pass. */
const cost = record({ blocks: counts, whole: counts });

const costs = record({
  /** Of the model that it was compressed from; null if there was none. */
  teacher: nullable(cost),
  model: cost,
});

const manifest = record({
  formatVersion: ofArtifact('version', oneOf(FORMAT_VERSION)),
  task: oneOf('image-classification', 'text-classification'),
  /** One for each logit. */
  labels: list(text),
  source,
  /** How it was compressed; null for a dense model. */
  compression: nullable(compression),
  /** How the weights of linear layers are stored. */
  precision: oneOf('int8', 'f32'),
  /** Read by runtime/preprocess, which lies above this layer. */
  preprocessing: object,
  /** Before and after each stage, in their order. */
  accuracy: list(stageAccuracy),
  costs,
  /** The resolved configuration of the run that made it. */
  configuration: object,
  plan: readPlan,
  /** Of the tensors' bytes: `sha256:` and 64 hexadecimal digits. */
  digest: text,
});

/** How a model was compressed. */
export type Compression = Parsed<typeof compression>;
/** What a model got right after one stage, of so many samples. */
export type StageAccuracy = Parsed<typeof stageAccuracy>;
/** Parameters and multiply-accumulates (1 MAC = 2 FLOPs) of one model. */
export type Cost = Parsed<typeof cost>;
/** The same of a model and of its teacher. */
export type Costs = Parsed<typeof costs>;
/** All that an artifact says beside its tensors. */
export type Manifest = Parsed<typeof manifest>;

/**
 * Reads a manifest, strictly: every field there, none unknown. @throws ArtifactError (version, manifest, plan) naming
 * the field.
 */
export function readManifest(json: JsonObject): Manifest {
  return ofArtifact('manifest', manifest)('manifest', json);
}

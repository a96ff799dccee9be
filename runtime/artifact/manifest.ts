/** What an artifact says of itself: JSON in the safetensors metadata under the key `slim`. */
import { ArtifactError } from './errors.ts';
import { readPlan } from './plan-read.ts';
import { assumedProblemType, type Metric, PROBLEM_TYPES, PROBLEMS, type Score } from './problem-type.ts';
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
  type Read,
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
  /** What made it: PC-LoRA, or one of its controls. */
  method: oneOf('pc-lora', 'svd', 'scratch', 'theseus'),
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

/** A score after one stage, e.g. `teacher`, `pc-lora`, `int8`, under the metric's name. */
function stageAccuracy(metric: Metric): Read<StageAccuracy> {
  const least = metric === 'pearson' ? -1 : 0;
  const value = valueThat<number>(
    `a number from ${least} to 1`,
    (json) => typeof json === 'number' && json >= least && json <= 1,
  );
  // What does not vary has no correlation.
  const read = metric === 'pearson' ? nullable(value) : value;
  return record({ stage: text, [metric]: read, samples: count }) as Read<StageAccuracy>;
}

const counts = record({ parameters: count, macs: count });

/** Counted as the paper does (`blocks`) and as it ships (`whole`). MACs of one forward pass. */
const cost = record({ blocks: counts, whole: counts });

const costs = record({
  /** Of the model that it was compressed from; null if there was none. */
  teacher: nullable(cost),
  model: cost,
});

const readProblemType = ofArtifact('manifest', oneOf(...PROBLEM_TYPES));

const fields = {
  formatVersion: ofArtifact('version', oneOf(FORMAT_VERSION)),
  task: oneOf('image-classification', 'text-classification'),
  problemType: readProblemType,
  /** One for each logit. */
  labels: list(text),
  source,
  /** How it was compressed; null for a dense model. */
  compression: nullable(compression),
  /** How the weights of linear layers are stored. */
  precision: oneOf('int4', 'int8', 'f32'),
  /** Read by runtime/preprocess, which lies above this layer. */
  preprocessing: object,
  costs,
  /** The resolved configuration of the run that made it. */
  configuration: object,
  plan: readPlan,
  /** Of the tensors' bytes: `sha256:` and 64 hexadecimal digits. */
  digest: text,
};

/** How a model was compressed. */
export type Compression = Parsed<typeof compression>;
/** How good a model was after one stage, by the metric of its problem type. */
export interface StageAccuracy extends Score {
  readonly stage: string;
}
/** Parameters and multiply-accumulates (1 MAC = 2 FLOPs) of one model. */
export type Cost = Parsed<typeof cost>;
/** The same of a model and of its teacher. */
export type Costs = Parsed<typeof costs>;
/** All that an artifact says beside its tensors. */
export interface Manifest extends Parsed<typeof fields> {
  /** Before and after each stage, in their order. */
  readonly accuracy: readonly StageAccuracy[];
}

/**
 * Reads a manifest, strictly: every field there, none unknown. Only `problemType` may be absent, as it was before there
 * was more than one. @throws ArtifactError (version, manifest, plan) naming the field.
 */
export function readManifest(json: JsonObject): Manifest {
  const { labels, problemType = assumedProblemType(Array.isArray(labels) ? labels.length : 0) } = json;
  const known = readProblemType('manifest.problemType', problemType);
  if (known === 'single_label_classification' && (labels as unknown[])?.length === 1)
    throw new ArtifactError('manifest', 'manifest.labels: expected several to tell one from, got 1');
  return ofArtifact('manifest', record({ ...fields, accuracy: list(stageAccuracy(PROBLEMS[known].metric)) }))(
    'manifest',
    {
      ...json,
      problemType,
    },
  );
}

/**
 * A manifest as it is written. The problem type that all had before is left out: the bytes of these artifacts are the
 * same, and readers of before, who refuse a field that they don't know, read them.
 */
export function writtenManifest({ problemType, ...others }: Manifest): JsonObject {
  return problemType === 'single_label_classification' ? others : { ...others, problemType };
}

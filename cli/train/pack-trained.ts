/** A trained model as one artifact: its tensors, its tokenizer if it has one, and what it tells of itself. */
import type { Manifest } from '../../runtime/artifact/manifest.ts';
import type { JsonObject } from '../../runtime/artifact/schema.ts';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { TOKENIZER_TENSOR } from '../../runtime/text/artifact-tokenizer.ts';
import type { TextPreprocess } from '../../runtime/text/spec.ts';
import { type Description, pack, packedBytes } from '../compress/pack.ts';
import { quantizedTypes, quantizeTensors, type Weights } from '../compress/quantize.ts';
import type { StoredTensors, StoredTypes } from '../compress/stored-tensors.ts';
import { denseCost } from '../pclora/cost.ts';
import type { Preprocessing } from '../pretrained/preprocessing.ts';
import { packTokenizer } from '../text/pack-tokenizer.ts';
import type { RunRecord } from './run-directory.ts';
import { deployable, deployedShapes, type TrainedModel } from './trained-model.ts';

/** The bytes of the artifact, in the model's precision. */
export function packTrained(trained: TrainedModel): Promise<Uint8Array<ArrayBuffer>> {
  const { logits, tensors } = deployable(trained);
  return pack(logits, tensors, describe(trained), attachmentsOf(trained));
}

/** How many bytes `packTrained` gives of the same model in int8, which needs no weights. */
export function quantizedBytes(trained: Described, attachments: StoredTypes): number {
  const { logits, specs } = deployedShapes(trained);
  const types = quantizedTypes(new Map(specs.map(({ name, shape }) => [name, shape])), logits);
  return packedBytes(logits, types, describe(trained), attachments);
}

/** What an artifact tells of itself comes from this. */
interface Described
  extends Pick<TrainedModel, 'architecture' | 'config' | 'model' | 'preprocessing' | 'compression' | 'source'> {
  readonly record: Pick<RunRecord, 'accuracy' | 'costs' | 'configuration'> | null;
}

/** The same model in int8, its weights in int8 or int4. */
export function quantize(trained: TrainedModel, weights: Weights = 'int8'): TrainedModel {
  const { logits, tensors } = deployable(trained);
  return { ...trained, precision: weights, stored: quantizeTensors(tensors, logits, weights) };
}

/** The manifest's description, from what the run recorded. */
function describe({ architecture, config, model, preprocessing, compression, record, source }: Described): Description {
  const costs: Manifest['costs'] = record?.costs ?? { teacher: null, model: denseCost(model) };
  return {
    ...taskOf(preprocessing),
    labels: config.labels,
    problemType: config.problemType,
    source: { model: source, architecture: architecture.modelType },
    compression,
    accuracy: record?.accuracy ?? [],
    costs,
    configuration: (record?.configuration ?? {}) as JsonObject,
  };
}

function taskOf(preprocessing: Preprocessing): Pick<Description, 'task' | 'preprocessing'> {
  if (preprocessing.kind === 'image')
    return {
      task: 'image-classification',
      preprocessing: preprocessing.image satisfies ImagePreprocess as unknown as JsonObject,
    };
  return {
    task: 'text-classification',
    preprocessing: { kind: 'text', maxTokens: preprocessing.maxTokens } satisfies TextPreprocess,
  };
}

/** The tensors that an artifact has beside its model's: a tokenizer. */
export function attachmentsOf({ preprocessing }: Pick<TrainedModel, 'preprocessing'>): StoredTensors {
  return new Map(preprocessing.kind === 'text' ? [[TOKENIZER_TENSOR, packTokenizer(preprocessing.tokenizer)]] : []);
}

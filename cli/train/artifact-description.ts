/** What an artifact tells of the model it holds. */
import type { Manifest } from '../../runtime/artifact/manifest.ts';
import type { JsonObject } from '../../runtime/artifact/schema.ts';
import { denseCost } from '../pclora/cost.ts';
import type { Description } from '../compress/pack.ts';
import { imagePreprocessOf } from '../pretrained/preprocessing.ts';
import type { TrainedModel } from './trained-model.ts';

/** The manifest's description, from what the run recorded. */
export function describe({ architecture, config, model, preprocessing, compression, record, source }: TrainedModel): Description {
  const costs: Manifest['costs'] = record?.costs ?? { teacher: null, model: denseCost(model) };
  return {
    task: 'image-classification',
    labels: config.labels,
    source: { model: source, architecture: architecture.modelType },
    compression,
    preprocessing: imagePreprocessOf(preprocessing) as unknown as JsonObject,
    accuracy: record?.accuracy ?? [],
    costs,
    configuration: (record?.configuration ?? {}) as JsonObject,
  };
}

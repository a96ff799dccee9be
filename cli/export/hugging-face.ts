/** A trained model as a Hugging Face folder, which transformers loads: what was low-rank is dense again. */
import { UserError } from '../io/errors.ts';
import { tensorsOf } from '../models/layers.ts';
import { expanded } from '../pclora/merge.ts';
import { saveCheckpoint } from '../pretrained/checkpoint.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import { floatDeployable, floatTensors, ranksOf, type TrainedModel, weightSpecs } from '../train/trained-model.ts';

/** Writes config.json, model.safetensors and what prepares the inputs. @throws UserError as `trainedTensors` */
export async function saveDense(folder: string, trained: TrainedModel, path: string): Promise<void> {
  await saveCheckpoint(folder, trained, denseTensors(trained, path));
}

function denseTensors(trained: TrainedModel, path: string): Tensors {
  const { model, compression } = trained;
  const tensors = trainedTensors(trained, path);
  if (compression === null) return new Map(tensorsOf(model.layers).map(({ name }) => [name, tensors.get(name)!]));
  return expanded(model.layers, { ranks: ranksOf(model, compression), scaling: compression.scaling }, tensors);
}

/**
 * What is left of a model at λ = 0, in f32, by the layer table's names; of a quantized one, what is left of its values.
 * @throws UserError where quantizing has put layers together that can't be taken apart again
 */
export function trainedTensors(trained: TrainedModel, path: string): Tensors {
  if (trained.precision === 'f32') return floatTensors(trained.stored);
  const tensors = floatTensors(floatDeployable(trained));
  const missing = weightSpecs(trained.model, trained.compression).find(({ name }) => !tensors.has(name));
  if (missing)
    throw new UserError(
      `${path} is quantized: its layers were put together before that, and ${missing.name} is part of others since`,
      'Export the run that it was quantized from; --to onnx takes this one, too.',
    );
  return tensors;
}

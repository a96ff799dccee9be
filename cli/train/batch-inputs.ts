/** What a batch gives a graph: a model's inputs, of pictures their bytes. */
import type { DeviceTensor, Engine, HostTensor } from '../engines/engine.ts';
import type { Node } from '../graph/graph.ts';
import { input } from '../graph/ops/leaf.ts';
import { type Normalization, normalizePictures } from '../graph/ops/normalize-pictures.ts';
import type { BatchInputOptions, Model } from '../models/model.ts';
import type { Preprocessing } from '../pretrained/preprocessing.ts';

/** How bytes become a model's pixels; undefined where it takes texts. */
export function normalizationOf(preprocessing: Preprocessing): Normalization | undefined {
  return preprocessing.kind === 'image' ? preprocessing.image : undefined;
}

/** The input that pictures come in, as bytes. */
const PICTURES = 'pictures';

/** The names that a batch of a model's can have among its inputs. */
export function batchedInputs(model: Model): string[] {
  return [PICTURES, ...Object.keys(model.batchInputs(1, { padded: true, dropout: true }))];
}

/**
 * The model's inputs for a batch. With a normalization, pictures are the input `pictures`, u8 (B, H, W, 3), as
 * `pictureSamples` gives them; without, `pixels` are given as the model takes them.
 */
export function batchInputs(
  model: Model,
  batch: number,
  normalization: Normalization | undefined,
  options: BatchInputOptions,
): Readonly<Record<string, Node>> {
  const inputs = model.batchInputs(batch, options);
  if (normalization === undefined) return inputs;
  const [B, C, H, W] = inputs.pixels.shape;
  return { ...inputs, pixels: normalizePictures(input(PICTURES, [B, H, W, C], 'u8'), normalization) };
}

/** Uploads a batch for programs that were told of it by `batchedInputs`. */
export function uploadBatch(engine: Engine, batch: Readonly<Record<string, HostTensor>>): Record<string, DeviceTensor> {
  return Object.fromEntries(
    Object.entries(batch).map(([name, tensor]) => [name, engine.upload(tensor, { batched: true })]),
  );
}

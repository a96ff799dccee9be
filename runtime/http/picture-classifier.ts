/** A packed model as a classifier of pictures: decode, prepare, infer, softmax. The route of every request. */
import type { Artifact } from '../artifact/artifact.ts';
import { ArtifactError } from '../artifact/errors.ts';
import { prepareImage } from '../preprocess/normalize.ts';
import type { Picture } from '../preprocess/picture.ts';
import { readImagePreprocess } from '../preprocess/spec.ts';
import type { Classifier } from './classifier.ts';
import { classifierOf, type Inference } from './inference.ts';
import { pictureInput } from './picture-input.ts';

/**
 * Makes a picture of an encoded file (JPEG, PNG, WebP), e.g. `decodePicture` with the host's codecs. Rejects with
 * PreprocessError where it can't.
 */
export type DecodePicture = (bytes: Uint8Array) => Promise<Picture>;

/**
 * Joins an artifact, an engine made of it and the host's way to decode pictures. @throws PreprocessError or
 * ArtifactError where the preprocessing is invalid or makes what the plan does not take
 */
export function createPictureClassifier(
  artifact: Artifact,
  engine: Inference,
  decode: DecodePicture,
): Classifier<Uint8Array> {
  const { plan, preprocessing } = artifact.manifest;
  const spec = readImagePreprocess(preprocessing);
  const made = `1,${spec.mean.length},${spec.size.height},${spec.size.width}`;
  const taken = `${plan.inputs[0].shape}`;
  if (taken !== made) throw new ArtifactError('plan', `plan: expected pixels [${made}], got [${taken}]`);
  return classifierOf(artifact, engine, pictureInput, async (bytes) => ({
    inputs: { pixels: prepareImage(await decode(bytes), spec) },
  }));
}

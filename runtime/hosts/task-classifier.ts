import type { Artifact } from '../artifact/artifact.ts';
import { createEngine } from '../engine/engine.ts';
import type { Classifier } from '../http/classifier.ts';
import { createPictureClassifier } from '../http/picture-classifier.ts';
import { createTextClassifier } from '../http/text-classifier.ts';
import { type Decoders, decodePicture, type PictureLimits } from '../preprocess/decode.ts';
import { createAnyTokenizer } from '../text/any-tokenizer.ts';
import type { ModelInput } from './model-input.ts';

/**
 * The classifier that an artifact is, on this thread. Pictures beyond the limits are refused before they are decoded.
 * @throws ArtifactError or PreprocessError saying what is wrong with the artifact.
 */
export async function createTaskClassifier(
  artifact: Artifact,
  kernels: WebAssembly.Module,
  decoders: Decoders,
  limits?: PictureLimits,
): Promise<Classifier<ModelInput>> {
  const engine = createEngine(artifact, kernels);
  return artifact.manifest.task === 'text-classification'
    ? createTextClassifier(artifact, engine, createAnyTokenizer)
    : createPictureClassifier(artifact, engine, (bytes) => decodePicture(bytes, decoders, limits));
}

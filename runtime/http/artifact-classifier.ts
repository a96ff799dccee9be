/** A packed model as a classifier: decode, prepare, infer, softmax. The route of every request. */
import type { Artifact } from '../artifact/artifact.ts';
import { ArtifactError } from '../artifact/errors.ts';
import type { Inputs } from '../engine/engine.ts';
import { prepareImage } from '../preprocess/normalize.ts';
import type { Picture } from '../preprocess/picture.ts';
import { readImagePreprocess } from '../preprocess/spec.ts';
import type { Classifier, Prediction } from './classifier.ts';

/** What computes logits: an engine, or a pool of them. */
export interface Inference {
  infer(inputs: Inputs): Float32Array | Promise<Float32Array>;
}

/** Makes a picture of an encoded file, e.g. `decodePicture` with the host's codecs. Rejects with PreprocessError where it can't. */
export type DecodePicture = (bytes: Uint8Array) => Promise<Picture>;

/** Joins an artifact, an engine made of it and the host's way to decode pictures. @throws PreprocessError or ArtifactError where the preprocessing is invalid or makes what the plan does not take */
export function createClassifier({ manifest, fileBytes }: Artifact, engine: Inference, decode: DecodePicture): Classifier {
  const spec = readImagePreprocess(manifest.preprocessing);
  const made = `1,3,${spec.size.height},${spec.size.width}`;
  const taken = `${manifest.plan.inputs[0].shape}`;
  if (taken !== made) throw new ArtifactError('plan', `plan: expected pixels [${made}], got [${taken}]`);
  const { labels, task, source, costs, preprocessing } = manifest;
  return {
    info: () => ({ name: source.model, task, labels, parameters: costs.model.whole.parameters, macs: costs.model.whole.macs, bytes: fileBytes, preprocessing }),
    async classify(bytes, topK) {
      const pixels = prepareImage(await decode(bytes), spec);
      const logits = await engine.infer({ pixels });
      // Weights that overflow are no fault of the picture, and NaN would be `null` in JSON: better no answer than that one.
      if (!logits.every(Number.isFinite)) throw new Error('the model computed values that are not finite');
      return topPredictions(logits, labels, topK);
    },
  };
}

/** The `topK` likeliest labels, best first; ties in the labels' order. */
export function topPredictions(logits: Float32Array, labels: readonly string[], topK: number): Prediction[] {
  const scores = softmax(logits);
  return [...scores.keys()]
    .sort((a, b) => scores[b] - scores[a])
    .slice(0, topK)
    .map((i) => ({ label: labels[i], score: scores[i] }));
}

function softmax(logits: Float32Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const exponentials = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / sum);
}

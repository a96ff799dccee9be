import type { Artifact } from '../artifact/artifact.ts';
import type { Inputs } from '../engine/engine.ts';
import type { Answer, Classifier, InputReader, Prediction } from './classifier.ts';

/** What computes logits: an engine, or a pool of them. */
export interface Inference {
  infer(inputs: Inputs): Float32Array | Promise<Float32Array>;
}

/** What the model takes, and what there is to say of it in the answer. */
export interface Prepared extends Omit<Answer, 'predictions'> {
  readonly inputs: Inputs;
}

/** Joins an artifact and an engine made of it with how an input is read and prepared. */
export function classifierOf<Input>(
  { manifest: { labels, task, source, costs, preprocessing }, fileBytes }: Artifact,
  engine: Inference,
  input: InputReader<Input>,
  prepare: (input: Input) => Prepared | Promise<Prepared>,
): Classifier<Input> {
  return {
    info: { name: source.model, task, labels, ...costs.model.whole, bytes: fileBytes, preprocessing },
    input,
    async classify(given, topK) {
      const { inputs, ...marks } = await prepare(given);
      const logits = await engine.infer(inputs);
      // Weights that overflow are no fault of the input, and NaN would be `null` in JSON: better no answer than that one.
      if (!logits.every(Number.isFinite)) throw new Error('the logits are not finite');
      return { predictions: topPredictions(logits, labels, topK), ...marks };
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

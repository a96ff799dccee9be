import type { Artifact } from '../artifact/artifact.ts';
import { PROBLEMS, type ScoreFunction } from '../artifact/problem-type.ts';
import type { Inputs } from '../engine/engine.ts';
import { isPreprocessError } from '../preprocess/error.ts';
import type { Answer, Classifier, InputReader, ModelInfo, Prediction } from './classifier.ts';
import { Problem } from './problem.ts';

/** What computes logits: an engine. */
export interface Inference {
  infer(inputs: Inputs): Float32Array;
}

/** What the model takes, and what there is to say of it in the answer. */
export interface Prepared extends Omit<Answer, 'predictions'> {
  readonly inputs: Inputs;
}

/** Joins an artifact and an engine made of it with how an input is read and prepared. */
export function classifierOf<Input>(
  artifact: Artifact,
  engine: Inference,
  input: InputReader<Input>,
  prepare: (input: Input) => Prepared | Promise<Prepared>,
): Classifier<Input> {
  const { manifest } = artifact;
  return {
    info: modelInfo(artifact),
    input,
    async classify(given, topK, signal) {
      const { inputs, ...marks } = await prepare(given);
      signal?.throwIfAborted();
      const logits = engine.infer(inputs);
      // Weights that overflow are no fault of the input, and NaN would be `null` in JSON: better no answer than that
      // one.
      if (!logits.every(Number.isFinite)) throw new Error('the logits are not finite');
      return { predictions: topPredictions(logits, manifest, topK), ...marks };
    },
  };
}

/** Classifies the inputs of a request, as many at a time as the classifier takes. Rejects with the first failure. */
export async function classifyAll<Input>(
  classifier: Classifier<Input>,
  inputs: readonly Input[],
  topK: number,
  signal?: AbortSignal,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  const takeTurns = async (): Promise<void> => {
    while (next < inputs.length) {
      const i = next++;
      answers[i] = await classifier.classify(inputs[i], topK, signal).catch((error: Error) => {
        throw inputs.length > 1 && isPreprocessError(error)
          ? new Problem(422, `inputs[${i}]: ${error.message}`, error.code)
          : error;
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(classifier.parallel ?? 1, inputs.length) }, takeTurns));
  return answers;
}

/** What there is to say of a model, from its artifact. */
export function modelInfo({ manifest, fileBytes }: Artifact): ModelInfo {
  const { labels, task, problemType, source, compression, precision, costs, accuracy, digest, preprocessing } =
    manifest;
  return {
    name: source.model,
    task,
    architecture: source.architecture,
    labels,
    problemType,
    precision,
    rank: compression === null ? null : compression.rank,
    ...costs.model.whole,
    teacher: costs.teacher === null ? null : costs.teacher.whole,
    accuracy,
    bytes: fileBytes,
    digest,
    preprocessing,
  };
}

/**
 * What logits say, as transformers' pipelines answer: the `topK` likeliest labels, best first, ties in the labels'
 * order; of regression all numbers, in the labels' order.
 */
export function topPredictions(
  logits: Float32Array,
  { labels, problemType }: Pick<ModelInfo, 'labels' | 'problemType'>,
  topK: number,
): Prediction[] {
  const scores = SCORES[PROBLEMS[problemType].scores](logits);
  const order = [...scores.keys()];
  const told = problemType === 'regression' ? order : order.sort((a, b) => scores[b] - scores[a]).slice(0, topK);
  return told.map((i) => ({ label: labels[i], score: scores[i] }));
}

/** By their names in `PROBLEMS`. */
export const SCORES: Readonly<Record<ScoreFunction, (logits: Float32Array) => Float64Array>> = {
  softmax,
  sigmoid: (logits) => Float64Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit))),
  none: (logits) => Float64Array.from(logits),
};

function softmax(logits: Float32Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const exponentials = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / sum);
}

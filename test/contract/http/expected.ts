/** What a model answers, as the engine computes it in this process. */
import { expect } from 'vitest';
import type { Artifact } from '../../../runtime/artifact/artifact.ts';
import type { Engine, Inputs } from '../../../runtime/engine/engine.ts';
import type { Prediction } from '../../../runtime/http/classifier.ts';
import { topPredictions } from '../../../runtime/http/inference.ts';

/** The `topK` likeliest labels. Scores of hosts may differ in the last digits of e^x: less than 1e-9. */
export function predictionsOf(artifact: Artifact, engine: Engine, inputs: Inputs, topK = 5): Prediction[] {
  return topPredictions(engine.infer(inputs), artifact.manifest, topK).map(({ label, score }) => ({
    label,
    score: expect.closeTo(score, 9) as number,
  }));
}

/** The answer of POST /v1/predict to one input. */
export function answer(predictions: readonly Prediction[], marks: object = {}): object {
  return { predictions, ...marks, latencyMs: expect.any(Number) as number };
}

/** And to a list. */
export function answers(...results: readonly (readonly Prediction[])[]): object {
  return { results: results.map((predictions) => ({ predictions })), latencyMs: expect.any(Number) as number };
}

/** What answers texts without blocks: a sum of what each term, or each token, says. */
import { readFile } from 'node:fs/promises';
import { linearScore } from './logistic.ts';
import type { Runner } from './runner.ts';
import { type Features, type Sparse, vectorizer } from './tfidf.ts';

/** A classifier of TF-IDF vectors, as it lies in its file. */
export interface TextModel {
  readonly features: Features;
  /** Of all scores one after another, (outputs, features). */
  readonly weights: readonly number[];
  readonly intercepts: readonly number[];
}

/** What each token adds to each output; a text's answer is the mean of its tokens. */
export interface WordScores {
  readonly outputs: number;
  /** (vocabulary, outputs) */
  readonly scores: readonly number[];
}

/** Reads words and letters of a text. */
export async function openTfidfRunner(file: string): Promise<Runner> {
  const { features, weights, intercepts } = JSON.parse(await readFile(file, 'utf8')) as TextModel;
  const vectorOf = vectorizer(features);
  const all = Float64Array.from(weights);
  const width = all.length / intercepts.length;
  const answer = (vector: Sparse): Float32Array =>
    Float32Array.from(intercepts, (intercept, k) => linearScore(vector, all, k * width, intercept));
  return { answer: (samples) => samples.map((text) => answer(vectorOf(text as string))), close: async () => undefined };
}

/** Reads tokens, the two at the ends left out. */
export async function openEmbeddingsRunner(file: string): Promise<Runner> {
  const { outputs, scores } = JSON.parse(await readFile(file, 'utf8')) as WordScores;
  const all = Float64Array.from(scores);
  return {
    answer: (samples) => samples.map((sample) => meanScores((sample as { ids: Int32Array }).ids, all, outputs)),
    close: async () => undefined,
  };
}

function meanScores(ids: Int32Array, scores: Float64Array, outputs: number): Float32Array {
  const inner = innerTokens(ids);
  const sums = new Float64Array(outputs);
  for (const id of inner) for (let k = 0; k < outputs; k++) sums[k] += scores[id * outputs + k];
  return Float32Array.from(sums, (sum) => sum / inner.length);
}

/** A text without the tokens that mark its ends; all where there is nothing between them. */
export function innerTokens(ids: Int32Array): Int32Array {
  return ids.length > 2 ? ids.subarray(1, -1) : ids;
}

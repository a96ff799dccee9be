import type { Answer, ModelInfo } from './classifier.ts';

/**
 * The JSON that Hugging Face's Inference API answers for these tasks: a list of {label, score} for a picture, a list of
 * such lists for a text, whose API was made for batches, and for lists of either.
 */
export function huggingFaceBody(answers: readonly Answer[], isList: boolean, task: ModelInfo['task']): object {
  const lists = answers.map(({ predictions }) => predictions);
  return isList || task === 'text-classification' ? lists : lists[0];
}

/** Whose classes are whose: a model and a data set may name and order them differently. */
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';

/** LABEL_0, LABEL_1 ..., which transformers writes where nobody named them. */
function madeUp(labels: readonly string[]): boolean {
  return labels.every((label, i) => label === `LABEL_${i}`);
}

/**
 * Which of the model's classes each of the data's is: by name, or by place where the model's names are made up. -1 for
 * one that it does not know.
 */
export function classIndices(model: readonly string[], data: readonly string[]): number[] {
  const byPlace = model.length === data.length && madeUp(model);
  return data.map((label, i) => (byPlace ? i : model.indexOf(label)));
}

/** What a head answers. */
interface Head {
  readonly labels: readonly string[];
  readonly problemType: ProblemType;
}

/**
 * Which of a checkpoint's outputs each that the data wants is; null where it was trained for others. Numbers without
 * names, and a single one, are told by their places.
 */
export function headOrder(stored: Head, wanted: Head): number[] | null {
  if (stored.problemType !== wanted.problemType) return null;
  if (stored.problemType !== 'regression') return classOrder(stored.labels, wanted.labels);
  const count = stored.labels.length;
  if (count !== wanted.labels.length) return null;
  return count === 1 || madeUp(wanted.labels) ? [...wanted.labels.keys()] : classOrder(stored.labels, wanted.labels);
}

/** The same where both have the same classes; null where they are others. */
export function classOrder(model: readonly string[], data: readonly string[]): number[] | null {
  const indices = classIndices(model, data);
  return model.length === data.length && !indices.includes(-1) ? indices : null;
}

/** Whose classes are whose: a model and a data set may name and order them differently. */
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';

/** LABEL_0, LABEL_1 ..., which transformers writes where nobody named them. */
export function madeUp(labels: readonly string[]): boolean {
  return labels.every((label, i) => label === `LABEL_${i}`);
}

/**
 * Which of the model's classes each of the data's is: by name, or by place where the model's names are made up. Of a name
 * that occurs several times, as ImageNet's crane, the first is the first, and so on. -1 for one that it does not know.
 */
export function classIndices(model: readonly string[], data: readonly string[]): number[] {
  if (model.length === data.length && madeUp(model)) return data.map((_, i) => i);
  const places = new Map<string, number[]>();
  model.forEach((label, i) => {
    const known = places.get(label);
    if (known) known.push(i);
    else places.set(label, [i]);
  });
  return data.map((label) => places.get(label)?.shift() ?? -1);
}

/**
 * A class of the data of whose name the model has several, so that it can't be told which of them it is; null where there
 * is none.
 */
export function ambiguousClass(model: readonly string[], data: readonly string[]): string | null {
  const [inModel, inData] = [model, data].map(timesEach);
  const isAmbiguous = (label: string): boolean => {
    const times = inModel.get(label) ?? 0;
    return times > 1 && times !== inData.get(label);
  };
  return data.find(isAmbiguous) ?? null;
}

function timesEach(labels: readonly string[]): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const label of labels) times.set(label, (times.get(label) ?? 0) + 1);
  return times;
}

/** What a head answers, or what data asks of one. */
export interface Head {
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

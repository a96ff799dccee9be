/** Whose classes are whose: a model and a data set may name and order them differently. */

/** LABEL_0, LABEL_1 ..., which transformers writes where nobody named them. */
export function madeUp(labels: readonly string[]): boolean {
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

/** The same where both have the same classes; null where they are others. */
export function classOrder(model: readonly string[], data: readonly string[]): number[] | null {
  const indices = classIndices(model, data);
  return model.length === data.length && !indices.includes(-1) ? indices : null;
}

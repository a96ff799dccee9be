/** Which of several models are worth their cost. */

/**
 * Those that no other beats, cheapest first: none has a score as high at a cost as low, and is better in one of the two.
 * What has no score, or no such cost, is never among them.
 */
export function paretoFront<T>(
  models: readonly T[],
  scoreOf: (model: T) => number | null,
  costOf: (model: T) => number | null,
): readonly T[] {
  const known = models.flatMap((model) => {
    const [score, cost] = [scoreOf(model), costOf(model)];
    return score === null || cost === null ? [] : [{ model, score, cost }];
  });
  const beats = (one: (typeof known)[number], other: (typeof known)[number]): boolean =>
    one.score >= other.score && one.cost <= other.cost && (one.score > other.score || one.cost < other.cost);
  return known
    .filter((one) => !known.some((other) => beats(other, one)))
    .sort((a, b) => a.cost - b.cost)
    .map(({ model }) => model);
}

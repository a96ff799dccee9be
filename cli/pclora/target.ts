/** Ranks that make a model as small as it is asked to be. */
import { usageError } from '../io/errors.ts';
import { blockLinears, type Layer, linearSize } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import { adaptersCost, denseCost } from './cost.ts';
import { breakEvenRank } from './rank.ts';

/** What is to be left of the blocks, which the paper counts: a share of their parameters, or of their MACs. */
export interface Target {
  readonly of: 'parameters' | 'macs';
  /** Above 0 and below 1. */
  readonly share: number;
}

/**
 * The largest ranks with which the blocks stay within a target: one rank for all layers, and one more for as many as
 * there is room for, from the last layer on. A layer that would grow stays below its break-even rank. `others` are ranks
 * of layers outside the blocks, as of a word table. Usage error where rank 1 is too much.
 */
export function ranksWithin(
  model: Model,
  { of, share }: Target,
  others: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  const linears = blockLinears(model.layers);
  const most = (layer: Layer): number => Math.max(1, Math.ceil(breakEvenRank(linearSize(layer))) - 1);
  const uniform = (rank: number): Map<string, number> =>
    new Map([...others, ...linears.map((layer) => [layer.name, Math.min(rank, most(layer))] as const)]);
  const dense = denseCost(model).blocks[of];
  const fits = (ranks: ReadonlyMap<string, number>): boolean => adaptersCost(model, ranks).blocks[of] <= share * dense;
  if (!fits(uniform(1)))
    throw usageError(
      `${(100 * share).toPrecision(3)} % of the blocks' ${of} can't be reached: ` +
        `rank 1 leaves ${((100 * adaptersCost(model, uniform(1)).blocks[of]) / dense).toFixed(2)} %`,
      'Ask for more.',
    );
  let [fitting, tooLarge] = [1, 1 + Math.max(...linears.map(most))];
  while (tooLarge - fitting > 1) {
    const middle = Math.floor((fitting + tooLarge) / 2);
    if (fits(uniform(middle))) fitting = middle;
    else tooLarge = middle;
  }
  const ranks = uniform(fitting);
  for (const layer of linears.reverse()) {
    if (fitting >= most(layer)) continue;
    ranks.set(layer.name, fitting + 1);
    if (!fits(ranks)) ranks.set(layer.name, fitting);
  }
  return ranks;
}

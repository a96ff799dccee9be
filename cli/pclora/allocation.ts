/**
 * How a budget is spread over the layers: which of them get one more rank, in an order, as far as the budget goes.
 */
import { type Layer, linearSize } from '../models/layers.ts';

/** What --rank-allocation takes, see `growth`. */
export const RANK_ALLOCATIONS = ['uniform', 'energy', 'gradient'] as const;
/** One of them. */
export type RankAllocation = (typeof RANK_ALLOCATIONS)[number];

/** Rank by layer name. */
export type Ranks = ReadonlyMap<string, number>;

/** By layer name: what each of a layer's directions is worth, most first; comparable between layers. */
export type Worths = ReadonlyMap<string, Float64Array>;

/** A layer whose rank is to be found (query, key and value are one where they share A): at least 1, and no more than `most`. */
export interface Growing {
  readonly layer: Layer;
  readonly most: number;
}

/**
 * The layers by name in the order in which their ranks grow by one, from 1 on. Without worths round by round, the last
 * layer first. With them the direction that is worth most for each parameter that it costs comes first: what a budget
 * then buys is worth as much as it can be (water-filling: of directions that cost alike all above one level are taken),
 * for worths that fall within a layer, as energies do.
 */
export function growth(layers: readonly Growing[], worths: Worths | null): string[] {
  if (worths === null) {
    const rounds = Math.max(0, ...layers.map(({ most }) => most - 1));
    const backwards = [...layers].reverse();
    return Array.from({ length: rounds }, (_, round) =>
      backwards.filter(({ most }) => round + 1 < most).map(({ layer }) => layer.name),
    ).flat();
  }
  return layers
    .flatMap(({ layer, most }) => {
      const cost = rankCost(layer);
      return Array.from(worthsOf(worths, layer).subarray(1, most), (worth) => ({
        name: layer.name,
        density: worth / cost,
      }));
    })
    .sort((a, b) => b.density - a.density)
    .map(({ name }) => name);
}

/** What one rank costs in parameters: a row of A (r, in), and a column of B (out, r). */
export function rankCost(layer: Layer): number {
  const { inFeatures, outFeatures } = linearSize(layer);
  return inFeatures + outFeatures;
}

function worthsOf(worths: Worths, { name }: Layer): Float64Array {
  const own = worths.get(name);
  if (own === undefined) throw new Error(`nothing is known of the directions of layer ${name}`);
  return own;
}

/**
 * `least` grown along an order as far as `fits` allows, which only says no to more where it says no to less. Where the
 * next layer's rank no longer fits, those of others that do are taken.
 */
export function grown(least: Ranks, order: readonly string[], fits: (ranks: Ranks) => boolean): Map<string, number> {
  const after = (count: number): Map<string, number> => {
    const ranks = new Map(least);
    for (const name of order.slice(0, count)) grow(ranks, name, 1);
    return ranks;
  };
  let [fitting, tooMany] = [0, order.length + 1];
  while (tooMany - fitting > 1) {
    const middle = Math.floor((fitting + tooMany) / 2);
    if (fits(after(middle))) fitting = middle;
    else tooMany = middle;
  }
  const ranks = after(fitting);
  const full = new Set<string>();
  for (const name of order.slice(fitting)) {
    if (full.has(name)) continue;
    grow(ranks, name, 1);
    if (fits(ranks)) continue;
    grow(ranks, name, -1);
    full.add(name);
  }
  return ranks;
}

function grow(ranks: Map<string, number>, name: string, by: number): void {
  ranks.set(name, ranks.get(name)! + by);
}

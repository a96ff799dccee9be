/** Ranks that make a model as small as it is asked to be. */
import { type UserError, usageError } from '../io/errors.ts';
import { rankedLinears } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import { grown, growth, type Ranks, type Worths } from './allocation.ts';
import { adaptersCost, blockParameters, denseCost } from './cost.ts';
import { mostRank } from './rank.ts';

/** What is to be left of the blocks, which the paper counts: a share of their parameters, or of their MACs. */
export interface Target {
  readonly of: 'parameters' | 'macs';
  /** Above 0 and below 1. */
  readonly share: number;
}

/** What ranks may cost. */
export interface Budget {
  fits(ranks: Ranks): boolean;
  /** What to say where `least`, the smallest ranks, are too much. */
  refusal(least: Ranks): UserError;
}

/** How a budget is spent. */
export interface Spending {
  /** Ranks that are settled: of a word table, or of layers that the flags name. */
  readonly settled?: Ranks;
  /** What the other layers' directions are worth; all get one rank, as far as it goes, unless given. */
  readonly worths?: Worths | null;
  /** Allows ranks that make a layer larger than it was. */
  readonly force?: boolean;
  /** A rank that a layer may have in any case. */
  readonly rank?: number;
  /** Whether query, key and value of a block share A, and so have one rank. */
  readonly fuseQkv?: boolean;
}

/** A share of the blocks' parameters or MACs. */
export function shareBudget(model: Model, { of, share }: Target): Budget {
  const dense = denseCost(model).blocks[of];
  const left = (ranks: Ranks): number =>
    (of === 'parameters' ? blockParameters(model, ranks) : adaptersCost(model, ranks).blocks.macs) / dense;
  return {
    fits: (ranks) => left(ranks) <= share,
    refusal: (least) =>
      usageError(
        `${(100 * share).toPrecision(3)} % of the blocks' ${of} can't be reached: ` +
          `rank 1 leaves ${(100 * left(least)).toFixed(2)} %`,
        'Ask for more.',
      ),
  };
}

/** As many parameters as these ranks leave. */
export function parameterBudget(model: Model, ranks: Ranks): Budget {
  const most = blockParameters(model, ranks);
  return {
    fits: (one) => blockParameters(model, one) <= most,
    refusal(least) {
      throw new Error(`ranks ${[...least.values()]} cost more than ${[...ranks.values()]}`);
    },
  };
}

/**
 * The largest ranks that stay within a budget. A layer that would grow stays below its break-even rank. Usage error where
 * rank 1 is too much.
 */
export function ranksWithin(
  { layers }: Pick<Model, 'layers'>,
  budget: Budget,
  { settled = new Map(), worths = null, force = false, rank = 1, fuseQkv = false }: Spending = {},
): Map<string, number> {
  const growing = rankedLinears(layers, fuseQkv)
    .filter(({ name }) => !settled.has(name))
    .map((layer) => ({ layer, most: Math.max(rank, mostRank(layer, force)) }));
  const least = new Map([...settled, ...growing.map(({ layer }) => [layer.name, 1] as const)]);
  if (!budget.fits(least)) throw budget.refusal(least);
  return grown(least, growth(growing, worths), budget.fits);
}

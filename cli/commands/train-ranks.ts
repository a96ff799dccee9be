/** From the flags of `slim train` to a rank for every layer. */
import { blockLinears, isFused, rankedLinears, rankedOf } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import type { RankAllocation, Ranks, Worths } from '../pclora/allocation.ts';
import { namedRank, resolveRanks } from '../pclora/rank.ts';
import { type Budget, parameterBudget, ranksWithin, shareBudget } from '../pclora/target.ts';

/** What the flags say of ranks. */
export interface RankFlags {
  readonly rank: number;
  readonly layerRank?: Readonly<Record<string, number>>;
  readonly targetParameters?: number;
  readonly targetMacs?: number;
  /** In bytes, of the int8 artifact. */
  readonly targetSize?: number;
  readonly rankAllocation: RankAllocation;
  readonly forceRank: boolean;
  readonly embeddingRank?: number;
  readonly fuseQkv: boolean;
}

/**
 * The ranks that the flags ask for: those that they name, or as many as their budget leaves room for, spread evenly or by
 * what the layers' directions are worth. Usage errors name a flag.
 * @param budget of `budgetOf`
 */
export function ranksOf(model: Model, flags: RankFlags, budget: Budget | null, worths: Worths | null): Ranks {
  const { forceRank: force, fuseQkv, layerRank: perLayer = {}, rank } = flags;
  const given = givenRanks(model, flags);
  if (budget === null && worths === null) return given;
  // The budget is for the blocks' layers that the flags do not name.
  const settled = new Map(given);
  for (const { layer, parts } of rankedOf(blockLinears(model.layers), fuseQkv))
    if ([layer, ...parts].every((one) => namedRank(one, perLayer) === undefined)) settled.delete(layer.name);
  return ranksWithin(model, budget ?? parameterBudget(model, given), {
    settled,
    worths,
    force,
    fuseQkv,
    ...(budget === null && { rank }),
  });
}

/** What the flags set as a target; null where they give ranks. `sized` makes a budget of bytes. */
export async function budgetOf(
  model: Model,
  flags: RankFlags,
  sized: (bytes: number, others: Ranks) => Promise<Budget>,
): Promise<Budget | null> {
  const { targetParameters, targetMacs, targetSize } = flags;
  if (targetParameters !== undefined) return shareBudget(model, { of: 'parameters', share: targetParameters });
  if (targetMacs !== undefined) return shareBudget(model, { of: 'macs', share: targetMacs });
  if (targetSize === undefined) return null;
  const blocks = new Set(rankedLinears(model.layers, flags.fuseQkv).map(({ name }) => name));
  return sized(targetSize, new Map([...givenRanks(model, flags)].filter(([name]) => !blocks.has(name))));
}

/** Whether the flags set a target, which no rank is given beside. */
export function hasTarget({ targetParameters, targetMacs, targetSize }: RankFlags): boolean {
  return (targetParameters ?? targetMacs ?? targetSize) !== undefined;
}

function givenRanks(model: Model, flags: RankFlags): Ranks {
  const { embeddingRank, forceRank: force, fuseQkv, layerRank: perLayer, rank } = flags;
  return resolveRanks(model.layers, { rank: hasTarget(flags) ? 1 : rank, perLayer, force, embeddingRank, fuseQkv });
}

/** Those of the blocks. */
export function blockRanks(model: Model, ranks: Ranks): number[] {
  return rankedLinears(model.layers, isFused(ranks)).map(({ name }) => ranks.get(name)!);
}

/** `rank 16` · `ranks 3 to 41` */
export function rankText(model: Model, ranks: Ranks): string {
  const all = blockRanks(model, ranks);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  return least === most ? `rank ${least}` : `ranks ${least} to ${most}`;
}

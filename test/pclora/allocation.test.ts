/** Ranks by what directions are worth, against every other way to spend a budget, and on the layers of real models. */
import { describe, expect, it } from 'vitest';
import { createBert } from '../../cli/models/bert.ts';
import { blockLinears, type Layer, linearLayer, linearSize } from '../../cli/models/layers.ts';
import { bertPreset, vitPreset } from '../../cli/models/presets.ts';
import { createVit } from '../../cli/models/vit.ts';
import { grown, growth, type Ranks, type Worths } from '../../cli/pclora/allocation.ts';
import { adaptersCost, denseCost } from '../../cli/pclora/cost.ts';
import { mostRank, resolveRanks } from '../../cli/pclora/rank.ts';
import { parameterBudget, ranksWithin, shareBudget } from '../../cli/pclora/target.ts';
import { random } from '../../runtime/random.ts';

/** Falling worths of every layer's directions, of which some layers have far more than others. */
function drawnWorths(layers: readonly Layer[], seed: number): Worths {
  const source = random(seed);
  return new Map(
    layers.map((layer) => {
      const { inFeatures, outFeatures } = linearSize(layer);
      const [size, fall] = [Math.exp(2 * source.normal()), 0.5 + source.uniform()];
      const worths = Float64Array.from({ length: Math.min(inFeatures, outFeatures) }, (_, i) => size / (i + 1) ** fall);
      return [layer.name, worths];
    }),
  );
}

const MOST = 7;
const NAMES = ['block.0.a', 'block.0.b', 'block.0.c'];

/** All ranks from 1 to `MOST` of three layers. */
function* allRanks(): Generator<Map<string, number>> {
  for (let a = 1; a <= MOST; a++)
    for (let b = 1; b <= MOST; b++)
      for (let c = 1; c <= MOST; c++) yield new Map([a, b, c].map((rank, i) => [NAMES[i], rank]));
}

describe.each([
  ['of one size', [8, 8, 8]],
  ['of different sizes', [8, 16, 40]],
] as const)('three layers %s', (_, widths) => {
  const layers = NAMES.map((name, i) => linearLayer(name, widths[i], widths[i], 'linear', 0));
  const costOf = (ranks: Ranks): number => NAMES.reduce((sum, name, i) => sum + 2 * widths[i] * ranks.get(name)!, 0);
  const least: Ranks = new Map(NAMES.map((name) => [name, 1]));
  const growing = layers.map((layer) => ({ layer, most: MOST }));

  it('get what is worth most of all that a budget buys', () => {
    for (let seed = 0; seed < 20; seed++) {
      const worths = drawnWorths(layers, seed);
      const worthOf = (ranks: Ranks): number =>
        NAMES.reduce(
          (sum, name) =>
            sum +
            worths
              .get(name)!
              .subarray(0, ranks.get(name)!)
              .reduce((a, b) => a + b, 0),
          0,
        );
      for (const budget of [costOf(least), 150, 260, 400, 800]) {
        if (budget < costOf(least)) continue;
        const ranks = grown(least, growth(growing, worths), (one) => costOf(one) <= budget);
        expect(costOf(ranks)).toBeLessThanOrEqual(budget);
        const best = Math.max(...[...allRanks()].filter((one) => costOf(one) <= budget).map(worthOf));
        // Where costs differ, whole ranks may leave a gap: no more than the best direction that was not bought.
        const gap =
          new Set(widths).size === 1 ? 0 : Math.max(...NAMES.map((name) => worths.get(name)![ranks.get(name)!] ?? 0));
        expect(worthOf(ranks)).toBeGreaterThanOrEqual(best - gap - 1e-9 * best);
      }
    }
  });

  it('give all to the one that has everything, and 1 to the others', () => {
    const worths = new Map(NAMES.map((name, i) => [name, new Float64Array(8).fill(i === 1 ? 1 : 0)]));
    const budget = costOf(new Map(NAMES.map((name, i) => [name, i === 1 ? 5 : 1])));
    expect([...grown(least, growth(growing, worths), (one) => costOf(one) <= budget).values()]).toEqual([1, 5, 1]);
  });
});

const vit = createVit(vitPreset('vit-b16', ['a', 'b']));
const bert = createBert(bertPreset('bert-tiny', ['a', 'b'], 64));

describe.each([
  ['ViT-B/16', vit],
  ['BERT-tiny', bert],
] as const)('%s', (_, model) => {
  const linears = blockLinears(model.layers);
  const worths = drawnWorths(linears, 3);

  it.each([4, 13, 32])('has as many parameters as at rank %d everywhere, or up to 2 %% less', (rank) => {
    const uniform = resolveRanks(model.layers, { rank });
    const ranks = ranksWithin(model, parameterBudget(model, uniform), { worths, rank });
    const [left, even] = [ranks, uniform].map((one) => adaptersCost(model, one).blocks.parameters);
    expect(left).toBeLessThanOrEqual(even);
    expect(left).toBeGreaterThan(0.98 * even);
    expect(Math.max(...ranks.values())).toBeGreaterThan(rank);
    for (const layer of linears) {
      expect(ranks.get(layer.name)!).toBeGreaterThanOrEqual(1);
      expect(ranks.get(layer.name)!).toBeLessThanOrEqual(Math.max(rank, mostRank(layer)));
    }
  });

  it.each([
    ['parameters', 0.1],
    ['macs', 0.3],
  ] as const)('keeps to a share of its %s', (of, share) => {
    const ranks = ranksWithin(model, shareBudget(model, { of, share }), { worths });
    const left = adaptersCost(model, ranks).blocks[of] / denseCost(model).blocks[of];
    expect(left).toBeLessThanOrEqual(share);
    expect(left).toBeGreaterThan(0.98 * share);
  });

  it('leaves settled layers as they are', () => {
    const settled = new Map([[linears[0].name, 9]]);
    const ranks = ranksWithin(model, shareBudget(model, { of: 'parameters', share: 0.2 }), { settled, worths });
    expect(ranks.get(linears[0].name)).toBe(9);
    expect([...ranks.keys()].sort()).toEqual(linears.map(({ name }) => name).sort());
  });
});

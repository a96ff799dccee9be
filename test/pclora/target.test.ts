import { describe, expect, it } from 'vitest';
import { createBert } from '../../cli/models/bert.ts';
import { blockLinears, linearSize } from '../../cli/models/layers.ts';
import type { Model } from '../../cli/models/model.ts';
import { bertPreset, vitPreset } from '../../cli/models/presets.ts';
import { createVit } from '../../cli/models/vit.ts';
import { adaptersCost, denseCost } from '../../cli/pclora/cost.ts';
import { ranksWithin, type Spending, shareBudget, type Target } from '../../cli/pclora/target.ts';

const within = (model: Model, target: Target, spending?: Spending): Map<string, number> =>
  ranksWithin(model, shareBudget(model, target), spending);

const vit = createVit(vitPreset('vit-b16', ['a', 'b']));
const bert = createBert(bertPreset('bert-tiny', ['a', 'b'], 64));

describe.each([
  ['ViT-B/16', vit],
  ['BERT-tiny', bert],
] as const)('%s', (_, model) => {
  it.each([
    ['parameters', 0.1],
    ['parameters', 0.25],
    ['parameters', 0.5],
    ['macs', 0.2],
    ['macs', 0.6],
  ] as const)('has at most that share of its %s, and at most 2 %% less: %d', (of, share) => {
    const ranks = within(model, { of, share });
    const left = adaptersCost(model, ranks).blocks[of] / denseCost(model).blocks[of];
    expect(left).toBeLessThanOrEqual(share);
    expect(left).toBeGreaterThan(0.98 * share);
    expect(new Set(ranks.keys())).toEqual(new Set(blockLinears(model.layers).map(({ name }) => name)));
    const all = [...ranks.values()];
    expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(1);
  });
});

it('keeps every layer smaller than it was, whatever is asked for', () => {
  const ranks = within(bert, { of: 'parameters', share: 0.99 });
  for (const layer of blockLinears(bert.layers)) {
    const { inFeatures, outFeatures } = linearSize(layer);
    expect(ranks.get(layer.name)! * (inFeatures + outFeatures)).toBeLessThan(inFeatures * outFeatures);
  }
});

it('refuses what rank 1 is too much for, and counts only the blocks', () => {
  expect(() => within(bert, { of: 'parameters', share: 0.001 })).toThrow(/0.100 % .* rank 1 leaves \d+\.\d\d %/);
  const settled = new Map([['embedding.word', 8]]);
  const blocks = new Map([...within(bert, { of: 'parameters', share: 0.3 }, { settled })]);
  expect(blocks.get('embedding.word')).toBe(8);
  blocks.delete('embedding.word');
  expect(blocks).toEqual(within(bert, { of: 'parameters', share: 0.3 }));
});

it('goes up to full rank where that is asked for', () => {
  const ranks = within(bert, { of: 'parameters', share: 0.999 }, { force: true });
  // 64 is where a layer of 128×128 breaks even.
  expect(within(bert, { of: 'parameters', share: 0.999 }).get('block.0.query')).toBe(63);
  expect(ranks.get('block.0.query')).toBeGreaterThan(64);
  expect(denseCost(bert).blocks.parameters).toBeGreaterThan(adaptersCost(bert, ranks).blocks.parameters);
});

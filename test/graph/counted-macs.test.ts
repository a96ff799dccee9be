/** The MACs that the formulas count are those that are computed, and the parameters those that are stored. */
import { describe, expect, it } from 'vitest';
import { packVariant } from '../../cli/bench/slim-engine.ts';
import { denseVariant, lowRankVariant } from '../../cli/bench/variant.ts';
import type { Graph } from '../../cli/graph/graph.ts';
import { createBert } from '../../cli/models/bert.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import type { Model } from '../../cli/models/model.ts';
import { presetModel } from '../../cli/models/presets.ts';
import { createVit } from '../../cli/models/vit.ts';
import { adaptersCost, denseCost } from '../../cli/pclora/cost.ts';
import { adaptersOnlyParts, denseParts, tensorsLeft } from '../../cli/pclora/linear.ts';
import { resolveRanks } from '../../cli/pclora/rank.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { elementCount } from '../../runtime/artifact/safetensors.ts';
import { type Random, random } from '../../runtime/random.ts';
import { countOnTfjs, countShapes } from '../support/counting-tfjs.ts';

const labels = (count: number): string[] => Array.from({ length: count }, (_, k) => `class ${k}`);
const RANKS = [8, 32, 256];

function denseGraph(model: Model): Graph {
  return graphOf(model, denseParts(tensorsOf(model.layers)));
}

function lowRankGraph(model: Model, ranks: ReadonlyMap<string, number>): Graph {
  return graphOf(model, adaptersOnlyParts(tensorsLeft(model.layers, ranks), 1));
}

function graphOf(model: Model, parts: Parameters<Model['forward']>[2]): Graph {
  return { outputs: { logits: model.forward(model.batchInputs(1), 1, parts).logits } };
}

describe.each([
  ['ViT-B/16', presetModel('vit-b16', labels(10), 1)!],
  ['BERT-base of 128 tokens', presetModel('bert-base', labels(2), 128)!],
  ['BERT-base of 512 tokens', presetModel('bert-base', labels(2), 512)!],
])('%s multiplies as often as the formulas say', (_, model) => {
  it('dense', () => {
    expect(countShapes(denseGraph(model))).toBe(denseCost(model).whole.macs);
  });

  it.each(RANKS)('at rank %i, with an A each for query, key and value, and with one', (rank) => {
    for (const fuseQkv of [false, true]) {
      const ranks = resolveRanks(model.layers, { rank, fuseQkv });
      expect(countShapes(lowRankGraph(model, ranks))).toBe(adaptersCost(model, ranks).whole.macs);
    }
  });
});

const sizes = { layerNormEpsilon: 1e-6, initializerRange: 0.2, headDropout: 0, activation: 'gelu' } as const;
const head = (source: Random, unit: number) =>
  ({ labels: labels(unit * (2 + source.below(5))), problemType: 'single_label_classification' }) as const;

/** A small model of random sizes, multiples of `unit` where that matters to who packs it, and ranks for it. */
function drawn(seed: number, unit = 1): { readonly model: Model; readonly ranks: ReadonlyMap<string, number> } {
  const source = random(seed);
  const heads = 1 + source.below(3);
  const hiddenSize = heads * (unit > 1 ? unit : 4 + source.below(5));
  const common = { ...sizes, ...head(source, unit), heads, hiddenSize, layers: 1 + source.below(3) };
  const intermediateSize = hiddenSize + unit * source.below(20);
  const patchSize = 2 + source.below(3);
  const side = (): number => patchSize * (1 + source.below(4));
  const tokens = 3 + source.below(9);
  const model =
    seed % 2 === 0
      ? createVit({
          ...common,
          intermediateSize,
          variant: 'vit',
          imageSize: { height: side(), width: side() },
          patchSize,
          channels: 3,
        })
      : createBert({
          ...common,
          intermediateSize,
          variant: 'bert',
          vocabSize: 20 + source.below(20),
          maxPositions: tokens,
          typeVocabSize: 2,
          tokens,
          embeddingSize: hiddenSize,
        });
  const rank = unit * (1 + source.below(heads));
  return { model, ranks: resolveRanks(model.layers, { rank, fuseQkv: source.below(2) === 1, force: true }) };
}

const SEEDS = Array.from({ length: 50 }, (_, seed) => seed);

describe('50 small models of random sizes', () => {
  it('multiply as often as the formulas say, where tfjs computes', () => {
    for (const seed of SEEDS) {
      const { model, ranks } = drawn(seed);
      const [dense, lowRank] = [denseGraph(model), lowRankGraph(model, ranks)];
      expect(countOnTfjs(dense), `dense, seed ${seed}`).toBe(denseCost(model).whole.macs);
      expect(countOnTfjs(lowRank), `low rank, seed ${seed}`).toBe(adaptersCost(model, ranks).whole.macs);
      expect(countShapes(dense), `shapes, seed ${seed}`).toBe(denseCost(model).whole.macs);
    }
  });

  it('have the parameters that a run of them stores', () => {
    for (const seed of SEEDS) {
      const { model, ranks } = drawn(seed);
      for (const { tensors, cost } of [denseVariant(model, seed), lowRankVariant(model, ranks, seed)])
        expect(sum([...tensors.values()].map(({ length }) => length))).toBe(cost.whole.parameters);
    }
  });

  // In panels of eight outputs nothing is filled up, and at ranks from a head's width on attention stays as it is.
  it('have the parameters that an artifact of them stores, where their sizes are multiples of eight', async () => {
    for (const seed of SEEDS) {
      const { model, ranks } = drawn(seed, 8);
      for (const variant of [denseVariant(model, seed), lowRankVariant(model, ranks, seed)]) {
        const { entries } = await readArtifact(await packVariant(variant, 'f32'));
        expect(sum([...entries.values()].map(({ shape }) => elementCount(shape)))).toBe(variant.cost.whole.parameters);
      }
    }
  });
});

const sum = (numbers: readonly number[]): number => numbers.reduce((total, value) => total + value, 0);

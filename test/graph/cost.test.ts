/** Costs against published counts, and against a count by hand. */
import { describe, expect, it } from 'vitest';
import { macsOf, parametersOf } from '../../cli/graph/cost.ts';
import { attention } from '../../cli/graph/ops/attention.ts';
import { add } from '../../cli/graph/ops/binary.ts';
import { gemm } from '../../cli/graph/ops/gemm.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { linear, lowRankLinear } from '../../cli/graph/ops/linear.ts';
import { matmul } from '../../cli/graph/ops/matmul.ts';
import { exp } from '../../cli/graph/ops/unary.ts';
import { createBert } from '../../cli/models/bert.ts';
import { parameterCount, tensorsOf } from '../../cli/models/layers.ts';
import { bertPreset, vitPreset } from '../../cli/models/presets.ts';
import { createVit } from '../../cli/models/vit.ts';
import {
  adaptersCost,
  denseCost,
  fusedQkvBlockParameters,
  macsByLayer,
  wordEmbeddingCost,
} from '../../cli/pclora/cost.ts';
import { adaptersOnlyParts, adapterTensors, denseParts } from '../../cli/pclora/linear.ts';
import { resolveRanks } from '../../cli/pclora/rank.ts';

const labels = (count: number): string[] => Array.from({ length: count }, (_, k) => `class ${k}`);
const vitB = createVit(vitPreset('vit-b16', labels(10)));
const ranks = resolveRanks(vitB.layers, { rank: 32 });

/** What an encoder block multiplies, by hand: T tokens, width D, feed-forward width F. */
const T = 197;
const D = 768;
const F = 3072;
const patchMacs = 196 * D * D; // 16·16·3 = 768 inputs
const headMacs = D * 10;
const attentionMacs = 12 * 2 * T * T * D;

describe('ViT-B/16 with 10 classes', () => {
  it('has 85,806,346 parameters and takes 17.56 GMAC', () => {
    const { whole, blocks } = denseCost(vitB);
    expect(whole.parameters).toBe(85_806_346);
    expect(blocks.parameters).toBe(12 * (4 * (D * D + D) + (D * F + F) + (F * D + D) + 4 * D));
    expect(blocks.macs).toBe(12 * T * (4 * D * D + 2 * D * F) + attentionMacs);
    expect(whole.macs).toBe(blocks.macs + patchMacs + headMacs);
    expect((whole.macs / 1e9).toFixed(2)).toBe('17.56');
  });

  it('with 1,000 classes has the 86,567,656 parameters of the published checkpoint', () => {
    expect(denseCost(createVit(vitPreset('vit-b16', labels(1000)))).whole.parameters).toBe(86_567_656);
  });

  it('at r = 32 keeps 5,428,224 block parameters and 1.88 GMAC, 89.31 % fewer', () => {
    const { whole, blocks } = adaptersCost(vitB, ranks);
    expect(blocks.parameters).toBe(5_428_224);
    expect(blocks.macs).toBe(12 * T * 32 * (4 * 2 * D + 2 * (D + F)) + attentionMacs);
    expect(whole.macs).toBe(blocks.macs + patchMacs + headMacs);
    expect((whole.macs / 1e9).toFixed(2)).toBe('1.88');
    expect((100 * (1 - whole.macs / denseCost(vitB).whole.macs)).toFixed(2)).toBe('89.31');
  });

  it('with query, key and value as one layer keeps 4,838,400: the 94.36 % of the paper', () => {
    const fused = fusedQkvBlockParameters(vitB, ranks);
    expect(fused).toBe(4_838_400);
    expect((100 * (1 - fused / denseCost(vitB).whole.parameters)).toFixed(2)).toBe('94.36');
  });

  it('with an A that query, key and value share has that count, and computes A·x once', () => {
    const fused = resolveRanks(vitB.layers, { rank: 32, fuseQkv: true });
    const { blocks, whole } = adaptersCost(vitB, fused);
    expect(blocks.parameters).toBe(4_838_400);
    expect(fusedQkvBlockParameters(vitB, fused)).toBe(4_838_400);
    expect(whole.parameters).toBe(adaptersCost(vitB, ranks).whole.parameters - 12 * 2 * 32 * D);
    expect(blocks.macs).toBe(12 * T * 32 * (4 * D + 2 * D + 2 * (D + F)) + attentionMacs);
  });

  it('counts as a whole what ships: blocks, embeddings, last norm and head', () => {
    const kept = D * D + D + D + T * D + 2 * D + 10 * D + 10;
    expect(adaptersCost(vitB, ranks).whole.parameters).toBe(5_428_224 + kept);
  });
});

describe('BERT-base', () => {
  const bert = (tokens: number) => createBert(bertPreset('bert-base', labels(2), tokens));

  it('has the blocks of ViT-B, and 109.5 M parameters as the published checkpoint', () => {
    const { blocks, whole } = denseCost(bert(128));
    expect(blocks.parameters).toBe(85_054_464);
    // bert-base-uncased without its head has 109,482,240.
    expect(whole.parameters).toBe(109_482_240 + 2 * D + 2);
  });

  it('at r = 32 keeps 5,428,224 block parameters of 85,054,464, and 29.9 M as a whole', () => {
    const { blocks, whole } = adaptersCost(bert(128), ranks);
    expect(blocks.parameters).toBe(5_428_224);
    expect((100 * (1 - blocks.parameters / denseCost(bert(128)).blocks.parameters)).toFixed(1)).toBe('93.6');
    expect((whole.parameters / 1e6).toFixed(1)).toBe('29.9');
  });

  it.each([
    [512, '84.4'],
    [128, '91.2'],
  ])('at %i tokens takes %s %% fewer MACs in its blocks', (tokens, saved) => {
    const model = bert(tokens);
    const [dense, compressed] = [denseCost(model).blocks.macs, adaptersCost(model, ranks).blocks.macs];
    const mixing = 12 * 2 * tokens * tokens * D;
    expect(dense).toBe(12 * tokens * (4 * D * D + 2 * D * F) + mixing);
    expect(compressed).toBe(12 * tokens * 32 * (4 * 2 * D + 2 * (D + F)) + mixing);
    expect((100 * (1 - compressed / dense)).toFixed(1)).toBe(saved);
  });

  const V = 30_522;
  const k = 64;
  const factorized = (tokens: number) => {
    const model = bert(tokens);
    return { model, ranks: resolveRanks(model.layers, { rank: 32, embeddingRank: k }) };
  };

  it('with a word table of rank 64 ships fewer than 9 M parameters: V·k + k·D in place of V·D', () => {
    const { model, ranks: withWords } = factorized(128);
    const [plain, smaller] = [adaptersCost(model, ranks), adaptersCost(model, withWords)];
    expect(smaller.blocks).toEqual(plain.blocks);
    expect(plain.whole.parameters - smaller.whole.parameters).toBe(V * D - (V * k + k * D));
    const outside = 512 * D + 2 * D + 2 * D + (D * D + D) + (2 * D + 2); // positions, types, norm, pooler, head
    expect(smaller.whole.parameters).toBe(5_428_224 + V * k + k * D + outside);
    expect(smaller.whole.parameters).toBeLessThan(9e6);
  });

  it.each([128, 512])('pays for it with k·D products for each of %i tokens, outside the blocks', (tokens) => {
    const { model, ranks: withWords } = factorized(tokens);
    const [plain, smaller] = [adaptersCost(model, ranks), adaptersCost(model, withWords)];
    expect(smaller.whole.macs - plain.whole.macs).toBe(tokens * k * D);
    expect(wordEmbeddingCost(model, withWords)).toEqual({
      dense: { parameters: V * D, macs: 0 },
      compressed: { parameters: V * k + k * D, macs: tokens * k * D },
    });
    expect(wordEmbeddingCost(model, ranks)?.compressed).toEqual({ parameters: V * D, macs: 0 });
    expect(wordEmbeddingCost(vitB, resolveRanks(vitB.layers, { rank: 32 }))).toBeNull();
  });
});

describe.each([
  ['dense', denseParts(tensorsOf(vitB.layers))],
  ['adapters only', adaptersOnlyParts([...tensorsOf(vitB.layers), ...adapterTensors(vitB.layers, ranks)], 1)],
])('MACs by layer, %s', (_, parts) => {
  const graph = { outputs: { logits: vitB.forward(vitB.batchInputs(1), 1, parts).logits } };

  it('sum to the total', () => {
    const { total, byLayer } = macsOf(graph);
    expect([...byLayer.values()].reduce((sum, macs) => sum + macs, 0)).toBe(total);
  });

  it('name every layer with products, and attention', () => {
    const byLayer = macsByLayer(vitB, parts);
    const withProducts = vitB.layers
      .filter(({ kind, name }) => kind === 'linear' || kind === 'head' || name === 'patch')
      .map(({ name }) => name);
    expect([...byLayer.keys()].sort()).toEqual([...withProducts, 'attention'].sort());
    expect(byLayer.get('attention')).toBe(attentionMacs);
    expect(byLayer.get('patch')).toBe(patchMacs);
  });
});

describe('the MACs of a graph', () => {
  const x = input('x', [3, 5]);
  it('are those of products alone, each counted once', () => {
    const product = gemm(x, input('w', [17, 5]), null, { transB: true });
    expect(macsOf({ outputs: { y: add(exp(product), product) } }).total).toBe(3 * 5 * 17);
    expect(macsOf({ outputs: { y: gemm(x, input('w', [3, 2]), null, { transA: true }) } }).total).toBe(5 * 3 * 2);
    expect(macsOf({ outputs: { y: matmul(input('a', [2, 3, 4, 5]), input('b', [2, 3, 5, 7])) } }).total).toBe(
      2 * 3 * 4 * 5 * 7,
    );
  });

  it('are those of a composite without the ones that made its inputs', () => {
    const hidden = linear(x, input('w', [7, 5]), input('b', [7]), 'first');
    const y = lowRankLinear(hidden, input('A', [2, 7]), input('B', [4, 2]), input('C', [4]), 1, 'second');
    expect([...macsOf({ outputs: { y } }).byLayer]).toEqual([
      ['first', 3 * 5 * 7],
      ['second', 3 * 2 * (7 + 4)],
    ]);
    const [q, k, v] = ['q', 'k', 'v'].map((name) => input(name, [6, 8]));
    expect(macsOf({ outputs: { y: attention(q, k, v, null, { batch: 2, tokens: 3, heads: 4 }) } }).total).toBe(
      2 * 2 * 3 * 3 * 8,
    );
  });

  it('leave out what no output reaches, as its parameters do', () => {
    const graph = { outputs: { y: linear(x, input('w', [7, 5]), input('b', [7]), 'layer') } };
    expect(parametersOf(graph, (name) => name !== 'x')).toBe(7 * 5 + 7);
  });
});

it('agrees with the layer table about the parameters that the forward pass reads', () => {
  const graph = {
    outputs: { logits: vitB.forward(vitB.batchInputs(1), 1, denseParts(tensorsOf(vitB.layers))).logits },
  };
  expect(parametersOf(graph, (name) => name !== 'pixels')).toBe(parameterCount(tensorsOf(vitB.layers)));
});

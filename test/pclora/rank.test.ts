import { describe, expect, it } from 'vitest';
import { UserError } from '../../cli/io/errors.ts';
import { linearLayer, normLayer, wordEmbeddingLayer } from '../../cli/models/layers.ts';
import { breakEvenRank, resolveRanks } from '../../cli/pclora/rank.ts';

const KINDS = ['query', 'key', 'value', 'attention', 'up', 'down'];
const layers = [
  linearLayer('patch', 768, 768, 'embedding', null),
  ...[0, 1].flatMap((i) => [
    normLayer(`block.${i}.norm1`, 768, i),
    ...KINDS.slice(0, 4).map((name) => linearLayer(`block.${i}.${name}`, 768, 768, 'linear', i)),
    linearLayer(`block.${i}.up`, 768, 3072, 'linear', i),
    linearLayer(`block.${i}.down`, 3072, 768, 'linear', i),
  ]),
  linearLayer('head', 768, 10, 'head', null),
];

function refusal(options: Parameters<typeof resolveRanks>[1], table = layers): UserError {
  try {
    resolveRanks(table, options);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('not refused');
}

describe('the table of ranks', () => {
  it('holds every linear layer of every block, and nothing else', () => {
    expect([...resolveRanks(layers, { rank: 32 })]).toEqual(
      [0, 1].flatMap((i) => KINDS.map((name) => [`block.${i}.${name}`, 32])),
    );
  });

  it("takes a kind's rank in every block, and one layer's before it", () => {
    const ranks = resolveRanks(layers, { rank: 32, perLayer: { 'block.1.up': 8, up: 64, key: 1 } });
    expect(Object.fromEntries(ranks)).toMatchObject({
      'block.0.query': 32,
      'block.1.query': 32,
      'block.0.key': 1,
      'block.1.key': 1,
      'block.0.up': 64,
      'block.1.up': 8,
      'block.0.down': 32,
    });
  });
});

describe('query, key and value that share A', () => {
  const ranked = ['qkv', 'attention', 'up', 'down'];

  it('have one rank, under a name of their own', () => {
    expect([...resolveRanks(layers, { rank: 32, fuseQkv: true })]).toEqual(
      [0, 1].flatMap((i) => ranked.map((name) => [`block.${i}.${name}`, 32])),
    );
  });

  it.each([
    ['all three', { query: 8, key: 8, value: 8 }, [8, 8]],
    ['their common name', { qkv: 8 }, [8, 8]],
    ['it in one block', { 'block.1.qkv': 8 }, [32, 8]],
    ['all three in one block', { 'block.1.query': 8, 'block.1.key': 8, 'block.1.value': 8 }, [32, 8]],
  ])('have the rank that is given to %s', (_, perLayer, expected) => {
    const ranks = resolveRanks(layers, { rank: 32, fuseQkv: true, perLayer });
    expect([0, 1].map((i) => ranks.get(`block.${i}.qkv`))).toEqual(expected);
  });

  it('are read again from the table, without being told', () => {
    const ranks = resolveRanks(layers, { rank: 32, fuseQkv: true });
    expect(resolveRanks(layers, { rank: 32, perLayer: Object.fromEntries(ranks) })).toEqual(ranks);
  });

  it('are refused different ranks, naming all three', () => {
    const { message, hint } = refusal({ rank: 32, fuseQkv: true, perLayer: { key: 8 } });
    expect(message).toBe(
      '--layer-rank gives block.0.query rank 32, block.0.key rank 8, block.0.value rank 32: ' +
        'with --fuse-qkv they share A, and so one rank',
    );
    expect(hint).toContain('--layer-rank qkv=R');
  });

  it('pay off below 3·768·768 / (4·768), as a layer of 768 to 2304', () => {
    expect(refusal({ rank: 577, fuseQkv: true, perLayer: { attention: 8, up: 8, down: 8 } }).message).toBe(
      'rank 577 makes layer block.0.qkv (768×2304) larger than it is: it pays off below 576.0',
    );
  });

  it('have no name together where each has an A of its own', () => {
    expect(refusal({ rank: 32, perLayer: { qvk: 8 } }).message).toContain('there is no such layer');
  });
});

describe('a rank pays off', () => {
  it('below in·out / (in + out)', () => {
    expect(breakEvenRank({ inFeatures: 768, outFeatures: 768 })).toBe(384);
    expect(breakEvenRank({ inFeatures: 768, outFeatures: 3072 })).toBeCloseTo(614.4, 10);
  });

  it('and is refused above, with the layer and the limit', () => {
    expect(resolveRanks(layers, { rank: 384 }).get('block.0.query')).toBe(384);
    const error = refusal({ rank: 385 });
    expect(error.message).toBe(
      'rank 385 makes layer block.0.query (768×768) larger than it is: it pays off below 384.0',
    );
    expect(error.hint).toContain('--force-rank');
    expect(error.exitCode).toBe(2);
    expect(refusal({ rank: 32, perLayer: { 'block.1.up': 615 } }).message).toContain('block.1.up (768×3072)');
    expect(resolveRanks(layers, { rank: 32, perLayer: { up: 614 } }).get('block.1.up')).toBe(614);
  });

  it('unless forced, up to full rank', () => {
    expect(resolveRanks(layers, { rank: 768, force: true }).get('block.0.query')).toBe(768);
    expect(refusal({ rank: 769, force: true }).message).toBe(
      'rank 769 for layer block.0.query (768×768): expected a whole number from 1 to 768',
    );
  });
});

describe("a word table's rank", () => {
  const withWords = [wordEmbeddingLayer(30_522, 768), ...layers];

  it('is there only where it is asked for', () => {
    expect(resolveRanks(withWords, { rank: 32 }).has('embedding.word')).toBe(false);
    const ranks = resolveRanks(withWords, { rank: 32, embeddingRank: 64 });
    expect([ranks.size, ranks.get('embedding.word'), ranks.get('block.0.up')]).toEqual([13, 64, 32]);
  });

  it('pays off below V·D / (V + D)', () => {
    expect(resolveRanks(withWords, { rank: 32, embeddingRank: 749 }).get('embedding.word')).toBe(749);
    const error = refusal({ rank: 32, embeddingRank: 750 }, withWords);
    expect(error.message).toBe(
      'rank 750 makes layer embedding.word (768×30522) larger than it is: it pays off below 749.1',
    );
    expect(error.hint).toBe('Choose a smaller --embedding-rank, or insist with --force-rank.');
    expect(resolveRanks(withWords, { rank: 32, embeddingRank: 768, force: true }).get('embedding.word')).toBe(768);
    expect(refusal({ rank: 32, embeddingRank: 769, force: true }, withWords).message).toContain(
      'expected a whole number from 1 to 768',
    );
  });

  it.each([0, -1, 1.5, NaN])('is no %s', (embeddingRank) => {
    expect(refusal({ rank: 32, embeddingRank }, withWords).message).toBe(
      `rank ${embeddingRank} for layer embedding.word (768×30522): expected a whole number from 1 to 768`,
    );
  });

  it('is refused where there are no words, and as a rank of a layer', () => {
    expect(refusal({ rank: 32, embeddingRank: 64 }).message).toBe(
      '--embedding-rank 64: the model has no word embeddings',
    );
    expect(refusal({ rank: 32, perLayer: { 'embedding.word': 64 } }, withWords).message).toBe(
      '--layer-rank embedding.word: there is no such layer',
    );
  });
});

it.each([0, -1, 1.5, NaN, Infinity])('refuses rank %s, with the layer', (rank) => {
  const error = refusal({ rank });
  expect(error.message).toBe(`rank ${rank} for layer block.0.query (768×768): expected a whole number from 1 to 768`);
  expect(error.exitCode).toBe(2);
});

it.each(['head', 'block.2.up', 'norm1', 'patch', 'qurey'])(
  'refuses a rank for %s, which is no adapted layer',
  (name) => {
    const error = refusal({ rank: 32, perLayer: { [name]: 4 } });
    expect(error.message).toBe(`--layer-rank ${name}: there is no such layer`);
    expect(error.hint).toBe("Layers: query, key, value, attention, up, down, or one block's, such as block.0.query.");
    expect(error.exitCode).toBe(2);
  },
);

/** `slim bench paper`: its tables against counts by hand, and against what the paper says. */
import { describe, expect, it } from 'vitest';
import { PAPER_RANKS, type PaperTable, paperTables } from '../../cli/bench/paper.ts';
import { slim, slimJson } from '../support/cli.ts';

const D = 768;
const F = 3072;
const norms = 4 * D;

/** What a block keeps at rank r, by hand: A, B and C of its layers, and its norms. */
const separate = (r: number): number => 12 * (4 * (2 * r * D + D) + (r * (D + F) + F) + (r * (F + D) + D) + norms);
/** With one A for query, key and value: two of them fall away. */
const fused = (r: number): number => separate(r) - 12 * 2 * r * D;
const macs = (r: number, tokens: number, inputs: number): number =>
  12 * tokens * r * ((inputs + 4) * D + 2 * (D + F)) + 12 * 2 * tokens * tokens * D;

const [vit, bert512, bert128] = paperTables();

it('has a row for each rank', () => {
  for (const { rows } of [vit, bert512, bert128]) expect(rows.map(({ rank }) => rank)).toEqual(PAPER_RANKS);
  expect([vit, bert512, bert128].map(({ name, tokens }) => [name, tokens])).toEqual([
    ['ViT-B/16', null],
    ['BERT-base', 512],
    ['BERT-base', 128],
  ]);
});

describe.each([
  ['ViT-B/16', vit, 197, 196 * D * D + 10 * D],
  ['BERT-base, 512 tokens', bert512, 512, D * D + 2 * D],
  ['BERT-base, 128 tokens', bert128, 128, D * D + 2 * D],
] as const)('%s', (_, table: PaperTable, tokens, outside) => {
  it.each(PAPER_RANKS)('at rank %i leaves what a count by hand does', (rank) => {
    const row = table.rows.find((one) => one.rank === rank)!;
    expect(row.separate.left.blocks).toEqual({ parameters: separate(rank), macs: macs(rank, tokens, 4) });
    expect(row.fused.left.blocks).toEqual({ parameters: fused(rank), macs: macs(rank, tokens, 2) });
    expect(row.separate.left.whole.macs).toBe(macs(rank, tokens, 4) + outside);
    const whole = table.dense.whole.parameters;
    expect(row.fused.removedBlocksOfWhole).toBe(1 - fused(rank) / whole);
    expect(row.separate.removed.whole.parameters).toBeCloseTo(
      1 - (whole - table.dense.blocks.parameters + separate(rank)) / whole,
      12,
    );
  });
});

it("finds the paper's 94.36 % of ViT-B, and how much other work makes 89.1 % of its FLOPs", () => {
  const { published, rows, dense, otherMacs } = vit;
  const { separate: own, fused: shared } = rows.find(({ rank }) => rank === 32)!;
  expect(shared.removedBlocksOfWhole.toFixed(4)).toBe(published.parameters.toFixed(4));
  // By hand: 15.687 G fall away, which is 89.1 % of 17.606 G.
  expect((otherMacs / 1e6).toFixed(0)).toBe('42');
  expect(1 - (own.left.whole.macs + otherMacs) / (dense.whole.macs + otherMacs)).toBeCloseTo(published.macs, 12);
});

it('tells the tables and what fits them', async () => {
  const { code, stdout } = await slim(['bench', 'paper']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^r = 32 +5,428,224 +-93\.62 % +4,838,400 +-94\.31 % +6,180,106 +-92\.80 %/m);
  expect(stdout).toMatch(/^r = 32 +1\.76 G +-89\.91 % +1\.64 G +-90\.57 % +1\.88 G +-89\.31 %/m);
  expect(stdout).toContain('94.36 % of the parameters: the same as here, what is left of the blocks beside the whole');
  expect(stdout).toContain('nearest is 93.62 % of the blocks, 0.20 points from it');
  expect(stdout).toContain('it is of texts of another length');
});

it('gives all of it as JSON', async () => {
  const { version, headlineRank, tables } = await slimJson(['bench', 'paper']);
  expect([version, headlineRank]).toEqual([1, 32]);
  expect(tables).toEqual(JSON.parse(JSON.stringify(paperTables())));
});

/** `slim bench` beside its latency: costs, training steps, loading. Times are not judged. */
import { expect, it } from 'vitest';
import { printResult } from '../../cli/commands/result.ts';
import type { Io } from '../../cli/io/io.ts';
import { slim, slimJson } from '../support/cli.ts';

it.each([
  ['512', '84.4'],
  ['128', '91.2'],
])('slim bench cost tells what BERT-base at %s tokens costs', async (tokens, macsRemoved) => {
  const result = await slimJson(['bench', 'cost', '--model', 'bert-base', '--rank', '32', '--tokens', tokens]);
  expect(result).toMatchObject({
    model: 'bert-base',
    rank: 32,
    dense: { blocks: { parameters: 85_054_464 } },
    compressed: { blocks: { parameters: 5_428_224 } },
  });
  const { blocks } = result.removed as { blocks: { parameters: number; macs: number } };
  expect((100 * blocks.parameters).toFixed(1)).toBe('93.6');
  expect((100 * blocks.macs).toFixed(1)).toBe(macsRemoved);
});

it('slim bench cost tells what a word table of rank 64 saves', async () => {
  const flags = ['bench', 'cost', '--model', 'bert-base', '--rank', '32', '--embedding-rank', '64', '--classes', '2'];
  const result = await slimJson(flags);
  expect(result).toMatchObject({
    embeddingRank: 64,
    dense: { whole: { parameters: 109_483_778 } },
    compressed: { blocks: { parameters: 5_428_224 }, whole: { parameters: 29_857_538 - 23_440_896 + 2_002_560 } },
    wordEmbedding: {
      dense: { parameters: 23_440_896, macs: 0 },
      compressed: { parameters: 2_002_560, macs: 128 * 64 * 768 },
    },
  });
  const { stdout } = await slim(flags);
  expect(stdout).toMatch(/^words, r = 64 +23,440,896 +2,002,560 +-91\.46 % +0\.00 M +6\.29 M$/m);
  const plain = await slimJson(['bench', 'cost', '--model', 'bert-base', '--classes', '2']);
  expect(plain).toMatchObject({ embeddingRank: null, compressed: { whole: { parameters: 29_857_538 } } });
});

it.each([
  ['vit-pico', '4', 'error: --embedding-rank 4: the model has no word embeddings'],
  [
    'bert-tiny',
    '128',
    'error: rank 128 makes layer embedding.word (128×30522) larger than it is: it pays off below 127.5',
  ],
  [
    'bert-tiny',
    '0',
    "error: option '--embedding-rank <r>' argument '0' is invalid. Expected a whole number of at least 1.",
  ],
])('slim bench cost --model %s --embedding-rank %s is refused', async (model, rank, message) => {
  const { code, stderr } = await slim(['bench', 'cost', '--model', model, '--rank', '4', '--embedding-rank', rank]);
  expect([code, stderr.split('\n')[0]]).toEqual([2, message]);
});

it('slim bench cost refuses texts longer than the position embeddings', async () => {
  const { code, stderr } = await slim(['bench', 'cost', '--model', 'bert-base', '--tokens', '513']);
  expect([code, stderr.split('\n')[0]]).toEqual([
    2,
    "error: option '--tokens <n>' argument '513' is invalid. Expected a whole number from 1 to 512.",
  ]);
});

it('slim bench train-step trains on padded batches of ids', async () => {
  const result = await slimJson([
    'bench',
    'train-step',
    '--model',
    'bert-tiny',
    '--rank',
    '4',
    '--tokens',
    '5',
    '--batch-size',
    '2',
    '--steps',
    '1',
    '--threads',
    '1',
  ]);
  // Adapters of 2 blocks, 5 layer norms, pooler and head of 10 classes.
  const adapters = 2 * (4 * (4 * 256 + 128) + 2 * 4 * 640 + 640);
  expect(result.trainedParameters).toBe(adapters + 5 * 256 + (128 * 128 + 128) + (128 * 10 + 10));
  expect(result.msPerStep).toBeGreaterThan(0);
});

it.each(['paper', 'svd'])('slim bench train-step trains the factors of a word table, init %s', async (init) => {
  const flags = [
    '--model',
    'bert-tiny',
    '--rank',
    '4',
    '--embedding-rank',
    '3',
    '--init',
    init,
    '--tokens',
    '5',
    '--batch-size',
    '2',
    '--steps',
    '1',
    '--threads',
    '1',
  ];
  const result = await slimJson(['bench', 'train-step', ...flags]);
  const adapters = 2 * (4 * (4 * 256 + 128) + 2 * 4 * 640 + 640);
  expect(result.trainedParameters).toBe(
    30_522 * 3 + 3 * 128 + adapters + 5 * 256 + (128 * 128 + 128) + (128 * 10 + 10),
  );
});

it('slim bench load tells what each part of loading takes, in processes of their own', async () => {
  const told = await slimJson(['bench', 'load', '--model', 'vit-pico', '--rank', '8', '--processes', '2']);
  expect(told).toMatchObject({ version: 1, model: 'vit-pico', rank: 8, processes: 2, node: process.version });
  type Times = { medianMs: number; minMs: number };
  const [read, engine, first, all] = ['read', 'engine', 'first', 'loadAndFirst'].map((part) => told[part] as Times);
  expect(all.minMs).toBeGreaterThanOrEqual(read.minMs + engine.minMs + first.minMs - 1e-9);
  expect(told.bytes).toBeGreaterThan(50_000);
  // Weights, columns, buffers and scratch, in pages.
  expect(told.linearMemoryBytes).toBeGreaterThan(Number(told.bytes));
  expect(Number(told.linearMemoryBytes) % 65_536).toBe(0);
});

it('prints no control characters that a file brings', () => {
  const written: string[] = [];
  const io = { stdout: { write: (text: string) => written.push(text) } } as unknown as Io;
  printResult(io, false, {}, 'label \x1b]0;title\x07\x9b2J\tand\nmore');
  printResult(io, true, { label: '\x1b[2J' }, '');
  expect(written).toEqual(['label \uFFFD]0;title\uFFFD\uFFFD2J\tand\nmore\n', '{"version":1,"label":"\\u001b[2J"}\n']);
});

/** Texts as tokens on disk, and as batches of like length. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { batchCount } from '../../../cli/data/pass.ts';
import { paddedLengths, type TextBatch, textBatches } from '../../../cli/data/text/batches.ts';
import type { TextRow, TextRows } from '../../../cli/data/text/dataset.ts';
import { type EncodedSplit, encodeRows } from '../../../cli/data/text/encoded.ts';
import type { Encoding } from '../../../runtime/text/tokenizer.ts';

type Rows = Pick<TextRows, 'size' | 'rows'>;

const MAX_TOKENS = 40;
const PAD = 99;

/** A text of n characters becomes n tokens 1000·label + i; its pair's have type 1. */
function encode({ text, pair, label }: TextRow): Encoding {
  const all = `${text}${pair ?? ''}`;
  const kept = Math.min(all.length, MAX_TOKENS);
  return {
    ids: Int32Array.from({ length: kept }, (_, i) => 1000 * (label as number) + i),
    types: Int32Array.from({ length: kept }, (_, i) => (i < text.length ? 0 : 1)),
    truncated: all.length - kept,
  };
}

function rowsOf(rows: readonly TextRow[]): Rows {
  return {
    size: rows.length,
    rows: async function* () {
      yield* rows;
    },
  };
}

const textOf = (length: number, label: number, second = 0): TextRow => ({
  where: 'nowhere',
  text: 'x'.repeat(length),
  pair: second === 0 ? null : 'y'.repeat(second),
  label,
});

const open: EncodedSplit[] = [];
async function encoded(rows: readonly TextRow[]): Promise<EncodedSplit> {
  const split = await encodeRows(rowsOf(rows), encode);
  open.push(split);
  return split;
}
afterEach(() => Promise.all(open.splice(0).map((split) => split.close())));

async function all(
  split: EncodedSplit,
  options: Partial<Parameters<typeof textBatches>[1]> = {},
): Promise<TextBatch[]> {
  const batches: TextBatch[] = [];
  for await (const batch of textBatches(split, { batchSize: 4, seed: 1, padId: PAD, ...options })) batches.push(batch);
  return batches;
}

describe('encodeRows', () => {
  it('keeps ids, types and labels, and counts what was cut', async () => {
    const told: [number, number][] = [];
    const rows = [textOf(2, 1), textOf(0, 0), textOf(3, 2, 2), textOf(60, 1)];
    const split = await encodeRows(rowsOf(rows), encode, (done, total) => told.push([done, total]));
    open.push(split);
    expect([split.size, split.truncated]).toEqual([4, 1]);
    expect(await Promise.all(rows.map(async (_, i) => [(await split.read(i)).label, split.length(i)]))).toEqual([
      [1, 2],
      [0, 0],
      [2, 5],
      [1, 40],
    ]);
    expect(await split.read(0)).toEqual({ ids: Int32Array.of(1000, 1001), types: Int32Array.of(0, 0), label: 1 });
    expect(await split.read(1)).toEqual({ ids: new Int32Array(), types: new Int32Array(), label: 0 });
    expect(await split.read(2)).toEqual({
      ids: Int32Array.of(2000, 2001, 2002, 2003, 2004),
      types: Int32Array.of(0, 0, 0, 1, 1),
      label: 2,
    });
    expect((await split.read(3)).ids[39]).toBe(1039);
    expect(told).toEqual([
      [1, 4],
      [2, 4],
      [3, 4],
      [4, 4],
    ]);
  });

  it('writes more than it gathers at a time', async () => {
    const rows = Array.from({ length: 9000 }, (_, i) => textOf(30 + (i % 10), i));
    const split = await encoded(rows);
    for (const i of [0, 1, 4999, 8998, 8999]) {
      const { ids } = await split.read(i);
      expect([...ids]).toEqual(Array.from({ length: 30 + (i % 10) }, (_, j) => 1000 * i + j));
    }
  });

  it('leaves nothing on disk that has a name, whether it ends well or not', async () => {
    // A folder of its own: other tests make such files at the same time.
    const folder = mkdtempSync(join(tmpdir(), 'slim-tmpdir-'));
    const before = process.env.TMPDIR;
    process.env.TMPDIR = folder;
    try {
      await encoded([textOf(3, 0)]);
      expect(readdirSync(folder)).toEqual([]);
      const broken: Rows = {
        size: 2,
        rows: async function* () {
          yield textOf(3, 0);
          throw new Error('the file is gone');
        },
      };
      await expect(encodeRows(broken, encode)).rejects.toThrow('the file is gone');
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
      rmSync(folder, { recursive: true });
    }
  });

  it('says where there is no room', async () => {
    const before = process.env.TMPDIR;
    process.env.TMPDIR = '/nonexistent/folder';
    try {
      await expect(encodeRows(rowsOf([textOf(1, 0)]), encode)).rejects.toMatchObject({
        name: 'UserError',
        message: expect.stringContaining("can't keep tokens in /nonexistent/folder"),
        hint: expect.stringContaining('TMPDIR'),
      });
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
    }
  });
});

describe('textBatches', () => {
  it('pads at the right to a length that all batches may share, with a mask', async () => {
    const split = await encoded([textOf(2, 1), textOf(1, 2, 2), textOf(1, 3)]);
    const [batch, ...others] = await all(split);
    expect(others).toEqual([]);
    expect(batch).toEqual({
      tokens: 3,
      size: 3,
      labels: Int32Array.of(3, 1, 2, 0), // the shortest first
      rows: [2, 0, 1],
      ids: Int32Array.of(3000, PAD, PAD, 1000, 1001, PAD, 2000, 2001, 2002, PAD, PAD, PAD),
      types: Int32Array.of(0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0),
      mask: Float32Array.of(1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0),
    });
  });

  it('gives every text once a pass, whatever the sizes, the order and the lengths', async () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(
        lengths,
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        fc.boolean(),
        fc.nat(),
        async (texts, batchSize, shuffle, dropLast, epoch) => {
          const split = await encodeRows(rowsOf(texts.map((length, i) => textOf(length, i))), encode);
          const batches = await all(split, { batchSize, shuffle, dropLast, epoch });
          await split.close();
          expect(batches.length).toBe(batchCount(texts.length, { batchSize, dropLast }));
          const labels = batches.flatMap((batch) => [...batch.labels.slice(0, batch.size)]);
          expect(new Set(labels).size).toBe(labels.length);
          expect(labels.length).toBe(dropLast ? batches.length * batchSize : texts.length);
          for (const { ids, mask, labels: inBatch, size, tokens } of batches) {
            for (let row = 0; row < batchSize; row++) {
              const length = row < size ? Math.min(MAX_TOKENS, texts[inBatch[row]]) : 0;
              const expected = Array.from({ length: tokens }, (_, i) => (i < length ? 1000 * inBatch[row] + i : PAD));
              expect([...ids.subarray(row * tokens, (row + 1) * tokens)]).toEqual(expected);
              expect([...mask.subarray(row * tokens, (row + 1) * tokens)]).toEqual(
                expected.map((_, i) => (i < length ? 1 : 0)),
              );
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('shuffles by seed and epoch', async () => {
    const split = await encoded(Array.from({ length: 100 }, (_, i) => textOf(1 + (i % 7), i)));
    const order = async (seed: number, epoch: number): Promise<string> =>
      (await all(split, { shuffle: true, seed, epoch })).map(({ labels }) => labels.join()).join();
    expect(await order(1, 0)).toBe(await order(1, 0));
    expect(await order(1, 1)).not.toBe(await order(1, 0));
    expect(await order(2, 0)).not.toBe(await order(1, 0));
  });

  it('pads little: texts of 1 to 40 tokens cost at most a fifth more than their tokens, a fixed length twice as much', async () => {
    const split = await encoded(Array.from({ length: 2000 }, (_, i) => textOf(1 + ((i * 7) % 40), i)));
    const batches = await all(split, { batchSize: 16, shuffle: true });
    const computed = batches.reduce((sum, { tokens }) => sum + 16 * tokens, 0);
    const needed = Array.from({ length: 2000 }, (_, i) => split.length(i)).reduce((sum, length) => sum + length, 0);
    expect(computed / needed).toBeLessThan(1.2);
    expect((2000 * 40) / needed).toBeGreaterThan(1.9);
    expect(new Set(batches.map(({ tokens }) => tokens)).size).toBeLessThanOrEqual(9);
  });
});

describe('paddedLengths', () => {
  const of = (lengths: readonly number[]): number[] =>
    paddedLengths({ size: lengths.length, length: (i) => lengths[i] });

  it.each<[string, number[], number[]]>([
    ['one length', Array<number>(50).fill(17), [17]],
    ['short and long', [...Array<number>(90).fill(5), ...Array<number>(10).fill(128)], [8, 128]],
    ['all lengths to 64', Array.from({ length: 64 }, (_, i) => i + 1), [16, 24, 32, 40, 48, 56, 64]],
    ['one text', [3], [3]],
  ])('%s', (_, lengths, expected) => expect(of(lengths)).toEqual(expected));

  it('has one for every text', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 512 }), { minLength: 1, maxLength: 300 }), (lengths) => {
        const padded = of(lengths);
        expect(padded.length).toBeLessThanOrEqual(9);
        expect(padded.at(-1)).toBe(Math.max(...lengths));
        expect(padded).toEqual([...new Set(padded)].sort((a, b) => a - b));
      }),
    );
  });
});

// Workers run from dist/, which `npm test` builds first.
import { afterAll, describe, expect, it } from 'vitest';
import { noAugment, parseAugment } from '../../cli/data/augment.ts';
import type { Batch, BatchOptions } from '../../cli/data/batches.ts';
import { batches } from '../../cli/data/batches.ts';
import { openPictures } from '../../cli/data/dataset.ts';
import { fileSplit } from '../../cli/data/file-split.ts';
import { batchCount } from '../../cli/data/pass.ts';
import { picturePool, startPool } from '../../cli/data/picture-pool.ts';
import type { Split } from '../../cli/data/split.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { damagedPng, folderOf, jpegOf } from './picture-files.ts';

const spec = defaultImagePreprocess({ height: 8, width: 8 });
const options: BatchOptions = { spec, batchSize: 4, seed: 1 };
const { train: glyphs } = await openPictures('glyphs:10', { seed: 1 });

async function collect(split: Split, extra: Partial<BatchOptions> = {}): Promise<readonly Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches(split, { ...options, ...extra })) all.push(batch);
  return all;
}

afterAll(async () => {
  await picturePool(1).close();
  await picturePool(2).close();
});

describe('batches', () => {
  it('gives every sample once, in order, the last batch filled up with black', async () => {
    const all = await collect(glyphs);
    expect(all.map(({ size }) => size)).toEqual([4, 4, 2]);
    expect(all.map(({ labels }) => [...labels])).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9, 0, 0],
    ]);
    expect(all.every(({ pictures }) => pictures.length === 4 * 3 * 8 * 8)).toBe(true);
    expect(all[2].pictures.subarray(2 * 192).every((value) => value === 0)).toBe(true);
    expect(all[2].pictures.subarray(0, 2 * 192).some((value) => value !== 0)).toBe(true);
  });

  it('can leave the last one out', async () => {
    expect((await collect(glyphs, { dropLast: true })).map(({ size }) => size)).toEqual([4, 4]);
    expect([batchCount(10, { batchSize: 4 }), batchCount(10, { batchSize: 4, dropLast: true })]).toEqual([3, 2]);
  });

  it('shuffles by seed and epoch', async () => {
    const order = async (seed: number, epoch: number): Promise<string> =>
      (await collect(glyphs, { seed, epoch, shuffle: true, batchSize: 10 }))
        .map(({ labels }) => labels.join(''))
        .join();
    const first = await order(1, 0);
    expect([...first].sort().join('')).toBe('0123456789');
    expect(await order(1, 0)).toBe(first);
    expect(await order(1, 1)).not.toBe(first);
    expect(await order(2, 0)).not.toBe(first);
  });

  it('does not depend on the number of workers', async () => {
    const extra = { shuffle: true, epoch: 3, augment: parseAugment('flip,shift:2,crop:0.5') };
    const here = await collect(glyphs, { ...extra, workers: 0 });
    expect(await collect(glyphs, { ...extra, workers: 1 })).toEqual(here);
    expect(await collect(glyphs, { ...extra, workers: 2 })).toEqual(here);
  });
});

describe('picture files', () => {
  it('are decoded once and kept as far as the cache goes', async () => {
    const folder = folderOf({ '0.jpg': await jpegOf(0), '1.jpg': await jpegOf(255), '2.jpg': await jpegOf(128) });
    const files = [0, 1, 2].map((label) => ({ path: `${folder}/${label}.jpg`, label }));
    const split = fileSplit(files, { folder, origin: 'a' }, 2 * 24 * 16 * 3);
    const first = await collect(split, { workers: 1 });
    expect([first[0].pictures[0], first[0].pictures[192]]).toEqual([0, 255]);
    expect([0, 1, 2].map((i) => split.source(i).kind)).toEqual(['decoded', 'decoded', 'file']);
    expect(await collect(split, { workers: 1 })).toEqual(first);
  });

  it('that are damaged end the epoch with their name', async () => {
    const folder = folderOf({ '0.jpg': await jpegOf(0), '1.png': await damagedPng() });
    const files = [
      { path: `${folder}/0.jpg`, label: 0 },
      { path: `${folder}/1.png`, label: 0 },
    ];
    const split = fileSplit(files, { folder, origin: 'b' });
    for (const workers of [0, 1]) {
      await expect(collect(split, { workers, batchSize: 1 })).rejects.toEqual(
        expect.objectContaining({
          name: 'UserError',
          message: expect.stringContaining(`${folder}/1.png: `),
          hint: expect.stringContaining('--skip-bad'),
        }),
      );
    }
  });
});

describe('startPool', () => {
  const job = { sources: [glyphs.source(0)], indices: [0], batchSize: 1, spec, augment: noAugment, seed: 1, epoch: 0 };

  it('rejects what is under way and what comes later when its thread ends', async () => {
    let ended = 0;
    const pool = startPool(1, () => ended++);
    expect((await pool.prepare(job)).pictures).toHaveLength(192);
    // More than a thread does before it is told to end.
    const many = Array.from({ length: 2000 }, () => 0);
    const underWay = pool.prepare({
      ...job,
      sources: many.map(() => glyphs.source(0)),
      indices: many,
      batchSize: many.length,
    });
    await Promise.all([pool.close(), expect(underWay).rejects.toThrow('a picture worker ended')]);
    await expect(pool.prepare(job)).rejects.toThrow('a picture worker ended');
    expect(ended).toBeGreaterThan(0);
  });
});

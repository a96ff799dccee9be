import { describe, expect, it } from 'vitest';
import type { Split } from '../../cli/data/dataset.ts';
import { openPictures } from '../../cli/data/dataset.ts';
import { itWith, shared } from '../support/shared.ts';
import { damagedPng, folderOf, jpegOf } from './picture-files.ts';

const jpeg = await jpegOf(100);
const refusal = (message: string, hint = ''): unknown =>
  expect.objectContaining({
    name: 'UserError',
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });
const labelsOf = (split: Split): number[] => Array.from({ length: split.size }, (_, i) => split.label(i) as number);

describe('image folders', () => {
  it('reads train/ and val/', async () => {
    const path = folderOf({
      'train/a/1.jpg': jpeg,
      'train/b/1.JPEG': jpeg,
      'train/b/2.jpg': jpeg,
      'val/b/1.jpg': jpeg,
      'train/a/notes.txt': '',
    });
    const { labels, train, test, skipped } = await openPictures(path, { seed: 1 });
    expect(labels).toEqual(['a', 'b']);
    expect([labelsOf(train), labelsOf(test), skipped]).toEqual([[0, 1, 1], [1], 0]);
    expect(await train.picture(2)).toMatchObject({ width: 24, height: 16 });
  });

  it('holds out a share of each class by seed', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [`${i % 2 ? 'odd' : 'even'}/${i}.jpg`, jpeg]),
    );
    const path = folderOf(files);
    const held = async (seed: number): Promise<string> => {
      const { train, test } = await openPictures(path, { seed, validationFraction: 0.3 });
      expect([train.size, labelsOf(test)]).toEqual([14, [0, 0, 0, 1, 1, 1]]);
      return JSON.stringify(Array.from({ length: test.size }, (_, i) => test.source(i)));
    };
    expect(await held(1)).toBe(await held(1));
    expect(await held(1)).not.toBe(await held(2));
  });

  it('names what is wrong', async () => {
    const open = (files: Record<string, string | Uint8Array>): Promise<unknown> =>
      openPictures(folderOf(files), { seed: 1 });
    await expect(openPictures('/no/such/folder', { seed: 1 })).rejects.toEqual(
      refusal('there is no data folder /no/such/folder', 'glyphs'),
    );
    await expect(open({})).rejects.toEqual(refusal('is empty', 'Known layouts of pictures: train/CLASS'));
    await expect(open({ 'notes.txt': '' })).rejects.toEqual(
      refusal('holds no data set that is known (notes.txt', 'CIFAR-10 binary'),
    );
    await expect(open({ '1.jpg': jpeg, 'labels.csv': '' })).rejects.toEqual(
      refusal('holds 1 picture (1.jpg ...) and no class folders', 'a folder named after it'),
    );
    await expect(open({ 'train/1.jpg': jpeg, 'labels.csv': '' })).rejects.toEqual(
      refusal('/train holds pictures and no class folders', 'not from labels.csv'),
    );
    await expect(open({ 'train/a/1.jpg': jpeg, 'train/b/x.txt': '', 'val/a/1.jpg': jpeg })).rejects.toEqual(
      refusal('/train/b has no pictures'),
    );
    await expect(open({ 'train/a/1.jpg': jpeg, 'val/a/1.jpg': jpeg, 'val/c/1.jpg': jpeg })).rejects.toEqual(
      refusal('has classes that its training part lacks: c', 'Classes to train on: a'),
    );
  });
});

describe('unreadable pictures', () => {
  const bad = {
    'train/a/text.jpg': 'no picture',
    'train/a/cut.jpg': jpeg.subarray(0, jpeg.length - 30),
    'train/a/empty.png': '',
  };
  const good = { 'train/a/1.jpg': jpeg, 'train/b/1.jpg': jpeg, 'val/a/1.jpg': jpeg, 'val/b/1.jpg': jpeg };

  it.each(Object.entries(bad))('%s is named', async (name, content) => {
    const path = folderOf({ ...good, [name]: content });
    await expect(openPictures(path, { seed: 1 })).rejects.toEqual(refusal(`${path}/${name}: `, '--skip-bad'));
  });

  it('are left out and counted with skipBad, also those that only decoding finds', async () => {
    const path = folderOf({ ...good, ...bad, 'val/b/damaged.png': await damagedPng() });
    const { train, test, skipped } = await openPictures(path, { seed: 1, skipBad: true });
    expect([train.size, test.size, skipped]).toEqual([2, 2, 4]);
  });

  it('are an error when none is left', async () => {
    const path = folderOf({ ...bad, 'val/a/1.jpg': jpeg });
    await expect(openPictures(path, { seed: 1, skipBad: true })).rejects.toEqual(
      refusal('0 readable training pictures and 1 for testing'),
    );
  });
});

describe('CIFAR-10', () => {
  const record = (label: number): Uint8Array =>
    Uint8Array.from({ length: 3073 }, (_, i) =>
      i === 0 ? label : Math.floor((i - 1) / 1024) * 100 + (i === 1 ? 5 : 0),
    );
  const meta = 'cat\ndog\n\n';

  it('reads records, planes to pixels, batches in order', async () => {
    const path = folderOf({
      'data_batch_1.bin': Buffer.concat([record(1), record(0)]),
      'data_batch_2.bin': record(1),
      'test_batch.bin': record(0),
      'batches.meta.txt': meta,
    });
    const { labels, train, test } = await openPictures(path, { seed: 1 });
    expect([labels, labelsOf(train), labelsOf(test)]).toEqual([['cat', 'dog'], [1, 0, 1], [0]]);
    const { width, height, data } = await train.picture(2);
    expect([width, height, ...data.subarray(0, 6)]).toEqual([32, 32, 5, 100, 200, 0, 100, 200]);
  });

  it('names what is wrong', async () => {
    const open = (files: Record<string, string | Uint8Array>): Promise<unknown> =>
      openPictures(folderOf(files), { seed: 1 });
    await expect(
      open({ 'train.bin': record(0).subarray(0, 3000), 'test.bin': record(0), 'batches.meta.txt': meta }),
    ).rejects.toEqual(
      refusal("holds 3000 bytes, which is no multiple of CIFAR-10's record of 3073 bytes (3000 left over)"),
    );
    await expect(open({ 'train.bin': record(2), 'test.bin': record(0), 'batches.meta.txt': meta })).rejects.toEqual(
      refusal('record 0 has label 2'),
    );
    await expect(open({ 'train.bin': record(0), 'test.bin': record(0) })).rejects.toEqual(
      refusal('no batches.meta.txt'),
    );
  });

  const real = shared('data/cifar10');
  itWith([real], 'reads the real one', async () => {
    const { labels, train, test } = await openPictures(real.path(), { seed: 1 });
    expect([labels[0], labels.length, train.size, test.size]).toEqual(['airplane', 10, 15_000, 4_000]);
    expect(labelsOf(test).filter((label) => label === 3)).toHaveLength(400);
  });
});

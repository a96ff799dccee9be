import { describe, expect, it } from 'vitest';
import {
  type ClassCount,
  classCounts,
  classNotices,
  dominantClass,
  labelCounts,
  labelNotices,
} from '../../cli/data/class-report.ts';
import { type Dataset, openDataset } from '../../cli/data/dataset.ts';
import { countValues } from '../../cli/data/value-summary.ts';
import { itWith, shared } from '../support/shared.ts';
import { folderOf, jpegOf } from './picture-files.ts';

const counts = (...classes: readonly (readonly [label: string, train: number, test: number])[]): ClassCount[] =>
  classes.map(([label, train, test]) => ({ label, train, test }));

describe('classes', () => {
  it('are counted in both parts, of texts and of pictures', async () => {
    const texts = folderOf({ 'train.csv': 'text,label\na,x\nb,y\nc,x\n', 'dev.csv': 'text,label\nd,x\n' });
    expect(classCounts(await openDataset(texts, { seed: 1 }))).toEqual(counts(['x', 2, 1], ['y', 1, 0]));
    const pictures = folderOf({
      ...{ 'train/a/1.jpg': await jpegOf(1), 'train/b/1.jpg': await jpegOf(2), 'train/b/2.jpg': await jpegOf(3) },
      'val/b/1.jpg': await jpegOf(4),
    });
    expect(classCounts(await openDataset(pictures, { seed: 1 }))).toEqual(counts(['a', 1, 0], ['b', 2, 1]));
  });

  it('are listed with their samples; of many the largest and the smallest', () => {
    expect(classNotices(counts(['a', 12, 3], ['b', 10, 2]))).toEqual([
      '2 classes, each with its samples to train on + to judge by: a 12 + 3, b 10 + 2.',
    ]);
    const many = Array.from({ length: 30 }, (_, i) => [`c${i}x`, 100 + i, 1] as const);
    const [listed] = classNotices(counts(...many));
    expect(listed).toMatch(/^30 classes.*: c29x 129 \+ 1, .*c20x 120 \+ 1 \.\.\. c9x 109 \+ 1, .*c0x 100 \+ 1\.$/);
  });

  it('that are uneven are told, with what the largest alone would give', () => {
    const uneven = counts(['neg', 48, 12], ['pos', 2, 1]);
    expect(dominantClass(uneven)).toMatchObject({ label: 'neg', accuracy: 12 / 13, smallest: { label: 'pos' } });
    expect(classNotices(uneven)[1]).toBe(
      'The classes are uneven: neg has 48 samples to train on, pos has 2. What always answers neg has an accuracy of ' +
        '92.31 %: look at each class.',
    );
    expect(dominantClass(counts(['a', 9, 1], ['b', 2, 1]))).toBeNull();
  });

  it('that are hardly two, or none, are asked about', () => {
    const notices = classNotices(
      counts(...['NEG', 'neg', '01', '1', 'NaN', 'x y', 'x_y'].map((l) => [l, 1, 1] as const)),
    );
    expect(notices.slice(1)).toEqual([
      'Are these one class each? NEG and neg; 01 and 1; x y and x_y. They count as different.',
      'Does NaN stand for a label that is missing? It counts as a class.',
    ]);
  });

  it('01 and +1 are not 1, and asked about', () => {
    expect(classNotices(counts(['01', 1, 1], ['+1', 1, 1], ['1', 1, 1]))[1]).toBe(
      'Are these one class each? 01 and +1 and 1. They count as different.',
    );
  });

  const cases = shared('cases/odd-tables');
  itWith([cases], 'of reports show what is wrong with them', async () => {
    const noticesOf = async (name: string): Promise<readonly string[]> =>
      classNotices(classCounts(await openDataset(cases.path(name), { seed: 1 })));
    expect(await noticesOf('caselabel.csv')).toContainEqual(expect.stringMatching(/NEG and neg; POS and pos/));
    expect(await noticesOf('nan.csv')).toContainEqual(expect.stringMatching(/^Does NaN stand for a label/));
    expect(await noticesOf('imbalance.csv')).toContainEqual(expect.stringMatching(/always answers neg/));
  });
});

describe('several labels and numbers', () => {
  const partsOf = async (data: Dataset) => {
    const summaryOf = async (part: 'train' | 'test') => {
      const count = countValues();
      if (data.kind === 'text') for await (const { label } of data[part].rows()) count.add(label);
      return { values: count.summary() };
    };
    return { train: await summaryOf('train'), test: await summaryOf('test') };
  };
  const opened = async (train: readonly string[], test: readonly string[]) => {
    const files = { 'train.jsonl': train.join('\n'), 'test.jsonl': test.join('\n') };
    const data = await openDataset(folderOf(files), { seed: 1 });
    return { data, parts: await partsOf(data) };
  };
  const row = (labels: unknown) => JSON.stringify({ text: 'a', labels });

  it('each label has those that have it; twins and those of all or none are told', async () => {
    const { data, parts } = await opened([row(['A', 'a', 'x']), row(['x']), row(['x', 'A'])], [row(['a']), row([])]);
    expect(labelCounts(data, parts)).toEqual(counts(['A', 2, 0], ['a', 1, 1], ['x', 3, 0]));
    expect(labelNotices(data, parts)).toEqual([
      '3 labels, each with those that have it of 3 samples to train on + 2 to judge by: A 2 + 0, a 1 + 1, x 3 + 0.',
      'Every sample to train on has x: a model learns always to give it.',
      'Are these one class each? A and a. They count as different.',
    ]);
    const columns = await opened([row([1, 0]), row([0, 0])], [row([1, 1])]);
    expect(labelNotices(columns.data, columns.parts)[1]).toBe(
      'No sample to train on has LABEL_1: a model learns never to give it.',
    );
  });

  it('numbers are told by the least, the mean and the largest', async () => {
    const { data, parts } = await opened([row(1.5), row(-2), row(3.5)], [row(7.25)]);
    expect(labelNotices(data, parts)).toEqual([
      'labels: the least, the mean and the largest are -2, 1, 3.5 to train on, 7.25, 7.25, 7.25 to judge by.',
    ]);
    const still = await opened([row(0.5), row(0.5)], [row(1)]);
    expect(labelNotices(still.data, still.parts)[0]).toMatch(/there is nothing to learn\.$/);
    expect(labelCounts(data, parts)).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { type ClassCount, classCounts, classNotices, dominantClass } from '../../cli/data/class-report.ts';
import { openDataset } from '../../cli/data/dataset.ts';
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

  const cases = shared('cases/odd-tables');
  itWith([cases], 'of reports show what is wrong with them', async () => {
    const noticesOf = async (name: string): Promise<readonly string[]> =>
      classNotices(classCounts(await openDataset(cases.path(name), { seed: 1 })));
    expect(await noticesOf('caselabel.csv')).toContainEqual(expect.stringMatching(/NEG and neg; POS and pos/));
    expect(await noticesOf('nan.csv')).toContainEqual(expect.stringMatching(/^Does NaN stand for a label/));
    expect(await noticesOf('imbalance.csv')).toContainEqual(expect.stringMatching(/always answers neg/));
  });
});

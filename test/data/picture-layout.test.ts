/** Folders of pictures as people have them: which are found, what judges, and that nothing is left out in silence. */
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { openDataset, type PictureDataset } from '../../cli/data/dataset.ts';
import { itWith, shared } from '../support/shared.ts';
import { folderOf, jpegOf } from './picture-files.ts';

const options = { seed: 1 };
let shade = 0;
/** Pictures of one class, none like another. */
async function pictures(folder: string, count: number, ending = 'jpg'): Promise<Record<string, Uint8Array>> {
  const entries: [string, Uint8Array][] = [];
  for (let i = 0; i < count; i++)
    entries.push([`${folder}/${i}.${ending}`, await jpegOf(shade++ % 256, 24 + (shade >> 8), 16)]);
  return Object.fromEntries(entries);
}

async function open(path: string): Promise<PictureDataset> {
  const data = await openDataset(path, options);
  if (data.kind !== 'image') throw new Error(`${path} is said to hold texts`);
  return data;
}

const sizes = ({ labels, train, test }: PictureDataset): unknown => [labels, train.size, test.size];
const refusal = (message: string, hint = ''): unknown =>
  expect.objectContaining({
    name: 'UserError',
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });

describe('parts', () => {
  it.each([
    ['train', 'valid', 'valid'],
    ['Training', 'Testing', 'Testing'],
    ['TRAIN', 'Validation', 'Validation'],
    ['training_set', 'test_set', 'test_set'],
    ['seg_train/seg_train', 'seg_test/seg_test', 'seg_test'],
  ])('%s and %s', async (train, test, named) => {
    const path = folderOf({
      ...(await pictures(`${train}/a`, 3)),
      ...(await pictures(`${train}/b`, 2)),
      ...(await pictures(`${test}/a`, 1)),
      ...(await pictures(`${test}/b`, 1)),
    });
    const data = await open(path);
    expect(sizes(data)).toEqual([['a', 'b'], 5, 2]);
    expect(data.notices).toEqual([`Models are judged on ${named}/.`]);
  });

  it('what judges is the validation part, where there is a test part, too', async () => {
    const path = folderOf({
      ...(await pictures('train/a', 2)),
      ...(await pictures('train/b', 2)),
      ...(await pictures('valid/a', 1)),
      ...(await pictures('test/a', 3)),
      'README.dataset.txt': 'about',
    });
    const data = await open(path);
    expect(sizes(data)).toEqual([['a', 'b'], 4, 1]);
    expect(data.notices).toEqual([
      'test/ is left out: models are judged on valid/.',
      'Left out, as no samples: 1 .txt (README.dataset.txt).',
      'Models are judged on valid/.',
    ]);
  });

  it('a share of train/ is held out where nothing judges, or only pictures without classes', async () => {
    const files = { ...(await pictures('train/a', 5)), ...(await pictures('train/b', 5)) };
    const alone = await open(folderOf(files));
    expect(sizes(alone)).toEqual([['a', 'b'], 8, 2]);
    expect(alone.notices).toEqual([
      expect.stringContaining('has train/ and no part to judge by: a share of it is held out.'),
      'Models are judged on 2 of the 10 pictures, which are held out.',
    ]);
    const kaggle = await open(folderOf({ ...files, ...(await pictures('test', 4)) }));
    expect(sizes(kaggle)).toEqual([['a', 'b'], 8, 2]);
    expect(kaggle.notices[0]).toBe('test/ has no class folders with pictures, and is left out.');
  });

  it('a class may be called train, or speak of it', async () => {
    expect(sizes(await open(folderOf({ ...(await pictures('train', 5)), ...(await pictures('bus', 5)) })))).toEqual([
      ['bus', 'train'],
      8,
      2,
    ]);
    const stations = { ...(await pictures('train_station/x', 5)), ...(await pictures('bus/y', 5)) };
    expect(sizes(await open(folderOf(stations)))).toEqual([['bus', 'train_station'], 8, 2]);
  });
});

describe('classes', () => {
  it('all endings of a picture count; others are counted and named', async () => {
    const bytes = await jpegOf(3);
    const image = sharp(Buffer.from(bytes));
    const path = folderOf({
      ...(await pictures('a', 2, 'jfif')),
      ...(await pictures('a', 2, 'jpe')),
      ...(await pictures('b', 4, 'JPEG')),
      'b/x.gif': await image.clone().gif().toBuffer(),
      'b/x.tif': await image.clone().tiff().toBuffer(),
      'b/x.avif': await image.clone().avif().toBuffer(),
      'b/x.heic': 'x',
      'b/y.heic': 'x',
      'a/Thumbs.db': 'x',
      'a/._0.jpg': 'x',
      'a/notes': '',
      '.DS_Store': 'x',
      '__MACOSX/a/._0.jpg': 'x',
    });
    const data = await open(path);
    expect(data.train.size + data.test.size).toBe(4 + 2 + 7 - 2);
    expect(data.notices).toContain(
      'Left out, as no samples: 4 hidden or of the system (.DS_Store ...), 1 without an ending (a/notes), ' +
        '2 .heic (b/x.heic ...).',
    );
  });

  it('pictures in folders below belong to the class, also through links, which may lead in a circle', async () => {
    const path = folderOf({
      ...(await pictures('a', 2)),
      ...(await pictures('a/more/deep', 2)),
      ...(await pictures('b', 4)),
    });
    symlinkSync(join(path, 'a'), join(path, 'a/more/again'));
    const data = await open(path);
    expect(data.train.size + data.test.size).toBe(8);
    expect(data.notices[0]).toBe("2 pictures lie in a folder below their class's (a/more/deep) and are of that class.");
  });

  it('lie below the only folder of an archive', async () => {
    const path = folderOf({ ...(await pictures('pets/images/a', 2)), ...(await pictures('pets/images/b', 2)) });
    expect(sizes(await open(path))).toEqual([['a', 'b'], 2, 2]);
  });

  it('win over tables beside them', async () => {
    const train = { ...(await pictures('a', 5)), ...(await pictures('b', 5)) };
    const data = await open(folderOf({ ...train, 'train.csv': 'image,label\na/0.jpg,a\nb/0.jpg,b\n' }));
    expect(sizes(data)).toEqual([['a', 'b'], 8, 2]);
    expect(data.notices).toContain('Left out, as no samples: 1 .csv (train.csv).');
  });

  it('of one name that is written in two ways are one', async () => {
    const path = folderOf({
      ...(await pictures(`train/${'Äpfel'.normalize('NFC')}`, 2)),
      ...(await pictures('train/b', 2)),
      ...(await pictures(`val/${'Äpfel'.normalize('NFD')}`, 1)),
    });
    expect(sizes(await open(path))).toEqual([['b', 'Äpfel'.normalize('NFC')], 4, 1]);
  });

  it('of one picture each are judged on that, which is said; one among others keeps it for training', async () => {
    const one = await open(folderOf({ ...(await pictures('a', 1)), ...(await pictures('b', 1)) }));
    expect(sizes(one)).toEqual([['a', 'b'], 2, 2]);
    expect(one.notices).toEqual([expect.stringMatching(/^No class has two pictures.*training pictures themselves/)]);
    const some = await open(folderOf({ ...(await pictures('a', 1)), ...(await pictures('b', 2)) }));
    expect(sizes(some)).toEqual([['a', 'b'], 2, 1]);
    expect(some.notices).toContain('Of one picture only, none of which is held out: a.');
  });

  it('whose pictures judge what was trained on them are told', async () => {
    const picture = await jpegOf(77);
    const path = folderOf({
      ...{ 'train/a/1.jpg': picture, 'val/a/2.jpg': picture, 'val/a/3.jpg': await jpegOf(78) },
      ...(await pictures('train/b', 1)),
    });
    expect((await open(path)).notices.at(-1)).toMatch(/^1 of the 2 pictures that judge is among the training pictures/);
  });
});

describe('the folders of reports', () => {
  const cases = shared('cases/odd-folders');

  itWith([cases], 'are read as they are meant', async () => {
    const expected: Record<string, readonly [readonly string[], number, number, RegExp]> = {
      roboflow: [['a', 'b'], 24, 6, /^test\/ is left out: models are judged on valid\/\.$/],
      Kaggle: [['a', 'b'], 24, 6, /^Models are judged on Testing\/\.$/],
      traindir: [['a', 'b'], 20, 4, /has train\/ and no part to judge by/],
      exts: [['a', 'b'], 19, 5, /./],
      mixnest: [['a', 'b'], 29, 7, /^12 pictures lie in a folder below their class's \(a\/more\)/],
      mac: [['cat', 'dog'], 20, 4, /hidden or of the system/],
      appledouble: [['cat', 'dog'], 20, 4, /hidden or of the system/],
      stray2: [['a', 'b'], 20, 4, /1 \.csv \(labels\.csv\)/],
      stray3: [['a', 'b'], 20, 4, /1 \.csv \(train\.csv\)/],
      stray7: [['a', 'b'], 20, 4, /1 \.json \(classes\.json\)/],
      nested: [['cat', 'dog'], 20, 20, /^20 pictures lie in 2 folders below their class's \(train\/dog\/puppy/],
      allbmp: [['a', 'b'], 20, 4, /held out/],
      gifclass: [['a', 'b', 'c'], 25, 5, /held out/],
      one: [['a', 'b'], 2, 2, /training pictures themselves/],
      tvt: [['a', 'b'], 24, 6, /^Models are judged on validation\/\.$/],
      case: [['Cat', 'cat'], 20, 4, /held out/],
    };
    for (const [name, [labels, train, test, notice]] of Object.entries(expected)) {
      const data = await open(cases.path(name));
      expect([name, ...(sizes(data) as unknown[])]).toEqual([name, labels, train, test]);
      expect(data.notices, name).toContainEqual(expect.stringMatching(notice));
    }
    expect((await open(cases.path('num'))).labels).toHaveLength(12);
  });

  itWith([cases], 'or refused with what to do', async () => {
    const opened = (name: string): Promise<unknown> => openDataset(cases.path(name), options);
    await expect(opened('kcsv')).rejects.toEqual(refusal('/train holds pictures and no class folders', 'labels.csv'));
    await expect(opened('meta')).rejects.toEqual(refusal('/train holds pictures and no class folders'));
    await expect(opened('flat')).rejects.toEqual(refusal('holds 12 pictures', 'a folder named after it'));
    await expect(opened('bad')).rejects.toEqual(refusal('bad/a/zero.png: no bytes', '--skip-bad'));
    await expect(opened('single')).rejects.toEqual(refusal('one class only (a)'));
    const skipped = await openDataset(cases.path('bad'), { ...options, skipBad: true });
    expect(skipped.skipped).toBe(3);
  });

  const stray = shared('cases/stray-csv');
  itWith([stray], 'class folders win over train.csv and val.csv', async () => {
    const data = await open(stray.path());
    expect(data.labels).toEqual(['a', 'b']);
    expect(data.notices).toContainEqual(expect.stringMatching(/2 \.csv \(train\.csv \.\.\.\)/));
  });
});

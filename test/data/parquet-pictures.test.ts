/** Pictures in Parquet, as the hub's image sets have them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { batches } from '../../cli/data/batches.ts';
import { openDataset, type PictureDataset, type Split } from '../../cli/data/dataset.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { itWith, shared } from '../support/shared.ts';
import { folderOf, jpegOf } from './picture-files.ts';

const table = readFileSync(fileURLToPath(new URL('fixtures/pictures.parquet', import.meta.url)));

async function open(path: string, options = {}): Promise<PictureDataset> {
  const data = await openDataset(path, { seed: 1, ...options });
  if (data.kind !== 'image') throw new Error(`${path} is said to hold texts`);
  return data;
}

/** The first pixel of every picture, and its label. */
async function shades(split: Split): Promise<unknown[]> {
  const found: unknown[] = [];
  for (let i = 0; i < split.size; i++) found.push([...(await split.picture(i)).data.subarray(0, 3), split.label(i)]);
  return found;
}

/** What the fixture's script draws. */
const drawn = (i: number): readonly number[] => [20 * i, 255 - 20 * i, 7, i % 2];

describe('pictures in Parquet', () => {
  it('are those of all shards in a clone, and judged on its validation part', async () => {
    const data = await open(
      folderOf({
        'README.md': '---\nlicense: mit\n---\n',
        'data/train-00000-of-00002.parquet': table,
        'data/train-00001-of-00002.parquet': table,
        'data/validation-00000-of-00001.parquet': table,
        'data/test-00000-of-00001.parquet': table,
      }),
    );
    // In the order that the file tells, not by name.
    expect([data.labels, data.train.size, data.test.size]).toEqual([['zebra', 'ant'], 20, 10]);
    const all = Array.from({ length: 10 }, (_, i) => drawn(i));
    expect(await shades(data.train)).toEqual([...all, ...all]);
    expect(data.notices).toEqual([
      'The pictures are in image, the label in labels.',
      'Models are judged on validation-00000-of-00001.parquet.',
      expect.stringMatching(/^10 of the 10 pictures that judge are among the training pictures/),
      expect.stringMatching(/^The encoded pictures take 0.0 MB in /),
    ]);
  });

  it('of one file are split, and prepared on other threads', async () => {
    const { train, test, labels } = await open(`${folderOf({ 'images.parquet': table })}/images.parquet`);
    expect([labels, train.size, test.size]).toEqual([['zebra', 'ant'], 8, 2]);
    const together = [...(await shades(train)), ...(await shades(test))] as number[][];
    expect(together.sort((a, b) => a[0] - b[0])).toEqual(Array.from({ length: 10 }, (_, i) => drawn(i)));
    const spec = defaultImagePreprocess({ height: 4, width: 4 });
    for await (const { pictures, labels: given, size } of batches(train, { batchSize: 8, seed: 1, spec, workers: 1 })) {
      const first = await shades(train);
      expect(Array.from({ length: size }, (_, i) => [...pictures.subarray(48 * i, 48 * i + 3), given[i]])).toEqual(
        first,
      );
    }
  });

  it('are of one class where labels say 1 and true', async () => {
    const labels = ['1', 'true', '0', 'false', '1', 'True', '0', '0'];
    const pictures = await Promise.all(labels.map((_, i) => jpegOf(20 * i)));
    const writer = new ByteWriter();
    const file = new ParquetWriter({
      writer,
      schema: [
        { name: 'root', num_children: 2 },
        { name: 'image', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
        { name: 'label', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      ],
    });
    file.write({
      rowGroupSize: labels.length,
      columnData: [
        { name: 'image', data: pictures },
        { name: 'label', data: labels },
      ],
    });
    await file.finish();
    const data = await open(folderOf({ 'train.parquet': writer.getBytes() }));
    expect(data.labels).toEqual(['0', '1']);
    const all = [...(await shades(data.train)), ...(await shades(data.test))] as number[][];
    expect(all.sort((a, b) => a[0] - b[0]).map((sample) => sample.at(-1))).toEqual([1, 1, 0, 0, 1, 1, 0, 0]);
  });

  it('that are damaged are named by row, or left out and counted', async () => {
    const broken = Buffer.from(table);
    broken[broken.lastIndexOf('IHDR')] ^= 0xff;
    const path = folderOf({ 'train.parquet': broken, 'test.parquet': table });
    await expect(open(path)).rejects.toThrow(/train.parquet, row 10: a png that does not begin with IHDR/);
    expect(await open(path, { skipBad: true })).toMatchObject({ skipped: 1, train: { size: 9 } });
  });

  const cases = shared('cases/parquet');
  itWith([cases], 'are read from the clone of a report', async () => {
    const data = await open(cases.path('img'));
    expect([data.labels, data.train.size + data.test.size]).toEqual([['apple', 'banana', 'lime'], 18]);
    expect((await data.train.picture(0)).width).toBeGreaterThan(8);
  });

  itWith([cases], 'and texts from a clone, lists of labels and numbers, each as what they are', async () => {
    const hub = await openDataset(cases.path('hub'), { seed: 1 });
    expect([hub.kind, hub.labels, hub.train.size, hub.test.size]).toEqual(['text', ['neg', 'pos'], 40, 10]);
    const opened = (name: string) => openDataset(cases.path(name), { seed: 1 });
    expect(await opened('float.parquet')).toMatchObject({ problemType: 'regression', labels: ['label'] });
    expect(await opened('multi.parquet')).toMatchObject({ problemType: 'multi_label_classification' });
    await expect(opened('unlabelled.parquet')).rejects.toThrow(/row 1: expected a label in label, got -1/);
  });
});

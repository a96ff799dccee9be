/** Which columns hold labels, what spoils a guess, and what several labels in one text are taken for. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../../cli/data/dataset.ts';
import type { TextDataset, TextDatasetOptions } from '../../../cli/data/text/dataset.ts';
import { folderOf } from '../picture-files.ts';

async function open(lines: readonly string[], options: Partial<TextDatasetOptions> = {}): Promise<TextDataset> {
  const path = join(folderOf({ 'data.csv': `${lines.join('\n')}\n` }), 'data.csv');
  const data = await openDataset(path, { seed: 1, ...options });
  if (data.kind !== 'text') throw new Error(`${path} is said to hold pictures`);
  return data;
}

const refusal = (message: RegExp, hint: RegExp = /./): unknown =>
  expect.objectContaining({
    name: 'UserError',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(hint),
  });

describe('the column of labels', () => {
  it.each(['tags', 'Genres', 'categories', 'Topics', 'emotions', 'labels'])('is %s', async (name) => {
    const { labels, notices } = await open([`id,text,${name},year`, '1,a,x,3', '2,b,y,4', '3,c,x,5', '4,d,y,6']);
    expect(labels).toEqual(['x', 'y']);
    expect(notices[0]).toBe(`The text is in text, the label in ${name}.`);
  });

  it('is the other one of two, of which one is the text', async () => {
    const rows = ['a,x', 'b,y', 'c,x', 'd,y'];
    for (const header of ['text,mood', 'review,verdict'])
      expect((await open([header, ...rows])).labels).toEqual(['x', 'y']);
    const swapped = await open(['mood,text', 'x,a', 'y,b', 'x,c', 'y,d']);
    expect([swapped.labels, swapped.notices[0]]).toEqual([['x', 'y'], 'The text is in text, the label in mood.']);
    expect((await open(['words,mood', ...rows], { textColumn: 'words' })).labels).toEqual(['x', 'y']);
  });

  it.each([
    ['id,text'],
    ['text,user_id'],
    ['text,timestamp'],
    ['title,text'],
    ['sentence1,sentence2'],
    ['words,mood'],
    ['text,mood,year'],
  ])('is not guessed of %s', async (header) => {
    const cells = header.split(',').map((_, i) => `x${i}`);
    await expect(open([header, cells.join(','), cells.join(',')])).rejects.toEqual(
      refusal(/none of which looks like a label/),
    );
  });
});

describe('columns of 0 and 1', () => {
  const header = 'text,toxic,obscene,threat';
  const rows = ['a,0,1,0', 'b,1,0,0', 'c,0,0,1', 'd,1,1,0'];

  it.each([
    ['', 'nothing'],
    ['2', '"2"'],
    ['yes', '"yes"'],
    ['0.5', '"0.5"'],
  ])('of which one row has %j: column, line and value are told', async (cell, shown) => {
    const spoilt = [...rows, `e,0,${cell},1`];
    await expect(open([header, ...spoilt])).rejects.toEqual(
      refusal(
        new RegExp(`data.csv, line 6: expected 0 or 1 in obscene, as most of its rows have, got ${shown}$`),
        /--label-column A --label-column B.*--skip-bad/,
      ),
    );
    const left = await open([header, ...spoilt], { skipBad: true });
    expect([left.labels, left.skipped]).toEqual([['toxic', 'obscene', 'threat'], 1]);
  });

  it('that are spoilt after the rows that were looked at: the row is wrong, and they are no numbers', async () => {
    const many = Array.from({ length: 120 }, (_, i) => rows[i % 4]);
    await expect(open([header, ...many, 'e,0,1,2'])).rejects.toEqual(
      refusal(/line 122: expected 0 or 1 for each label, got "2" in threat$/),
    );
  });

  it('that are named and hold other numbers are numbers, and what tells that is said', async () => {
    const data = await open([header, ...rows, 'e,0,1,2'], { labelColumn: ['obscene', 'threat'] });
    expect(data.problemType).toBe('regression');
    expect(data.notices).toContainEqual(expect.stringMatching(/not only 0 and 1: .*line 6: "2" in threat\.$/));
    await expect(open([header, ...rows, 'e,0,x,1'], { labelColumn: ['obscene', 'threat'] })).rejects.toEqual(
      refusal(/line 6: "x" in obscene: expected 0 or 1, or a number/),
    );
  });

  it('beside columns of numbers are the labels', async () => {
    const data = await open(['text,toxic,obscene,votes', 'a,0,1,17', 'b,1,0,3', 'c,0,0,0', 'd,1,1,5']);
    expect(data.labels).toEqual(['toxic', 'obscene']);
  });
});

describe('a decimal comma', () => {
  const lines = ['text;score', 'a;3,5', 'b;4,0', 'c;1,25', 'd;2'];

  it('is refused where all are numbers: column, line and value are told', async () => {
    await expect(open(lines)).rejects.toEqual(
      refusal(/^score of .*data.csv has numbers with a decimal comma \(.*line 2: "3,5"\)$/, /with a point: 3\.5\./),
    );
    await expect(open(lines, { task: 'regression' })).rejects.toEqual(
      refusal(/line 2: expected a number as label, got "3,5": write a point, not a comma$/),
    );
    await expect(open([...lines, 'e;0.5'])).rejects.toEqual(
      refusal(
        /^score of .*numbers and others that are none \(.*line 6: 0.5; .*line 2: "3,5"\)$/,
        /with a point: 3\.5\./,
      ),
    );
  });

  it('is what is said of it', async () => {
    const named = await open([...lines, ...lines.slice(1)], { task: 'single_label_classification' });
    expect(named.labels).toEqual(['1,25', '2', '3,5', '4,0']);
    const listed = await open(lines, { labelSeparator: ',' });
    expect([listed.problemType, listed.labels]).toEqual([
      'multi_label_classification',
      ['0', '1', '2', '3', '4', '5', '25'],
    ]);
  });
});

describe('several labels in one text', () => {
  const rowsWith = (mark: string) => [
    'text\ttags'.replace('\t', ';'),
    `a;"x${mark}y"`,
    `b;"y${mark}x"`,
    'c;x',
    `d;"x${mark}y"`,
    `e;"y${mark}x"`,
  ];

  it.each(['|', ';', ','])('with %s between: the flag is named wherever that is taken for one', async (mark) => {
    const flag = `--label-separator "${mark}"`;
    const { notices } = await open(rowsWith(mark));
    expect(notices).toContain(
      `Most labels hold "${mark}": each is taken for one class. Where they name several labels, say so: ${flag}.`,
    );
    const asked = { name: 'UserError', hint: expect.stringContaining(flag) };
    await expect(open(rowsWith(mark), { task: 'multi_label_classification' })).rejects.toMatchObject(asked);
    const each = ['text;tags', `a;"x${mark}y"`, `b;"y${mark}z"`, 'c;z'];
    await expect(open(each)).rejects.toMatchObject(asked);
    const split = await open(rowsWith(mark), { labelSeparator: mark });
    expect([split.problemType, split.labels]).toEqual(['multi_label_classification', ['x', 'y']]);
  });

  it('is named of what the training part does not have, too', async () => {
    const folder = folderOf({ 'train.csv': 'text,tags\na,x|y\nb,y|z\nc,x|y\n', 'test.csv': 'text,tags\nd,z|x\n' });
    await expect(openDataset(folder, { seed: 1 })).rejects.toMatchObject({
      message: expect.stringMatching(/"z\|x" is not among the training data's \(x\|y, y\|z\).*--label-separator "\|"$/),
    });
  });

  it('is not asked of names that seldom hold a mark', async () => {
    const { notices } = await open([
      'text,label',
      'a,"Paris, TX"',
      'b,London',
      'c,"Paris, TX"',
      'd,London',
      'e,London',
    ]);
    expect(notices.filter((notice) => notice.includes('--label-separator'))).toEqual([]);
  });
});

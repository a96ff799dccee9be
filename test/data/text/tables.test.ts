/** Tables as people have them: separators, columns, labels, packing, encodings; and what is said of each. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../../cli/data/dataset.ts';
import type { TextDataset, TextDatasetOptions, TextRow } from '../../../cli/data/text/dataset.ts';
import { cardNames } from '../../../cli/data/text/dataset-card.ts';
import { itWith, shared } from '../../support/shared.ts';
import { folderOf } from '../picture-files.ts';

async function open(path: string, options: Partial<TextDatasetOptions> = {}): Promise<TextDataset> {
  const data = await openDataset(path, { seed: 1, ...options });
  if (data.kind !== 'text') throw new Error(`${path} is said to hold pictures`);
  return data;
}

const openFile = (name: string, content: string | Uint8Array): Promise<TextDataset> =>
  open(join(folderOf({ [name]: content }), name));

async function rowsOf({ train, test, labels }: TextDataset): Promise<string[]> {
  const rows: TextRow[] = [];
  for (const part of [train, test]) for await (const row of part.rows()) rows.push(row);
  return rows.map(({ text, label }) => `${text}=${labels[label as number]}`).sort();
}

const refusal = (message: RegExp, hint: RegExp = /./): unknown =>
  expect.objectContaining({
    name: 'UserError',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(hint),
  });

const ROWS = ['a', 'b', 'c', 'd'].map((text, i) => ({ text, label: i % 2 ? 'pos' : 'neg' }));
const EXPECTED = ['a=neg', 'b=pos', 'c=neg', 'd=pos'];
const csv = (separator: string): string =>
  ['text', ...ROWS.map(({ text }) => text)]
    .map((text, i) => text + separator + (i ? ROWS[i - 1].label : 'label'))
    .join('\n');
const jsonl = ROWS.map((row) => JSON.stringify(row)).join('\n');

describe('the same rows', () => {
  it.each<[string, string | Uint8Array]>([
    ['tabs.csv', csv('\t')],
    ['bars.csv', csv('|')],
    ['semicolons.csv', csv(';')],
    ['rows.csv.gz', gzipSync(csv(','))],
    ['rows.tsv.gz', gzipSync(csv('\t'))],
    ['rows.jsonl.gz', gzipSync(jsonl)],
    ['two.csv.gz', Buffer.concat([gzipSync(csv(',').slice(0, 20)), gzipSync(csv(',').slice(20))])],
    ['array.json', JSON.stringify(ROWS)],
    ['array.json.gz', gzipSync(JSON.stringify(ROWS, null, 2))],
    ['data.json', JSON.stringify({ version: 1, data: ROWS })],
    ['lines.json', jsonl],
    ['mark.json', `\ufeff${JSON.stringify(ROWS)}`],
  ])('%s', async (name, content) => expect(await rowsOf(await openFile(name, content))).toEqual(EXPECTED));

  it('a separator that is not the comma is told', async () => {
    const { notices } = await openFile('x.csv', csv('\t'));
    expect(notices[0]).toBe('The fields of x.csv are separated by tabs.');
  });
});

describe('columns', () => {
  it.each([
    ['Class Index,Title,Description', '1,T,D', 'D=1'],
    ['classIndex,headline', '1,D', 'D=1'],
    ['v1,v2,,,', 'ham,D,,,', 'D=ham'],
    ['tweet_id,airline_sentiment,airline_sentiment_confidence,text', '7,x,0.5,D', 'D=x'],
    ['comment_text,toxic_label', 'D,x', 'D=x'],
    ['Review Text,Rating', 'D,5', 'D=5'],
    ['id,text,gold_label', '1,D,x', 'D=x'],
  ])('of %s', async (header, row, expected) => {
    const commas = row.split(',');
    const other = commas.map((cell) => (expected.endsWith(`=${cell}`) ? '0' : cell)).join(',');
    const rows = await rowsOf(await openFile('x.csv', [header, row, other, row, other].join('\n')));
    expect(rows).toContain(expected);
  });

  it('of pairs with is_duplicate', async () => {
    const { notices } = await openFile(
      'x.csv',
      'id,question1,question2,is_duplicate\n1,a,b,0\n2,c,d,1\n3,a,c,0\n4,b,d,1\n',
    );
    expect(notices[0]).toBe('The text is in question1 and question2, the label in is_duplicate.');
  });

  it('that are a row of data are said to be', async () => {
    await expect(openFile('x.csv', 'good film,pos\nbad film,neg\n')).rejects.toEqual(
      refusal(/has the columns good film, pos, none of which looks like a label/, /is it a row of data here\?/),
    );
  });
});

describe('labels', () => {
  const labelsOf = async (...labels: string[]): Promise<unknown> =>
    (await openFile('x.csv', ['text,label', ...[...labels, ...labels].map((label, i) => `t${i},${label}`)].join('\n')))
      .labels;

  it('True, true and TRUE are one class, as are 1 and 1.0; all of them where both are there', async () => {
    expect(await labelsOf('True', 'true', 'FALSE', 'false')).toEqual(['false', 'true']);
    expect(await labelsOf('1', '1.0', '0.0', '0', '2')).toEqual(['0', '1', '2']);
    expect(await labelsOf('1', 'True', '0.0', 'False')).toEqual(['0', '1']);
    expect(await labelsOf('-0.0', '-1', '1.')).toEqual(['-1', '0', '1']);
  });

  it('of the judging part are those of the training part in other words', async () => {
    const path = folderOf({
      'train.csv': 'text,label\na,True\nb,False\nc,True\n',
      'dev.jsonl': '{"text":"d","label":1}\n{"text":"e","label":0.0}\n{"text":"f","label":"TRUE"}\n',
    });
    const data = await open(path);
    expect([data.labels, data.train.counts, data.test.counts]).toEqual([
      ['false', 'true'],
      [1, 2],
      [1, 2],
    ]);
    expect(await rowsOf(data)).toEqual(['a=true', 'b=false', 'c=true', 'd=true', 'e=false', 'f=true']);
  });

  it('numbers with fractions are no classes, in CSV as in JSON', async () => {
    for (const [name, content] of [
      ['x.csv', 'text,label\na,1\nb,2.5\n'],
      ['x.jsonl', '{"text":"a","label":1}\n{"text":"b","label":2.5}\n'],
    ])
      expect(await openFile(name, content)).toMatchObject({ problemType: 'regression', labels: ['label'] });
  });

  it.each([
    ['x.csv', 'text,toxic,rude\na,True,False\nb,False,False\nc,True,True\n'],
    ['x.csv', 'text,toxic,rude\na,1.0,0.0\nb,0.0,0.0\nc,1.0,1.0\n'],
    ['x.jsonl', '{"text":"a","toxic":true,"rude":false}\n{"text":"b","toxic":false,"rude":true}\n'],
  ])('of true and false, or of 1.0 and 0.0, are in columns of their own as of 1 and 0: %s', async (name, content) => {
    expect(await openFile(name, content)).toMatchObject({
      problemType: 'multi_label_classification',
      labels: ['toxic', 'rude'],
    });
  });

  it('between separators are named by the card, and true is 1 in lists, too', async () => {
    const card = (names: string) =>
      `---\ndataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names:\n${names}---\n`;
    const folder = folderOf({
      'README.md': card("          '0': joy\n          '1': fear\n"),
      'train.csv': 'text,label\na,0|1\nb, 1\nc,\n',
      'test.csv': 'text,label\nd,0\n',
    });
    const { labels, train } = await open(folder, { labelSeparator: '|' });
    expect(labels).toEqual(['joy', 'fear']);
    const targets: unknown[] = [];
    for await (const { label } of train.rows()) targets.push([...(label as Float32Array)]);
    expect(targets).toEqual([
      [1, 1],
      [0, 1],
      [0, 0],
    ]);
    const twins = [['1'], [true], ['x'], ['x', 1]].map((list, i) => JSON.stringify({ text: `${i}`, labels: list }));
    expect((await openFile('x.jsonl', twins.join('\n'))).labels).toEqual(['1', 'x']);
  });

  it('lists of 0 and 1 of one length decide place by place, also where just one applies', async () => {
    const targetsOf = async (lists: readonly (readonly number[])[]): Promise<unknown> => {
      const rows = lists.map((labels, i) => JSON.stringify({ text: `${i}`, labels }));
      const { labels, train } = await open(folderOf({ 'train.jsonl': rows.join('\n'), 'test.jsonl': rows.join('\n') }));
      const targets: unknown[] = [];
      for await (const { label } of train.rows()) targets.push([...(label as Float32Array)]);
      return { labels, targets };
    };
    const exclusive = [
      [1, 0],
      [0, 1],
      [0, 1],
    ];
    expect(await targetsOf(exclusive)).toEqual({ labels: ['LABEL_0', 'LABEL_1'], targets: exclusive });
    // Ids of labels, which are of several lengths or of one label each.
    expect(await targetsOf([[1], [0], [0]])).toEqual({
      labels: ['0', '1'],
      targets: [
        [0, 1],
        [1, 0],
        [1, 0],
      ],
    });
    expect(await targetsOf([[1], [0, 1], []])).toEqual({
      labels: ['0', '1'],
      targets: [
        [0, 1],
        [1, 1],
        [0, 0],
      ],
    });
  });

  it('numbers that 32 bits do not hold are refused by row', async () => {
    const rows = 'text,label\na,0.5\nb,1e39\nc,2\n';
    await expect(openFile('x.csv', rows).then(rowsOf)).rejects.toEqual(
      refusal(/line 3: expected a number that 32 bits hold as label, got 1e39/),
    );
  });

  it('of a column that is named twice are refused', async () => {
    const path = join(folderOf({ 'x.csv': 'text,a,b\nx,1,0\ny,0,1\n' }), 'x.csv');
    await expect(open(path, { labelColumn: ['a', 'a'] })).rejects.toEqual(refusal(/--label-column a is given twice/));
  });

  it('numbers are named by the card beside them, or by dataset_infos.json, unless these disagree', async () => {
    const card = `---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': bad
          '1': "good"
  splits:
  - name: train
    num_bytes: 1
---
# A set`;
    const files = { 'data/train.csv': 'text,label\na,0\nb,1\nc,0\nd,1\n', 'README.md': card };
    expect(await rowsOf(await open(folderOf(files)))).toEqual(['a=bad', 'b=good', 'c=bad', 'd=good']);
    const infos = JSON.stringify({ default: { features: { label: { names: ['no', 'yes'], _type: 'ClassLabel' } } } });
    expect((await open(folderOf({ ...files, 'README.md': '', 'dataset_infos.json': infos }))).labels).toEqual([
      'no',
      'yes',
    ]);
    expect((await open(folderOf({ ...files, 'dataset_infos.json': infos }))).labels).toEqual(['0', '1']);
    expect(cardNames(card)).toEqual([{ column: 'label', names: ['bad', 'good'] }]);
  });
});

describe('parts', () => {
  const rows = 'text,label\na,0\nb,1\nc,0\nd,1\n';

  it('a test file without labels is passed over, and said', async () => {
    for (const test of ['id,text\n1,x\n', 'text,label\nx,\ny,\n', 'text,label\nx,-1\ny,-1\n']) {
      const { notices, train } = await open(
        folderOf({ 'train.csv': rows, 'test.csv': test, 'sample_submission.csv': rows }),
      );
      expect(train.size).toBe(2);
      expect(notices).toContain('test.csv has no labels and is left out.');
      expect(notices).toContain('Left out: sample_submission.csv.');
    }
  });

  it('are told by folders, too, and by words in names', async () => {
    const sizes = async (files: Record<string, string>): Promise<unknown> => {
      const { train, test } = await open(folderOf(files));
      return [train.size, test.size];
    };
    expect(await sizes({ 'train/0.csv': rows, 'train/1.csv': rows, 'test/0.csv': rows })).toEqual([8, 4]);
    expect(await sizes({ 'default/agnews_train.csv': rows, 'default/agnews_test.csv': rows })).toEqual([4, 4]);
    expect(await sizes({ 'train-00000-of-00001-b42a775f407cee45.csv': rows, 'Dev.csv': rows })).toEqual([4, 4]);
    await expect(sizes({ 'mrpc/train.csv': rows, 'sst2/train.csv': rows })).rejects.toEqual(
      refusal(/tables in several folders \(mrpc, sst2\)/, /Give one of them/),
    );
  });

  it('texts that judge what was trained on them are told', async () => {
    const { notices } = await open(folderOf({ 'train.csv': rows, 'dev.csv': 'text,label\na,0\nx,1\nd,1\n' }));
    expect(notices.at(-1)).toMatch(/^2 of the 3 texts that judge are among the training texts, too/);
  });
});

describe('files that are no tables', () => {
  it.each<[string, Uint8Array | string, RegExp]>([
    ['x.csv', Buffer.from('\ufefftext,label\na,b\n', 'utf16le'), /x.csv is in UTF-16LE, expected UTF-8/],
    ['x.csv', Buffer.from('text,label\na,b\n', 'utf16le').swap16(), /x.csv is in UTF-16BE/],
    [
      'x.csv',
      Buffer.from('text,label\ncaf\xe9,b\nx,c\n', 'latin1'),
      /line 2: text is no valid UTF-8 \(byte 0xe9 is é in Latin-1/,
    ],
    ['x.csv', Buffer.from('text,label\nit\x92s,b\nx,c\n', 'latin1'), /byte 0x92 is ’ in Windows-1252/],
    ['x.csv', Buffer.from('PK\x03\x04rest of a spreadsheet', 'latin1'), /x.csv is a ZIP, expected a table/],
    ['x.csv', '<!DOCTYPE html><html>', /x.csv is a web page/],
    ['x.parquet', 'version https://git-lfs.github.com/spec/v1\n', /x.parquet is a pointer of Git LFS/],
    ['x.csv.gz', 'no gzip', /x.csv.gz can't be unpacked: incorrect header check/],
    ['x.csv.gz', gzipSync(csv(',')).subarray(0, 40), /x.csv.gz can't be unpacked: unexpected end of file/],
    ['x.json', '{"text":{"0":"a"},"label":{"0":1}}', /x.json holds columns \(text, label\), expected rows/],
    ['x.json', '{"train":[{"text":"a"}],"test":[{"text":"b"}]}', /several lists of rows \(train, test\)/],
    ['x.json', '[{"text":', /x.json is no valid JSON/],
  ])('%s: %#', async (name, content, message) => {
    await expect(openFile(name, content)).rejects.toEqual(refusal(message));
  });

  it('what unpacks without end is given up on', async () => {
    const bomb = gzipSync(
      Buffer.concat([Buffer.from('text,label\n'), Buffer.alloc(80 * 1024 ** 2, `${'x'.repeat(2 ** 20)},b\n`)]),
    );
    await expect(openFile('x.csv.gz', bomb)).rejects.toEqual(refusal(/unpacks to more than 256 times its size/));
  });
});

describe('the tables of reports', () => {
  const cases = shared('cases/odd-tables');

  itWith([cases], 'are read as they are meant', async () => {
    const expected: Record<string, readonly [readonly string[], number]> = {
      'tabs.csv': [['neg', 'pos'], 60],
      'pipe.csv': [['neg', 'pos'], 60],
      'semicolon.csv': [['neg', 'pos'], 60],
      'agnews.csv': [['1', '2', '3', '4'], 60],
      'tweets.csv': [['negative', 'neutral', 'positive'], 40],
      'qqp.csv': [['0', '1'], 40],
      'spam-v1v2.csv': [['ham', 'spam'], 60],
      'bool.csv': [['false', 'true'], 60],
      'bool.jsonl': [['false', 'true'], 60],
      'floats.csv': [['0', '1'], 60],
      'float.jsonl': [['0', '1'], 60],
      'caselabel.csv': [['NEG', 'POS', 'neg', 'pos'], 60],
      'nan.csv': [['NaN', 'neg', 'pos'], 60],
      'rows.csv.gz': [['neg', 'pos'], 60],
      'rows.jsonl.gz': [['false', 'true'], 60],
      gz: [['neg', 'pos'], 120],
      'data.json': [['neg', 'pos'], 60],
      'array.json': [['neg', 'pos'], 60],
      'asjson.json': [['neg', 'pos'], 60],
      hub: [['neg', 'pos'], 70],
      testnolabel: [['neg', 'pos'], 60],
      'cr.csv': [['neg', 'pos'], 60],
      'twelve.csv': [Array.from({ length: 12 }, (_, i) => String(i)), 60],
    };
    for (const [name, [labels, size]] of Object.entries(expected)) {
      const data = await open(cases.path(name));
      expect([name, data.labels, data.train.size + data.test.size]).toEqual([name, labels, size]);
    }
  });

  itWith([cases], 'numbers with fractions are measured', async () => {
    for (const name of ['fractions.csv', 'stsb.csv', 'half.csv'])
      expect(await open(cases.path(name)), name).toMatchObject({ problemType: 'regression' });
  });

  itWith([cases], 'or refused with what to do', async () => {
    const refused: Record<string, RegExp> = {
      'noheader.csv': /none of which looks like a label/,
      'utf16.csv': /is in UTF-16LE/,
      'utf16le.csv': /is in UTF-16LE/,
      'latin1.csv': /byte 0xe9 is é in Latin-1/,
      'cp1252.csv': /byte 0x92 is ’ in Windows-1252/,
      'emptylabel.csv': /line 7: expected a label in label, got nothing/,
    };
    for (const [name, message] of Object.entries(refused))
      await expect(open(cases.path(name)), name).rejects.toEqual(refusal(message));
  });
});

describe('what only judges', () => {
  const judging = { trainedOn: [] };
  const rows = (texts: readonly string[]): string =>
    texts.map((text) => JSON.stringify({ text, label: text })).join('\n');

  it.each([
    [{ 'test.jsonl': rows(['a', 'b']) }],
    [{ 'validation.jsonl': rows(['a', 'b']), 'test.jsonl': rows(['c', 'd']) }],
    [{ 'test/0000.jsonl': rows(['a', 'b']) }],
    [{ 'validation/0000.jsonl': rows(['a', 'b']), 'test/0000.jsonl': rows(['c', 'd']) }],
    [{ 'data/validation-0.jsonl': rows(['a', 'b']), 'data/test-0.jsonl': rows(['c']) }],
    [{ 'test/a/1.txt': 'a', 'test/b/2.txt': 'b' }],
  ])('needs no part for training, and judges whole: %j', async (files) => {
    const { train, test, notices } = await open(folderOf(files), { judging });
    const texts: string[] = [];
    for await (const { text } of test.rows()) texts.push(text);
    expect([train.size, texts.sort()]).toEqual([0, ['a', 'b']]);
    expect(notices.at(-1)).toBe('The model is judged on all 2 rows.');
  });
});

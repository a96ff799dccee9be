/**
 * Labelled texts from files of every format: the same rows, whichever way they are written, and what is wrong with a
 * file by name and line.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { parquetMetadata } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../../cli/data/dataset.ts';
import {
  openTexts,
  type TextDataset,
  type TextDatasetOptions,
  type TextRow,
  type TextRows,
} from '../../../cli/data/text/dataset.ts';
import { readLines } from '../../../cli/data/text/lines.ts';
import { parquetFile } from '../../../cli/data/text/parquet.ts';
import { itWith, shared } from '../../support/shared.ts';
import { folderOf } from '../picture-files.ts';

type Files = Readonly<Record<string, string | Uint8Array>>;

const fixture = (name: string): Uint8Array =>
  readFileSync(fileURLToPath(new URL(`fixtures/${name}.parquet`, import.meta.url)));

async function open(path: string, options: Partial<TextDatasetOptions> = {}): Promise<TextDataset> {
  const data = await openTexts(path, { seed: 1, ...options });
  if (data === null) throw new Error(`${path} is said to hold no texts`);
  return data;
}

const openFiles = (files: Files, options?: Partial<TextDatasetOptions>): Promise<TextDataset> =>
  open(folderOf(files), options);

/** The rows of a part, without where they stand. */
async function all(rows: TextRows): Promise<Omit<TextRow, 'where'>[]> {
  const found: Omit<TextRow, 'where'>[] = [];
  for await (const { where: _, ...row } of rows.rows()) found.push(row);
  expect(found).toHaveLength(rows.size);
  return found;
}

const refusal = (message: string | RegExp, hint = ''): unknown =>
  expect.objectContaining({
    name: 'UserError',
    message: expect.stringMatching(message),
    hint: expect.stringContaining(hint),
  });

/** Texts that each format has to write with care, and their labels. */
const ROWS = [
  { text: 'a good film', label: 'pos' },
  { text: '', label: 'neg' },
  { text: 'naïve, "quoted"\n第二行 🎬', label: 'pos' },
  { text: 'dull', label: 'neg' },
  { text: 'fine ending', label: 'pos' },
  { text: 'tedious', label: 'neg' },
] as const;
const EXPECTED: Omit<TextRow, 'where'>[] = ROWS.map(({ text, label }) => ({
  text,
  pair: null,
  label: label === 'pos' ? 1 : 0,
}));

const jsonl = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const csv = (separator: string, end: string): string =>
  ['text,label'.replace(',', separator), ...ROWS.map(({ text, label }) => `${quoted(text)}${separator}${label}`)]
    .map((line) => `${line}${end}`)
    .join('');
const DEV = jsonl([{ text: 'so', label: 'neg' }]);

describe('the same rows', () => {
  it.each<[string, string, string | Uint8Array]>([
    ['JSON lines', 'train.jsonl', jsonl(ROWS)],
    [
      'JSON lines with Windows line ends, empty lines and a mark before',
      'train.ndjson',
      `\uFEFF${jsonl(ROWS).replaceAll('\n', '\r\n\r\n')}`,
    ],
    ['JSON lines without an end', 'train.jsonl', jsonl(ROWS).trimEnd()],
    ['CSV', 'train.csv', csv(',', '\n')],
    ['CSV with Windows line ends and a mark before', 'train.CSV', `\uFEFF${csv(',', '\r\n')}`],
    ['CSV as spreadsheets write it', 'train.csv', csv(';', '\r\n')],
    ['Parquet, snappy', 'train.parquet', fixture('names')],
    ...['zstd', 'gzip', 'brotli', 'lz4'].map((codec): [string, string, Uint8Array] => [
      `Parquet, ${codec}`,
      'train.parquet',
      fixture(codec),
    ]),
  ])('%s', async (_, name, content) => {
    // The names that Hugging Face datasets keeps beside numbers.
    const isNamed = name.endsWith('parquet') && Buffer.from(content).includes('negative');
    const data = await openFiles({ [name]: content, 'dev.jsonl': isNamed ? DEV.replace('neg', 'negative') : DEV });
    expect(data.labels).toEqual(isNamed ? ['negative', 'positive'] : ['neg', 'pos']);
    expect(await all(data.train)).toEqual(EXPECTED);
    expect(await all(data.train), 'a second time').toEqual(EXPECTED);
    expect(await all(data.test)).toEqual([{ text: 'so', pair: null, label: 0 }]);
  });

  it('TSV, where a quote is a character', async () => {
    const { train } = await openFiles({
      'train.tsv': 'sentence\tlabel\n"so" it begins\t1\n it\'s 5"\t0\r\n',
      'test.tsv': 'sentence\tlabel\nx\t0\n',
    });
    expect(await all(train)).toEqual([
      { text: '"so" it begins', pair: null, label: 1 },
      { text: ' it\'s 5"', pair: null, label: 0 },
    ]);
  });

  it('CSV with quotes in the middle of a field, as Python reads it, and a separator in a quoted name', async () => {
    const { train } = await openFiles(
      { 'train.csv': 'text;"label, of it"\nso "they" say, again;a\nx;b\n', 'test.csv': 'text;"label, of it"\nx;a\n' },
      { labelColumn: 'label, of it' },
    );
    expect((await all(train)).map(({ text }) => text)).toEqual(['so "they" say, again', 'x']);
  });

  it('folders of .txt files, as aclImdb lies: texts without labels are left out', async () => {
    const { labels, train, test, notices } = await openFiles({
      'train/pos/0_9.txt': 'good\nfilm',
      'train/pos/1_8.txt': '\uFEFFfine',
      'train/neg/0_2.txt': '',
      'train/unsup/0_0.txt': 'who knows',
      'train/urls_pos.txt': 'http',
      'train/labeledBow.feat': '9 0:9',
      'test/neg/0_1.txt': 'bad',
      README: 'about',
    });
    expect([labels, await all(train), await all(test)]).toEqual([
      ['neg', 'pos'],
      [
        { text: '', pair: null, label: 0 },
        { text: 'good\nfilm', pair: null, label: 1 },
        { text: 'fine', pair: null, label: 1 },
      ],
      [{ text: 'bad', pair: null, label: 0 }],
    ]);
    expect(notices).toEqual([expect.stringContaining('train/unsup'), 'Models are judged on test/.']);
  });

  it('links to folders and files are what they lead to, and a pipe is neither', async () => {
    const folder = folderOf({
      'real/a/1.txt': 'x',
      'real/b/1.txt': 'y',
      'real/b/2.txt': 'z',
      'data/train/a/1.txt': 'v',
      'data/train/a/2.txt': 'w',
    });
    symlinkSync(join(folder, 'real/b'), join(folder, 'data/train/b'));
    symlinkSync(join(folder, 'real/a/1.txt'), join(folder, 'data/train/a/3.txt'));
    expect((await all((await open(join(folder, 'data'), { validationFraction: 0.01 })).train)).length).toBe(3);
    execFileSync('mkfifo', [join(folder, 'data/train/a/pipe.txt')]);
    await expect(open(join(folder, 'data'))).rejects.toEqual(refusal(/pipe.txt is neither a file nor a folder/));
  });

  it('several files of a part, in their order', async () => {
    const part = (text: string): string =>
      jsonl([
        { text, label: 0 },
        { text, label: 1 },
      ]);
    const { train, test } = await openFiles({
      'train-00001-of-00002.jsonl': part('b'),
      'train-00000-of-00002.jsonl': part('a'),
      'validation_1.csv': 'text,label\nv,1\n',
      'test.jsonl': 'not looked at',
      'extra.csv': '',
    });
    expect((await all(train)).map(({ text }) => text).join('')).toBe('aabb');
    expect((await all(test)).map(({ text }) => text)).toEqual(['v']);
  });

  it.each([
    [['train.csv', 'test.csv', 'dev.csv'], 'dev.csv'],
    [['train.csv', 'test.csv'], 'test.csv'],
    [['train.csv', 'dev.csv', 'val.csv', 'validation.csv'], 'validation.csv'],
  ])('%j: judged by %s', async (names, judge) => {
    const { test, notices } = await openFiles(
      Object.fromEntries(names.map((name) => [name, `text,label\n${name},a\n${name},b\n`])),
    );
    expect((await all(test))[0].text).toBe(judge);
    expect(notices).toContain(`Models are judged on ${judge}.`);
  });
});

describe('columns', () => {
  const rows = async (
    header: string,
    row: string,
    options: Partial<TextDatasetOptions> = {},
  ): Promise<Pick<TextRow, 'text' | 'pair'> & { label: string }> => {
    const { labels, train } = await openFiles(
      { 'train.csv': `${header}\n${row}\n${row.replaceAll('L', 'M')}\n`, 'test.csv': `${header}\n${row}\n` },
      options,
    );
    const [{ text, pair, label }] = await all(train);
    return { text, pair, label: labels[label as number] };
  };

  it.each([
    ['label,text', 'L,T', { text: 'T', pair: null }],
    ['Sentence,Label', 'T,L', { text: 'T', pair: null }],
    ['idx,premise,hypothesis,label', '7,T,P,L', { text: 'T', pair: 'P' }],
    ['question,sentence,label', 'T,P,L', { text: 'T', pair: 'P' }],
    ['sentence,label', 'T,L', { text: 'T', pair: null }],
    ['heading,topic_of_it,sentiment', 'T,x,L', null],
    ['headline,sentiment', 'T,L', { text: 'T', pair: null }],
    ['content,rating', 'T,L', { text: 'T', pair: null }],
    ['id,what,kind', '1,T,L', null],
  ])('of %s', async (header, row, expected) => {
    if (expected === null)
      await expect(rows(header, row)).rejects.toEqual(
        refusal(/none of which looks like a (text|label)/, 'Say which it is: --'),
      );
    else expect(await rows(header, row)).toEqual({ ...expected, label: 'L' });
  });

  it('are those that the flags name', async () => {
    expect(await rows('text,label,other,mine', 'x,y,T,L', { textColumn: 'other', labelColumn: 'mine' })).toEqual({
      text: 'T',
      pair: null,
      label: 'L',
    });
    expect(await rows('text,label,other', 'T,L,P', { textPairColumn: 'other' })).toEqual({
      text: 'T',
      pair: 'P',
      label: 'L',
    });
    expect(await rows('premise,hypothesis,label', 'T,P,L', { textColumn: 'premise' })).toEqual({
      text: 'T',
      pair: null,
      label: 'L',
    });
    await expect(rows('text,label', 'T,L', { labelColumn: 'nothing' })).rejects.toEqual(
      refusal(/^--label-column nothing: .*train.csv has the columns text, label$/, 'Name one of them'),
    );
    await expect(rows('text,label', 'T,L', { textColumn: 'label', labelColumn: 'label' })).rejects.toEqual(
      refusal('the column label is named for the text and for the label'),
    );
    await expect(openFiles({ 'a/1.txt': '', 'b/1.txt': '' }, { textColumn: 'text' })).rejects.toEqual(
      refusal('folders of .txt files'),
    );
  });

  it('are those of the first hundred JSON lines, of which any may lack some', async () => {
    const files = { 'train.jsonl': `{"id": 1, "text": "x"}\n${jsonl(ROWS)}`, 'dev.jsonl': DEV };
    await expect(openFiles(files)).rejects.toEqual(
      refusal(/line 1: expected a label in label, got nothing/, '--skip-bad'),
    );
    expect((await openFiles(files, { skipBad: true })).train.size).toBe(6);
  });

  it('may be called what every object has', async () => {
    const { train } = await openFiles(
      { 'train.csv': '__proto__,constructor\nT,L\nU,M\n', 'test.jsonl': '{"__proto__": "V", "constructor": "L"}\n' },
      { textColumn: '__proto__', labelColumn: 'constructor' },
    );
    expect(await all(train)).toEqual([
      { text: 'T', pair: null, label: 0 },
      { text: 'U', pair: null, label: 1 },
    ]);
    await expect(
      openFiles({ 'train.jsonl': jsonl(ROWS), 'test.jsonl': DEV }, { labelColumn: 'toString' }),
    ).rejects.toEqual(refusal('--label-column toString'));
  });

  it('must be there in every file', async () => {
    await expect(
      openFiles({ 'train.csv': 'text,label\nx,0\ny,1\n', 'dev.csv': 'sentence,label\nx,0\n' }),
    ).rejects.toEqual(refusal(/dev.csv has the columns sentence, label/));
    await expect(openFiles({ 'train.csv': 'text,label,text\nx,0,y\n' })).rejects.toEqual(
      refusal(/train.csv: two columns are named "text"/),
    );
  });
});

describe('labels', () => {
  const labelsOf = async (values: readonly unknown[]): Promise<readonly string[]> =>
    (
      await openFiles({
        'train.jsonl': jsonl(values.map((label) => ({ text: 'x', label }))),
        'dev.jsonl': jsonl([{ text: 'x', label: values[0] }]),
      })
    ).labels;

  it.each([
    [
      ['b', 'a', 'b', ' a '],
      ['a', 'b'],
    ],
    [
      [10, 9, 1],
      ['1', '9', '10'],
    ],
    [
      ['10', '9', 1],
      ['1', '9', '10'],
    ],
    [
      [1, -1, 0],
      ['-1', '0', '1'],
    ],
    [
      [true, false],
      ['false', 'true'],
    ],
    [
      ['10', '9', 'x'],
      ['10', '9', 'x'],
    ],
  ])('%j are %j', async (values, expected) => expect(await labelsOf(values)).toEqual(expected));

  it('of pairs whose text or label is missing are told by row, and left out where that is asked for', async () => {
    const files = {
      'train.parquet': fixture('pairs'),
      'dev.jsonl': jsonl([{ premise: 'p', hypothesis: 'h', label: 2 }]),
    };
    await expect(openFiles(files)).rejects.toEqual(
      refusal(/train.parquet, row 3: expected a text in premise, got nothing/, '--skip-bad'),
    );
    const { labels, train, skipped } = await openFiles(files, { skipBad: true });
    expect([labels, skipped, await all(train)]).toEqual([
      ['0', '2'],
      2,
      [
        { text: 'one', pair: 'I', label: 0 },
        { text: 'two', pair: 'II', label: 1 },
      ],
    ]);
  });

  it('in their own order where Hugging Face datasets tells it', async () => {
    const swapped = Buffer.from(fixture('names'));
    for (let at = swapped.indexOf('"negative", "positive"'); at >= 0; at = swapped.indexOf('"negative", "positive"'))
      swapped.write('"positive", "negative"', at);
    const { labels, train } = await openFiles({
      'train.parquet': swapped,
      'dev.jsonl': jsonl([{ text: 'x', label: 'positive' }]),
    });
    expect(labels).toEqual(['positive', 'negative']);
    expect((await all(train)).map(({ label }) => label)).toEqual([1, 0, 1, 0, 1, 0]);
  });

  it('of the evaluation data are known to the training data', async () => {
    const files = {
      'train.jsonl': jsonl(ROWS),
      'dev.jsonl': jsonl([
        { text: 'x', label: 'pos' },
        { text: 'x', label: 'mixed' },
      ]),
    };
    await expect(openFiles(files)).rejects.toEqual(
      refusal(/dev.jsonl, line 2: the label "mixed" is not among the training data's \(neg, pos\)/),
    );
    const { test, skipped } = await openFiles(files, { skipBad: true });
    expect([skipped, await all(test)]).toEqual([1, [{ text: 'x', pair: null, label: 1 }]]);
  });

  it.each<[string, readonly unknown[], RegExp]>([
    ['one label', ['a', 'a'], /one label only \(a\)/],
    [
      'each row its own',
      Array.from({ length: 10_001 }, (_, i) => `id ${i}`),
      /line 10001: more than 10000 different labels/,
    ],
    [
      'a number among names',
      [0.5, 'good'],
      /labels that are numbers and others that are none \(.*line 1: 0.5; .*line 2: "good"\)/,
    ],
    ['a number beyond what is exact', [0, 2 ** 53], /line 2: expected a label in label, got 9007199254740992/],
    ['nothing', [0, null], /line 2: expected a label in label, got nothing/],
    ['an empty one', [0, '  '], /line 2: expected a label in label, got " {2}"/],
    ['a list', [0, [1]], /line 2: expected one label, as in the rows before, got a list/],
    ['a list in a list', [[0], [[1]]], /line 2: expected a label in label, got a list/],
  ])('%s is refused', async (_, values, message) => {
    await expect(labelsOf(values)).rejects.toEqual(refusal(message));
  });
});

describe('what is held out', () => {
  const path = (): string =>
    join(
      folderOf({
        'all.csv': `text,label\n${Array.from({ length: 40 }, (_, i) => `text ${i},${i % 4 === 0 ? 'rare' : 'often'}\n`).join('')}`,
      }),
      'all.csv',
    );

  it('is the same share of every label, drawn by seed, of one file or of a folder with one', async () => {
    const file = path();
    const held = async (options: Partial<TextDatasetOptions>): Promise<string> => {
      const { labels, train, test } = await open(file, options);
      const [trained, tested] = [await all(train), await all(test)];
      expect(new Set([...trained, ...tested].map(({ text }) => text)).size).toBe(40);
      expect(tested.filter(({ label }) => labels[label as number] === 'rare')).toHaveLength(
        Math.round(10 * (options.validationFraction ?? 0.2)),
      );
      expect(tested).toHaveLength(
        Math.round(10 * (options.validationFraction ?? 0.2)) + Math.round(30 * (options.validationFraction ?? 0.2)),
      );
      return tested.map(({ text }) => text).join();
    };
    expect(await held({ seed: 1 })).toBe(await held({ seed: 1 }));
    expect(await held({ seed: 1 })).not.toBe(await held({ seed: 2 }));
    await held({ validationFraction: 0.5 });
    expect((await open(join(file, '..'))).test.size).toBe(8);
  });

  it('does not go by the order of the labels in the file', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 12, maxLength: 60 }), async (labels) => {
        fc.pre(new Set(labels).size === 3);
        const folder = mkdtempSync(join(tmpdir(), 'slim-held-'));
        writeFileSync(join(folder, 'x.jsonl'), jsonl(labels.map((label, i) => ({ text: `${i}`, label }))));
        const { train, test } = await open(join(folder, 'x.jsonl'), { validationFraction: 0.25 });
        rmSync(folder, { recursive: true });
        for (const label of ['a', 'b', 'c']) expect(labels.filter((one) => one === label).length).toBeGreaterThan(0);
        expect(train.size + test.size).toBe(labels.length);
        expect(test.size).toBeGreaterThan(0);
      }),
      { numRuns: 40 },
    );
  });

  it('must leave something', async () => {
    await expect(
      openFiles({
        'x.jsonl': jsonl([
          { text: 'x', label: 0 },
          { text: 'x', label: 1 },
        ]),
      }),
    ).rejects.toEqual(
      refusal('has as many labels as rows (2), so none can be held out'.replace(/[()]/g, '\\$&'), '--label-column'),
    );
  });
});

describe('a row that is wrong', () => {
  const bytes = (...parts: readonly (string | number)[]): Uint8Array =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.of(part))));
  const good = '{"text": "x", "label": "pos"}\n{"text": "x", "label": "neg"}\n';
  it.each<[string, string, string | Uint8Array, RegExp]>([
    [
      'no label',
      'train.jsonl',
      `${good}{"text": "x"}\n`,
      /train.jsonl, line 3: expected a label in label, got nothing/,
    ],
    ['no text', 'train.jsonl', `${good}\n{"label": "pos"}\n`, /line 4: expected a text in text, got nothing/],
    [
      'a number as text',
      'train.jsonl',
      `${good}{"text": 5, "label": "pos"}\n`,
      /line 3: expected a text in text, got 5/,
    ],
    ['no JSON', 'train.jsonl', `${good}{"text": "x", \n`, /line 3: no valid JSON/],
    ['no object', 'train.jsonl', `${good}["x", "pos"]\n`, /line 3: expected a JSON object/],
    [
      'lists within lists as a label',
      'train.jsonl',
      `${good}{"text": "x", "label": ${'['.repeat(20_000)}${']'.repeat(20_000)}}\n`,
      /line 3: expected a label in label, got a list/,
    ],
    ['broken UTF-8', 'train.jsonl', bytes(good, '{"text": "', 0xff, '", "label": "pos"}\n'), /line 3: no valid UTF-8/],
    [
      'a ragged row after a Windows line end in quotes',
      'train.csv',
      'text,label\r\nx,pos\r\n"two\r\nlines",neg\r\nx,y,neg\r\n',
      /train.csv, line 5: expected 2 fields, as the first line has, got 3/,
    ],
    [
      'a ragged row',
      'train.csv',
      'text,label\nx,pos\n"two\nlines",neg\nx,y,neg\n',
      /train.csv, line 5: expected 2 fields, as the first line has, got 3/,
    ],
    [
      'a short row',
      'train.csv',
      'text,label\nx,pos\nx,neg\n\n"lone"\n',
      /train.csv, line 5: expected 2 fields, as the first line has, got 1/,
    ],
    [
      'a ragged row',
      'train.tsv',
      'text\tlabel\nx\tpos\nx\tneg\nx\n',
      /train.tsv, line 4: expected 2 fields.* got 1. TSV has no quotes/,
    ],
    [
      'broken UTF-8',
      'train.csv',
      bytes('text,label\nx,pos\nx,neg\nna', 0xef, 've,pos\n'),
      /train.csv, line 4: text is no valid UTF-8/,
    ],
    [
      'broken UTF-8',
      'train.tsv',
      bytes('text\tlabel\nx\tpos\nx\tneg\nx\t', 0xc3, '\n'),
      /train.tsv, line 4: label is no valid UTF-8/,
    ],
  ])('%s (%s)', async (_, name, content, message) => {
    const files = { [name]: content, 'dev.jsonl': DEV };
    await expect(openFiles(files)).rejects.toEqual(refusal(message, '--skip-bad'));
    const { train, skipped } = await openFiles(files, { skipBad: true });
    expect([train.size, skipped, (await all(train)).length]).toEqual([2, 1, 2]);
  });

  it('is one longer than 64 MiB, which is not kept in memory', async () => {
    const folder = folderOf({ 'train.jsonl': good, 'dev.jsonl': DEV });
    const piece = Buffer.alloc(16 * 1024 ** 2, 'x');
    for (let i = 0; i < 5; i++) appendFileSync(join(folder, 'train.jsonl'), piece);
    await expect(open(folder)).rejects.toEqual(refusal(/train.jsonl, line 3: longer than 64 MiB/, '--skip-bad'));
    expect((await open(folder, { skipBad: true })).skipped).toBe(1);
  });

  it('is a .txt file that is no UTF-8', async () => {
    const files = {
      'train/a/1.txt': 'x',
      'train/b/1.txt': 'y',
      'train/b/2.txt': bytes(0xff, 0xfe),
      'test/a/1.txt': 'x',
    };
    await expect(openFiles(files)).rejects.toEqual(refusal(/train\/b\/2.txt: no valid UTF-8/, '--skip-bad'));
    expect((await openFiles(files, { skipBad: true })).train.size).toBe(2);
  });

  it('is one of Parquet whose bytes are no UTF-8', async () => {
    const broken = Buffer.from(fixture('pairs'));
    broken[broken.indexOf('four')] = 0xff;
    const files = { 'train.parquet': broken, 'dev.jsonl': jsonl([{ premise: 'p', hypothesis: 'h', label: 0 }]) };
    await expect(openFiles(files, { skipBad: true })).resolves.toMatchObject({ skipped: 2 });
  });
});

describe('a file that is wrong', () => {
  it.each<[string, Files, RegExp, string]>([
    ['an empty file', { 'train.jsonl': '', 'dev.jsonl': DEV }, /train.jsonl is empty/, 'rows with a text and a label'],
    ['an empty evaluation file', { 'train.jsonl': jsonl(ROWS), 'dev.csv': '' }, /dev.csv is empty/, ''],
    ['a header without rows', { 'train.csv': 'text,label\n', 'dev.jsonl': DEV }, /has no rows/, ''],
    [
      'an evaluation file without rows',
      { 'train.jsonl': jsonl(ROWS), 'dev.csv': 'text,label\n' },
      /no rows to judge a model by/,
      '',
    ],
    [
      'lines without objects',
      { 'train.jsonl': '5\n[]\n', 'dev.jsonl': DEV },
      /has no line with a JSON object/,
      '{"text"',
    ],
    [
      'a quote that stays open',
      { 'train.csv': 'text,label\nx,a\n"y,b\nz,a\n', 'dev.jsonl': DEV },
      /a quote that opens after line 2 is never closed/,
      'written twice',
    ],
    [
      'more columns than a table has',
      { 'train.csv': `${Array.from({ length: 10_001 }, (_, i) => `c${i}`).join()}\n`, 'dev.jsonl': DEV },
      /10001 columns, expected at most 10000/,
      '',
    ],
    [
      'a first line longer than any header',
      { 'train.csv': `text,label,${'x'.repeat(2 ** 20)}\n`, 'dev.jsonl': DEV },
      /first line is longer than 1 MiB/,
      '',
    ],
    [
      'a class folder with another file',
      { 'pos/1.txt': 'x', 'neg/1.txt': 'y', 'neutral/1.txt': 'z', 'neutral/notes.md': '' },
      /the class folder .*neutral holds notes.md, where others hold texts/,
      'nothing else',
    ],
    [
      'an empty class folder',
      { 'train/pos/1.txt': 'x', 'train/neg/1.txt': 'y', 'train/none/.hidden': '' },
      /train\/none has no .txt files/,
      '',
    ],
    [
      'one part in two formats',
      { 'train.csv': csv(',', '\n'), 'train.jsonl': jsonl(ROWS), 'dev.jsonl': DEV },
      /train.csv and train.jsonl: one part in several formats/,
      'Keep one',
    ],
    [
      'a shard without the column',
      { 'train-0.jsonl': jsonl(ROWS), 'train-1.jsonl': jsonl([{ sentence: 'x', label: 'pos' }]), 'dev.jsonl': DEV },
      /--text-column text: .*train-1.jsonl has the columns sentence, label/,
      '',
    ],
    [
      'UTF-16 lines',
      { 'train.jsonl': Buffer.from('\uFEFF{"text": "x"}\n', 'utf16le'), 'dev.jsonl': DEV },
      /train.jsonl is in UTF-16LE, expected UTF-8/,
      'iconv -f UTF-16LE -t UTF-8',
    ],
    [
      'a header that is no UTF-8',
      { 'train.csv': Buffer.from('text,lab\xebl\nx,a\n', 'latin1'), 'dev.jsonl': DEV },
      /the first line is no valid UTF-8/,
      '',
    ],
    [
      'UTF-16',
      { 'train.csv': Buffer.from('text,label\nx,a\n', 'utf16le'), 'dev.jsonl': DEV },
      /train.csv is in UTF-16LE, expected UTF-8/,
      'Save it as UTF-8',
    ],
    [
      'no training file',
      { 'dev.jsonl': DEV, 'more.jsonl': DEV },
      /has no training file \(dev.jsonl, more.jsonl\)/,
      'train.jsonl',
    ],
    [
      'no Parquet',
      { 'train.parquet': 'PAR1 and so on', 'dev.jsonl': DEV },
      /can't read .*train.parquet/,
      'whole Parquet file',
    ],
  ])('%s', async (_, files, message, hint) => {
    await expect(openFiles(files)).rejects.toEqual(refusal(message, hint));
  });

  it('is one that is not there, or changes while it is read', async () => {
    await expect(open('/no/such.jsonl')).rejects.toEqual(refusal('there is no file /no/such.jsonl', '--data'));
    const folder = folderOf({ 'train.jsonl': jsonl(ROWS), 'dev.jsonl': DEV });
    const { train } = await open(folder);
    appendFileSync(join(folder, 'train.jsonl'), jsonl([{ text: 'late', label: 'pos' }]));
    await expect(all(train)).rejects.toEqual(refusal('changed since its 6 rows were counted'));
    writeFileSync(join(folder, 'train.jsonl'), jsonl(ROWS.slice(1)));
    await expect(all(train)).rejects.toEqual(refusal('changed since its 6 rows were counted'));
  });

  it('Parquet: pages that lead the reader in a circle are given up on', async () => {
    const path = join(folderOf({ 'endless.parquet': fixture('endless') }), 'endless.parquet');
    const rows = parquetFile(path, { patienceMs: 1000 }).rows(['text', 'label']);
    await expect(rows[Symbol.asyncIterator]().next()).rejects.toEqual(
      refusal(/endless.parquet: no rows after 1 s/, 'whole Parquet file'),
    );
  });

  it('Parquet: a page that makes the reader fill its memory ends the reader, not the job', async () => {
    const path = join(folderOf({ 'crash.parquet': fixture('crash') }), 'crash.parquet');
    const rows = parquetFile(path, { patienceMs: 55_000 }).rows(['text', 'label']);
    await expect(rows[Symbol.asyncIterator]().next()).rejects.toEqual(
      refusal(/crash.parquet: its contents crash the reader/, 'whole Parquet file'),
    );
  }, 60_000);

  it('Parquet: row groups that are not what the file says are refused', async () => {
    const whole = Buffer.from(fixture('zstd'));
    const footer = whole.length - 8 - whole.readUInt32LE(whole.length - 8);
    const rowsIn = (file: Buffer): readonly number[] => {
      const { num_rows, row_groups } = parquetMetadata(Uint8Array.from(file).buffer);
      return [num_rows, ...row_groups.map((group) => group.num_rows)].map(Number);
    };
    const [total, ...groups] = rowsIn(whole);
    const told = flips(whole, footer).filter((file) => {
      try {
        const [sum, ...rows] = rowsIn(file);
        return sum !== total || `${rows}` !== `${groups}`;
      } catch {
        return false;
      }
    });
    expect(told.length).toBeGreaterThan(8);
    for (const file of told.slice(0, 8)) {
      const path = join(folderOf({ 'torn.parquet': file }), 'torn.parquet');
      await expect(parquetFile(path).columns()).rejects.toEqual(refusal(/torn.parquet: its footer tells of/, 'whole'));
    }
  }, 60_000);

  it('Parquet: spoiled bytes are told, or change what is said and no more', async () => {
    const whole = fixture('zstd');
    const path = join(folderOf({}), 'spoiled.parquet');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(whole.length),
        async (changes, length) => {
          const spoiled = Buffer.from(whole);
          for (const [at, byte] of changes) spoiled[at] = byte;
          writeFileSync(path, spoiled.subarray(0, length % 3 === 0 ? length : whole.length));
          try {
            for await (const row of parquetFile(path, { patienceMs: 2000 }).rows(['text', 'label']))
              expect(row).toMatchObject({ place: expect.stringMatching(/^row \d+$/) });
          } catch (error) {
            expect(error).toMatchObject({ name: 'UserError', message: expect.stringContaining('spoiled.parquet') });
          }
        },
      ),
      { numRuns: 25 },
    );
  }, 60_000);
});

/** The file with one bit from `from` on, to the last 8 bytes, the other way round. */
function flips(whole: Buffer, from: number): Buffer[] {
  return Array.from({ length: 8 * (whole.length - 8 - from) }, (_, i) => {
    const file = Buffer.from(whole);
    file[from + (i >> 3)] ^= 1 << (i & 7);
    return file;
  });
}

describe('openDataset', () => {
  it('leaves pictures to those who know them, also with notes beside', async () => {
    expect(
      await openTexts(folderOf({ 'train/cat/1.jpg': 'x', 'train/cat/notes.txt': 'y', 'val/cat/1.jpg': 'x' }), {
        seed: 1,
      }),
    ).toBe(null);
    expect(await openTexts('glyphs', { seed: 1 })).toBe(null);
    await expect(openDataset(folderOf({ 'notes.doc': '' }), { seed: 1 })).rejects.toEqual(
      refusal(/holds no data set that is known \(notes.doc/, '.jsonl, .json, .csv, .tsv (or .gz of these) or .parquet'),
    );
  });

  it('tells how far it is, and stops where it is told to', async () => {
    const folder = folderOf({ 'train.jsonl': jsonl(ROWS), 'dev.jsonl': DEV });
    const shares: number[] = [];
    await open(folder, { onRead: (share) => shares.push(share) });
    expect(shares).toHaveLength(7);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect([shares[5], shares[6]]).toEqual([0.5, 1]);
    await expect(
      open(folder, {
        onRead: () => {
          throw new Error('stop');
        },
      }),
    ).rejects.toThrow('stop');
  });
});

describe('readLines', () => {
  it('gives the lines of any bytes, whatever the pieces they come in', async () => {
    const path = join(folderOf({}), 'lines');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('', 'a', 'bc\r', '\r', 'é'.repeat(40_000)), { minLength: 1, maxLength: 12 }),
        async (lines) => {
          const text = lines.join('\n');
          fc.pre(text !== '');
          writeFileSync(path, text);
          const found: string[] = [];
          for await (const { bytes, place } of readLines(path))
            found.push(`${place} ${Buffer.from(bytes!).toString()}`);
          const numbered = text.split('\n').map((line, i) => [`line ${i + 1}`, line.replace(/\r$/, '')] as const);
          expect(found).toEqual(numbered.filter(([, line]) => line !== '').map((pair) => pair.join(' ')));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('real data', () => {
  const sst2 = shared('data/sst2');
  itWith([sst2], 'SST-2', async () => {
    const { labels, train, test } = await open(sst2.path());
    expect([labels, train.size, test.size]).toEqual([['0', '1'], 6920, 872]);
    expect((await all(test))[0]).toEqual({ text: 'one long string of cliches', pair: null, label: 0 });
    expect((await all(train)).filter(({ label }) => label === 1)).toHaveLength(3610);
  });

  const imdb = shared('data/imdb');
  itWith([imdb], 'IMDb', async () => {
    const { labels, train, test } = await open(imdb.path());
    expect([labels, train.size, test.size]).toEqual([expect.any(Array), 7000, 4000]);
    expect((await all(test)).filter(({ label }) => label === 1)).toHaveLength(2000);
  });
});

/** `slim predict` of rows: every format, what is wrong in them, parts, and going on. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parse } from 'csv-parse/sync';
import { parquetReadObjects } from 'hyparquet';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasTableName } from '../../cli/data/text/layout.ts';
import { openClassifier } from '../../cli/io/classifier.ts';
import type { NodeClassifier } from '../../runtime/hosts/node-classifier.ts';
import { notInstalled, skipNote } from '../contract/hosts/installed.ts';
import { writePictureArtifact, writeTextArtifact } from '../deploy/artifacts.ts';
import { slim, slimJson, workFolder } from '../support/cli.ts';
import { start, startShell } from '../support/process.ts';

const work = workFolder();
let [texts, pictures] = ['', ''];
let [ofTexts, ofPictures]: NodeClassifier[] = [];

const TEXTS = ['A good film!', 'a "bad" film, really', 'not\ngood', '', 'film '.repeat(40), 'größe 映画 🎬', 'good'];

beforeAll(async () => {
  [texts, pictures] = await Promise.all([writeTextArtifact(work.path()), writePictureArtifact(work.path())]);
  // The oracle: one after another on this thread.
  [ofTexts, ofPictures] = await Promise.all([openClassifier(texts), openClassifier(pictures)]);
});
afterAll(async () => {
  await Promise.all([ofTexts?.close(), ofPictures?.close()]);
  work.remove();
});

async function answersOf(all: readonly string[], pairs: readonly (string | null)[] = []) {
  const answers = [];
  for (const [i, text] of all.entries())
    answers.push((await ofTexts.classify({ text, pair: pairs[i] ?? null }, 5)).predictions);
  return answers;
}

const write = (name: string, content: string | Uint8Array): string => {
  writeFileSync(work.path(name), content);
  return work.path(name);
};
const csv = (rows: readonly (readonly string[])[]): string =>
  rows.map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',')).join('\r\n');
const readCsv = (text: string): Record<string, string>[] => parse(text, { columns: true, relax_column_count: false });
const readJsonl = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
async function readParquet(path: string): Promise<Record<string, any>[]> {
  const bytes = await readFile(path);
  return parquetReadObjects({ file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) });
}

async function ok(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await slim(['predict', ...args]);
  expect(code, stderr).toBe(0);
  return stdout;
}

async function fails(args: readonly string[], code: number, ...words: readonly string[]): Promise<string> {
  const outcome = await slim(['predict', ...args]);
  expect(outcome.code, outcome.stderr).toBe(code);
  for (const word of words) expect(outcome.stderr).toContain(word);
  return outcome.stdout;
}

const TABLE = [['id', 'text'], ...TEXTS.map((text, i) => [`${i + 1}`, text])];

describe('tables', () => {
  it('CSV to CSV on stdout: the rows in order, their columns beside label and score', async () => {
    const rows = readCsv(await ok(texts, write('in.csv', csv(TABLE))));
    const answers = await answersOf(TEXTS);
    expect(rows).toEqual(
      TEXTS.map((text, i) => ({
        id: `${i + 1}`,
        text,
        label: answers[i][0].label,
        score: String(answers[i][0].score),
        error: '',
      })),
    );
  });

  it('JSON lines to a file of JSON lines, values as they were', async () => {
    const cells = TEXTS.map((text, i) => ({ n: i + 0.5, text, tags: ['a', i], flag: i % 2 === 0, none: null }));
    const input = write('in.jsonl', cells.map((row) => JSON.stringify(row)).join('\n'));
    const output = work.path('out.jsonl');
    const result = await slimJson(['predict', texts, input, '--output', output, '--top-k', '2']);
    expect(result).toMatchObject({ version: 1, output, rows: TEXTS.length, errors: 0, truncated: 1 });
    const answers = await answersOf(TEXTS);
    expect(readJsonl(readFileSync(output, 'utf8'))).toEqual(
      cells.map((row, i) => ({
        ...row,
        label: answers[i][0].label,
        score: answers[i][0].score,
        label_2: answers[i][1].label,
        score_2: answers[i][1].score,
        error: null,
      })),
    );
  });

  it('TSV to Parquet, which has types', async () => {
    const tsv = TABLE.filter((row) => !row[1].includes('\n')).map((row) => row.join('\t'));
    const output = work.path('out.parquet');
    await ok(texts, write('in.tsv', tsv.join('\n')), '--output', output);
    const kept = TEXTS.filter((text) => !text.includes('\n'));
    const answers = await answersOf(kept);
    const rows = await readParquet(output);
    expect(rows.map(({ text, label, score, error }) => ({ text, label, score, error }))).toEqual(
      kept.map((text, i) => ({ text, ...answers[i][0], error: null })),
    );
    expect(existsSync(`${output}.rows.jsonl`)).toBe(false);
  });

  it('Parquet to Parquet and to CSV, whole numbers and truths among its columns', async () => {
    const input = write(
      'typed.jsonl',
      TEXTS.map((text, i) => JSON.stringify({ text, n: i, x: i / 2, yes: i > 2, list: [i] })).join('\n'),
    );
    const [first, second, third] = ['first.parquet', 'second.parquet', 'third.csv'].map((name) => work.path(name));
    await ok(texts, input, '--output', first);
    const rows = await readParquet(first);
    const answers = await answersOf(TEXTS);
    expect(rows).toEqual(
      TEXTS.map((text, i) => ({
        text,
        n: BigInt(i),
        x: i / 2,
        yes: i > 2,
        list: `[${i}]`,
        ...answers[i][0],
        error: null,
      })),
    );
    await ok(texts, first, '--output', second, '--columns', 'text,n');
    expect(await readParquet(second)).toEqual(
      TEXTS.map((text, i) => ({ text, n: BigInt(i), ...answers[i][0], error: null })),
    );
    await ok(texts, first, '--output', third, '--columns', 'n,yes');
    expect(readCsv(readFileSync(third, 'utf8'))[3]).toEqual({
      n: '3',
      yes: 'true',
      label: answers[3][0].label,
      score: `${answers[3][0].score}`,
      error: '',
    });
  });

  const noGz = hasTableName('a.csv.gz') ? null : notInstalled('a reader of .gz');
  it.skipIf(noGz !== null)(`a table that is packed${skipNote(noGz)}`, async () => {
    const { gzipSync } = await import('node:zlib');
    const plain = await ok(texts, write('plain.csv', csv(TABLE)));
    expect(await ok(texts, write('packed.csv.gz', gzipSync(csv(TABLE))))).toBe(plain);
  });

  it('several, one after another; a column that one lacks is empty', async () => {
    const [a, b] = [write('a.csv', 'text,x\ngood,1\n'), write('b.jsonl', '{"text":"bad","y":2}\n')];
    const rows = readCsv(await ok(texts, a, b));
    expect(rows.map(({ text, x, y }) => [text, x, y])).toEqual([
      ['good', '1', ''],
      ['bad', '', '2'],
    ]);
    await fails([texts, a, write('c.csv', 'review\ngood\n')], 1, '--text-column text', 'c.csv has the columns review');
  });

  it('two texts a row, and columns that are named', async () => {
    const input = write('pairs.csv', 'premise,hypothesis,label\ngood,bad film,x\nbad,good,y\n');
    const answers = await answersOf(['good', 'bad'], ['bad film', 'good']);
    const guessed = readCsv(await ok(texts, input));
    expect(guessed.map(({ label }) => label)).toEqual(['x', 'y']);
    expect(
      guessed.map(({ predicted_label: label, predicted_score: score }) => ({ label, score: Number(score) })),
    ).toEqual(answers.map(([best]) => best));
    expect(Object.keys(guessed[0]).at(-1)).toBe('predicted_error');
    const one = readCsv(await ok(texts, input, '--text-column', 'hypothesis', '--columns', 'premise'));
    const [[best]] = await answersOf(['bad film']);
    expect(one[0]).toEqual({ premise: 'good', label: best.label, score: `${best.score}`, error: '' });
    await fails([texts, input, '--text-column', 'nope'], 1, '--text-column nope', 'premise, hypothesis, label');
    await fails([texts, input, '--columns', 'premise,nope'], 1, '--columns nope');
    await fails([texts, write('odd.csv', 'a,b\n1,2\n')], 1, 'none of which looks like a text', '--text-column NAME');
  });

  it('keys that the first rows of JSON lack', async () => {
    const rows = Array.from({ length: 101 }, (_, i) => JSON.stringify({ text: 'good', ...(i === 100 && { late: 7 }) }));
    const input = write('late.jsonl', rows.join('\n'));
    expect(readJsonl(await ok(texts, input, '--format', 'jsonl'))[100]).toMatchObject({ late: 7 });
    const { code, stderr } = await slim(['predict', texts, input, '--output', work.path('late.csv')]);
    expect([code, stderr]).toEqual([
      0,
      'left out, as the first rows lack them: the columns late; --format jsonl keeps them\n',
    ]);
    const clash = write('clash.jsonl', `${rows.slice(0, 100).join('\n')}\n{"text":"good","label":1}\n`);
    await fails([texts, clash], 1, 'the input has a column label in later rows', '--columns');
  });
});

describe('files', () => {
  const png = (colour: string): Promise<Buffer> =>
    sharp({ create: { width: 8, height: 8, channels: 3, background: colour } })
      .png()
      .toBuffer();

  it('pictures of a folder, recursively, and what is left out', async () => {
    mkdirSync(work.path('photos/more'), { recursive: true });
    const [red, blue] = await Promise.all(['#f00', '#00f'].map(png));
    write('photos/red.png', red);
    write('photos/more/blue.PNG', blue);
    write('photos/notes.md', 'no picture');
    write('photos/.hidden.png', red);
    const { code, stdout, stderr } = await slim(['predict', pictures, work.path('photos')]);
    expect([code, stderr]).toEqual([
      0,
      `left out, as their names are none of pictures: ${work.path('photos/notes.md')}\n`,
    ]);
    const [[ofBlue], [ofRed]] = await Promise.all(
      [blue, red].map(async (bytes) => (await ofPictures.classify(bytes, 1)).predictions),
    );
    expect(readCsv(stdout)).toEqual([
      { file: work.path('photos/more/blue.PNG'), label: ofBlue.label, score: `${ofBlue.score}`, error: '' },
      { file: work.path('photos/red.png'), label: ofRed.label, score: `${ofRed.score}`, error: '' },
    ]);
    expect(await ok(pictures, work.path('photos/**/*.{png,PNG}'))).toBe(stdout);
    expect(await ok(pictures, work.path('photos/more/blue.PNG'), work.path('photos/red.png'))).toBe(stdout);
    expect(readCsv(await ok(pictures, work.path('photos/red.png'), '--format', 'csv'))).toHaveLength(1);
  });

  it('a picture that is none is a row with an error, and the exit code says so', async () => {
    write('photos/zero.jpg', '');
    write('photos/zz.jpg', 'no picture, in truth');
    const output = work.path('pictures.jsonl');
    const summary = await fails(
      [pictures, work.path('photos'), work.path('photos/nope.png'), '--output', output, '--json'],
      1,
      '3 of 5 rows could not be classified',
      'The column error of each says why.',
    );
    expect(JSON.parse(summary)).toMatchObject({ rows: 5, errors: 3 });
    const rows = readJsonl(readFileSync(output, 'utf8'));
    expect(rows.map(({ file, label, error }) => [basename(file as string), label !== null, error === null])).toEqual([
      ['blue.PNG', true, true],
      ['red.png', true, true],
      ['zero.jpg', false, false],
      ['zz.jpg', false, false],
      ['nope.png', false, false],
    ]);
    expect(rows[3].error).toContain(`${work.path('photos/zz.jpg')}: not a picture of a known format`);
    expect(rows[4].error).toContain("nope.png: can't be read: ENOENT");
  });

  it('a table of pictures names their files, beside it, or holds them', async () => {
    const listed = write('list.csv', 'id,image_path\n1,photos/red.png\n2,photos/gone.png\n3,\n');
    const rows = readCsv(await fails([pictures, listed], 1, '2 of 3 rows'));
    const bytes = readFileSync(work.path('photos/red.png'));
    const [best] = (await ofPictures.classify(bytes, 1)).predictions;
    expect(rows[0]).toEqual({
      id: '1',
      image_path: 'photos/red.png',
      label: best.label,
      score: `${best.score}`,
      error: '',
    });
    expect(rows[1].error).toContain(`${listed}, line 3: can't be read: ENOENT`);
    expect(rows[2].error).toBe(`${listed}, line 4: expected a picture or its file in image_path, got nothing`);
    const named = await ok(pictures, write('odd.jsonl', '{"x":"photos/red.png","file":1}'), '--image-column', 'x');
    expect(readCsv(named)[0]).toMatchObject({ x: 'photos/red.png', file: '1', label: best.label });
  });

  it('texts: a file is one, a folder of them rows, a folder of tables the rows of those', async () => {
    mkdirSync(work.path('notes/tables'), { recursive: true });
    write('notes/tables/1.csv', 'text\ngood\n');
    write('notes/tables/2.csv', 'text\nbad\n');
    expect(readCsv(await ok(texts, work.path('notes'))).map(({ text }) => text)).toEqual(['good', 'bad']);
    write('notes/a.txt', 'A good film!\r\n');
    write('notes/b.txt', Uint8Array.of(0xff, 0xfe));
    const stdout = await fails([texts, work.path('notes')], 1, 'left out', '1.csv', '1 of 2 rows');
    const [[best]] = await answersOf(['A good film!']);
    expect(readCsv(stdout)).toEqual([
      { file: work.path('notes/a.txt'), label: best.label, score: `${best.score}`, error: '' },
      {
        file: work.path('notes/b.txt'),
        label: '',
        score: '',
        error: `${work.path('notes/b.txt')}: no text in UTF-8, but in UTF-16LE`,
      },
    ]);
    // One file is for people, as ever.
    expect(await ok(texts, work.path('notes/a.txt'), '--top-k', '1')).toMatch(/^\w+ +\d+\.\d\d %\n$/);
    expect(await slimJson(['predict', texts, work.path('notes/a.txt')])).toMatchObject({ version: 1, predictions: {} });
  });

  it('says what is mixed up', async () => {
    const [table, text, picture] = [
      write('t.csv', 'text\ngood\n'),
      write('t.txt', 'good'),
      work.path('photos/red.png'),
    ];
    await fails([texts, table, text], 2, 'holds many rows, other inputs one a file');
    await fails([pictures, write('two.csv', 'a,b\n1,2\n')], 1, 'none of which looks like pictures', '--image-column');
    await fails([pictures, table, '--text-column', 'text'], 2, 'the model classifies pictures, and text is named');
    await fails([texts, table, '--image-column', 'text'], 2, 'the model classifies texts, and text is named');
    await fails([pictures, table, '--image-column', 'x'], 1, '--image-column x', 'has the columns text');
    await fails([pictures, '-', picture], 2, '- is given beside other inputs');
    await fails([texts, work.path('*.nope')], 1, 'no file matches');
    await fails([pictures, work.path('notes/tables')], 1, 'no pictures are found in');
    await fails([texts, text, text, '--text-column', 'x'], 2, 'the column x is named', 'which have no columns');
    await fails([texts, table, '--text', 'good'], 2, `both ${table} and --text are given`);
    await fails([texts, table, text, '--text', 'good'], 2, '--text is one text, and rows are given');
    await fails([texts, table, '--text-pair', 'good'], 2, '--text-pair is one text, and rows are given');
    await fails([texts, '--text', 'good', '--output', 'x.csv'], 2, '--text is one text, and --output is for rows');
    await fails([texts, '--output', 'x.csv'], 2, '--output is for rows, and no input is given');
    await fails([texts, table, '--output', 'x.xlsx'], 2, 'a name that ends with .csv, .jsonl or .parquet');
    await fails([texts, table, '--resume'], 2, '--resume needs a file');
    await fails([texts, table, '--format', 'parquet'], 2, '--format parquet needs a file');
    await fails([texts, table, '--shard', '0/2'], 2, 'i from 1 to n');
    await fails([texts, table, '--output', work.path('notes')], 2, 'a name that ends with');
    await fails([texts, table, '--output', work.path('no/such/out.csv'), '--shard', '3/2'], 2, 'i from 1 to n');
    await fails([texts, work.path('gone.csv')], 1, `can't read ${work.path('gone.csv')}`);
  });
});

describe('stdin', () => {
  it('is one text a line, empty ones, too', async () => {
    const { code, stdout, stderr } = await startShell(
      'printf "A good film!\\n\\n\\xff\\nbad" | $SLIM predict "$1" - --format jsonl',
      [texts],
    ).exit;
    const [first, second, last] = await answersOf(['A good film!', '', 'bad']);
    expect([code, stderr.split('\n')[0]]).toEqual([1, 'error: 1 of 4 rows could not be classified']);
    expect(readJsonl(stdout)).toEqual([
      { text: 'A good film!', ...first[0], error: null },
      { text: '', ...second[0], error: null },
      { text: null, label: null, score: null, error: 'line 3: no valid UTF-8' },
      { text: 'bad', ...last[0], error: null },
    ]);
  });

  it('with --json is one object; a reader that goes away is no failure', async () => {
    const { stdout } = await startShell('printf "good\\nbad\\n" | $SLIM predict "$1" - --json', [texts]).exit;
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      results: [{ text: 'good' }, { text: 'bad' }],
      rows: 2,
      errors: 0,
      truncated: 0,
      done: true,
    });
    const many = write('lines.txt', 'good\n'.repeat(20_000));
    const head = await startShell('set -o pipefail; $SLIM predict "$1" - < "$2" | head -1', [texts, many]).exit;
    expect([head.code, head.stdout]).toEqual([0, 'text,label,score,error\n']);
    await fails([texts, '-', '--shard', '1/2'], 2, 'stdin can be read once');
  });
});

describe('rows that are wrong', () => {
  it('are reported in their place, and the others answered', async () => {
    const input = write('bad.csv', 'id,text\n1,good\n2,"bad",too,many\n3,film\n');
    const stdout = await fails([texts, input], 1, '1 of 3 rows could not be classified');
    const [[good], [film]] = await answersOf(['good', 'film']);
    expect(readCsv(stdout)).toEqual([
      { id: '1', text: 'good', label: good.label, score: `${good.score}`, error: '' },
      {
        id: '',
        text: '',
        label: '',
        score: '',
        error: `${input}, line 3: expected 2 fields, as the first line has, got 4`,
      },
      { id: '3', text: 'film', label: film.label, score: `${film.score}`, error: '' },
    ]);
    const jsonl = write('bad.jsonl', '{"text":"good"}\n{"text":\n{"text":null,"n":1}\n[1]\n{"n":2}\n');
    const rows = readJsonl(await fails([texts, jsonl, '--format', 'jsonl'], 1, '4 of 5 rows'));
    expect(rows.map(({ error }) => error)).toEqual([
      null,
      `${jsonl}, line 2: no valid JSON`,
      `${jsonl}, line 3: expected a text in text, got nothing`,
      `${jsonl}, line 4: expected a JSON object`,
      `${jsonl}, line 5: expected a text in text, got nothing`,
    ]);
    expect(rows[2]).toMatchObject({ n: 1, label: null });
  });

  it('a file that breaks off leaves the rows before it, and can be gone on with once it is mended', async () => {
    const input = write('open.csv', 'id,text\n1,good\n2,"bad\n');
    const output = work.path('open-out.csv');
    await fails([texts, input, '--output', output], 1, 'a quote that opens after line 2 is never closed');
    expect(readCsv(readFileSync(output, 'utf8')).map(({ id }) => id)).toEqual(['1']);
    writeFileSync(input, 'id,text\n1,good\n2, bad\n');
    await ok(texts, input, '--output', output, '--resume');
    expect(readCsv(readFileSync(output, 'utf8')).map(({ id, text }) => [id, text])).toEqual([
      ['1', 'good'],
      ['2', ' bad'],
    ]);
  });
});

/** Rows with a long column, so that a small model writes in several pieces. */
function manyRows(count: number): string {
  const rows = Array.from(
    { length: count },
    (_, i) => `${i},${i % 3 === 0 ? 'good' : 'a bad film'} ${i % 7},${'-'.repeat(400)}`,
  );
  return `id,text,note\n${rows.join('\n')}\n`;
}

describe('--shard', () => {
  it.each(['csv', 'jsonl'])('parts one after another are one run: %s', async (format) => {
    const input = write('sharded.csv', csv([...TABLE, ...TABLE.slice(1)]));
    const whole = await ok(texts, input, '--format', format);
    for (const of of [1, 2, 3, 5, 20]) {
      let joined = '';
      for (let i = 1; i <= of; i++)
        joined += await ok(texts, input, '--format', format, '--shard', `${i}/${of}`, '--workers', '0');
      expect(joined).toBe(whole);
    }
  });

  it('of files, and of Parquet, whose parts are files of their own', async () => {
    const whole = await ok(pictures, work.path('photos/*.{png,PNG}'), work.path('photos/more/*'));
    const parts = await Promise.all(
      [1, 2].map((i) => ok(pictures, work.path('photos/*.{png,PNG}'), work.path('photos/more/*'), '--shard', `${i}/2`)),
    );
    expect(parts.join('')).toBe(whole);
    const input = write('sharded.jsonl', TEXTS.map((text) => JSON.stringify({ text })).join('\n'));
    const rows = [];
    for (let i = 1; i <= 9; i++) {
      const output = work.path(`part-${i}.parquet`);
      await ok(texts, input, '--output', output, '--shard', `${i}/9`, '--workers', '0');
      rows.push(...(await readParquet(output)));
    }
    expect(rows.map(({ text }) => text)).toEqual(TEXTS);
  });
});

describe('--resume', () => {
  const COUNT = 12_000;
  let [input, whole] = ['', ''];
  beforeAll(async () => {
    input = write('many.csv', manyRows(COUNT));
    await ok(texts, input, '--output', work.path('whole.csv'));
    whole = readFileSync(work.path('whole.csv'), 'utf8');
  }, 60_000);

  const rowsIn = (output: string): number =>
    (JSON.parse(readFileSync(`${output}.run.json`, 'utf8')) as { state: { rows: number } }).state.rows;
  /** Resolves when the record counts more rows than that, or the process has ended. */
  async function counts(output: string, rows: number, exit: Promise<unknown>): Promise<void> {
    let ended = false;
    exit.then(() => {
      ended = true;
    });
    while (!ended && !(existsSync(`${output}.run.json`) && rowsIn(output) > rows))
      await new Promise((resolve) => setTimeout(resolve, 5));
  }

  it.each([
    ['SIGKILL', 'killed.csv'],
    ['SIGKILL', 'killed.jsonl'],
    ['SIGINT', 'stopped.csv'],
  ] as const)(
    'after %s is as if nothing had happened: %s',
    async (signal, name) => {
      const output = work.path(name);
      const args = ['predict', texts, input, '--output', output, '--workers', '1'];
      let expected = whole;
      if (name.endsWith('jsonl')) {
        await ok(texts, input, '--output', work.path('whole.jsonl'));
        expected = readFileSync(work.path('whole.jsonl'), 'utf8');
      }
      let done = 0;
      for (let i = 0; i < 3; i++) {
        const running = start([...args, '--resume']);
        await counts(output, done, running.exit);
        running.child.kill(signal);
        const { code, stderr } = await running.exit;
        const text = readFileSync(output, 'utf8');
        expect(expected.startsWith(text)).toBe(true);
        if (signal === 'SIGINT' && code !== 0) {
          expect(code, stderr).toBe(130);
          expect(stderr).toMatch(/interrupted: [\d,]+ rows are done. Go on with the same line and --resume.\n$/);
          expect(text.endsWith('\n')).toBe(true);
          expect(text.split('\n').length - (name.endsWith('csv') ? 2 : 1)).toBe(rowsIn(output));
        }
        done = rowsIn(output);
      }
      expect(done).toBeGreaterThan(0);
      const { code, stdout, stderr } = await start([...args, '--resume', '--json']).exit;
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ rows: COUNT, errors: 0 });
      expect(readFileSync(output, 'utf8')).toBe(expected);
    },
    60_000,
  );

  it('of Parquet, too', async () => {
    const output = work.path('killed.parquet');
    const args = ['predict', texts, input, '--output', output, '--workers', '1', '--columns', 'id,note'];
    const running = start(args);
    await counts(output, 0, running.exit);
    running.child.kill('SIGKILL');
    await running.exit;
    await ok(...args.slice(1), '--resume');
    const rows = await readParquet(output);
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: COUNT }, (_, i) => `${i}`));
    expect(existsSync(`${output}.rows.jsonl`)).toBe(false);
    expect(await ok(...args.slice(1), '--resume')).toContain('all of them were there already');
  }, 60_000);

  it('goes on, whatever moment it was killed at', async () => {
    // What a killed process leaves: any number of bytes after those that its record counts.
    const output = work.path('whole.csv');
    const record = JSON.parse(readFileSync(`${output}.run.json`, 'utf8')) as { state: Record<string, unknown> };
    const small = write('small.csv', manyRows(10));
    const whole = await ok(texts, small, '--format', 'csv');
    const cut = work.path('cut.csv');
    await fails([texts, write('small.csv', `${manyRows(10)}1,"`), '--output', cut], 1, 'never closed');
    const begun = JSON.parse(readFileSync(`${cut}.run.json`, 'utf8')) as { asked: object; state: { rows: number } };
    expect(begun.state.rows).toBe(10);
    expect(record.state.isDone).toBe(true);
    write('small.csv', `${manyRows(10)}1,"1"`.replace('1,"1"', ''));
    for (const junk of ['', '1', '10,good', 'x'.repeat(5000)]) {
      writeFileSync(cut, whole + junk);
      writeFileSync(
        `${cut}.run.json`,
        JSON.stringify({
          version: 2,
          ...begun,
          asked: { ...begun.asked, inputs: [{ path: small, bytes: manyRows(10).length, files: null }] },
        }),
      );
      await ok(texts, small, '--output', cut, '--resume');
      expect(readFileSync(cut, 'utf8')).toBe(whole);
    }
  });

  it('refuses what is not the same', async () => {
    const small = write('same.csv', 'id,text\n1,good\n2,bad\n');
    const output = work.path('same-out.csv');
    const args = [texts, small, '--output', output];
    await ok(...args);
    await fails(args, 1, `${output} is there already`, '--resume', '--overwrite');
    expect(await ok(...args, '--resume')).toContain('all of them were there already');
    await fails([...args, '--resume', '--top-k', '2'], 1, 'was begun with --top-k 1, and now it is 2');
    await fails([...args, '--resume', '--columns', 'id'], 1, 'was begun with --columns none, and now it is id');
    await fails([...args, '--resume', '--shard', '1/2'], 1, '--shard none, and now it is 1/2');
    await fails([...args, '--resume', '--overwrite'], 2, 'cannot be used with');
    const other = await writePictureArtifact(work.path(), 'dense');
    await fails([other, work.path('photos/red.png'), '--output', output, '--resume'], 1, 'begun with the artifact');
    appendFileSync(small, '3,film\n');
    await fails([...args, '--resume'], 1, `${small}, in bytes: 21, and now it is 28`);
    await ok(...args, '--overwrite');

    // Unfinished, and then another row where one is done.
    const record = JSON.parse(readFileSync(`${output}.run.json`, 'utf8')) as { state: object };
    writeFileSync(`${output}.run.json`, JSON.stringify({ ...record, state: { ...record.state, isDone: false } }));
    writeFileSync(small, 'id,text\n1,evil\n2,bad\n3,film\n');
    await fails([...args, '--resume'], 1, 'the input has changed: its first 3 rows are not those');
    writeFileSync(output, 'short');
    await fails([...args, '--resume'], 1, 'has 5 bytes, and its record counts', '--overwrite');
    writeFileSync(`${output}.run.json`, '{"version": 2}');
    await fails([...args, '--resume'], 1, 'is no record of slim predict');
    const stray = write('stray.csv', 'mine');
    await fails([texts, small, '--output', stray, '--resume'], 1, `its record ${stray}.run.json is not`);
    expect(readFileSync(stray, 'utf8')).toBe('mine');
  });
});

/** `slim evaluate` with data that is not just what the model was trained on; the models are random. */
import { existsSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { slim, slimJson, workFolder, writePictures, writeTinyBert, writeTinyModel } from '../support/cli.ts';

const work = workFolder();
afterAll(() => work.remove());

const TEXTS = ['a good film', 'a bad film', 'a dull story', 'a warm story'];
const six = ['toxic', 'severe', 'obscene', 'threat', 'insult', 'hate'];

beforeAll(async () => {
  await writeTinyBert(work.path('binary'), TEXTS, { labels: ['negative', 'positive'] });
  await writeTinyBert(work.path('toxic'), TEXTS, { labels: six, problemType: 'multi_label_classification' });
  await writeTinyBert(work.path('number'), TEXTS, { labels: ['score'], problemType: 'regression' });
  await writeTinyModel(work.path('pictures'));
});

/** A file of the work folder with these lines; its path. */
function write(name: string, ...lines: string[]): string {
  writeFileSync(work.path(name), `${lines.join('\n')}\n`);
  return work.path(name);
}

const evaluate = (model: string, data: string, ...more: string[]): string[] => [
  ...['evaluate', work.path(model), '--data', data, '--threads', '1'],
  ...more,
];

describe('--errors', () => {
  const lines = ['text,label', 'a good film,negative', 'a bad film,positive', 'a dull story,negative'];
  const refused = async (args: string[], message: string | RegExp): Promise<void> => {
    const { code, stderr } = await slim(args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  };

  it('leaves a file that is there, unless --overwrite says so', async () => {
    const data = write('reviews.csv', ...lines);
    const errors = write('there.csv', 'mine');
    await refused(evaluate('binary', data, '--errors', errors), /there.csv is there already\nhint: .*--overwrite/);
    expect(readFileSync(errors, 'utf8')).toBe('mine\n');
    await slimJson(evaluate('binary', data, '--errors', errors, '--overwrite'));
    expect(readFileSync(errors, 'utf8')).toMatch(/label,predicted/);
  });

  it('never is what is read, by whatever name, before anything is opened', async () => {
    const data = write('own.csv', ...lines);
    linkSync(data, work.path('hard.csv'));
    symlinkSync(data, work.path('soft.csv'));
    mkdirSync(work.path('parts'));
    writeFileSync(work.path('parts', 'train.csv'), lines.join('\n'));
    const labels = write('labels.csv', 'negative', 'positive');
    for (const [given, errors] of [
      [data, data],
      [data, work.path('hard.csv')],
      [data, work.path('soft.csv')],
      [work.path('parts'), work.path('parts', 'train.csv')],
      [data, labels],
    ]) {
      const args = evaluate('no model', given, '--errors', errors, '--overwrite', '--labels', labels);
      await refused(args, /is what is read, or a part of it/);
    }
    expect(readFileSync(data, 'utf8')).toBe(`${lines.join('\n')}\n`);
  });

  it('is CSV, in a file', async () => {
    const data = write('reviews.csv', ...lines);
    for (const name of ['x.parquet', 'x.jsonl', 'x', 'x.csv.gz'])
      await refused(evaluate('binary', data, '--errors', work.path(name)), /expected a name that ends with .csv/);
    expect(existsSync(work.path('x.parquet'))).toBe(false);
    mkdirSync(work.path('folder.csv'));
    await refused(evaluate('binary', data, '--errors', work.path('folder.csv')), /is a folder/);
  });
});

describe('data in parts that the model was not trained on', () => {
  it('judges by its validation part, and says how all of it would', async () => {
    await writePictures(work.path('pics'), { train: 3, val: 2 });
    const { code, stderr, stdout } = await slim(evaluate('pictures', work.path('pics')));
    expect([code, stdout]).toEqual([0, expect.stringContaining('on 6 samples')]);
    expect(stderr).toContain(`note: ${work.path('pics')} has parts: its val/ judges; --part all takes all.`);
    const all = await slim(evaluate('pictures', work.path('pics'), '--part', 'all'));
    expect(all.stdout).toContain('on 15 samples');
    expect(all.stderr).not.toContain('--part all');
  });

  it('does so of tables and of folders of texts', async () => {
    mkdirSync(work.path('tables'));
    for (const name of ['train', 'test'])
      writeFileSync(work.path('tables', `${name}.csv`), 'text,label\na good film,positive\na bad film,negative\n');
    const { stderr } = await slim(evaluate('binary', work.path('tables')));
    expect(stderr).toContain(`note: ${work.path('tables')} has parts: its test.csv judges; --part all takes all.`);
    for (const part of ['train', 'test'])
      for (const label of ['negative', 'positive']) {
        mkdirSync(work.path('texts', part, label), { recursive: true });
        writeFileSync(work.path('texts', part, label, '1.txt'), `a ${label} film`);
      }
    const folders = await slim(evaluate('binary', work.path('texts')));
    expect(folders.stderr).toContain('has parts: its test/ judges; --part all takes all.');
  });

  it('is told by the help', async () => {
    const { stdout } = await slim(['evaluate', '--help']);
    expect(stdout.replace(/\s+/g, ' ')).toContain(
      '--part all takes all. A file or folder without parts judges as a whole',
    );
  });
});

describe('words', () => {
  it('are of one where there is one', async () => {
    const one = write('one.csv', 'text,label', 'a good film,positive');
    const { stdout, stderr } = await slim(evaluate('binary', one));
    expect(stdout).toMatch(/^accuracy \d+\.00 % on 1 sample$/m);
    expect(stderr).toContain('The model is judged on all 1 row.');
    expect((await slim(['inspect', work.path('number')])).stdout).toContain('1 label: score');
    const two = write('two.csv', 'text,label', 'a good film,x', 'a bad film,y', 'a warm film,x', 'a dull film,y');
    const finetune = ['finetune', '--model', 'bert-pico', '--vocabulary-size', '300', '--steps', '1', '--threads', '1'];
    const trained = await slim([...finetune, '--data', two, '--out', work.path('one-step')]);
    expect(trained.stderr).toMatch(/\(2 texts, 2 classes\), 1 step, on/);
    expect(trained.stderr).not.toMatch(/\b1 (labels|steps|rows|samples|texts|pictures)\b/);
  });

  it('propose drawn pictures to models of pictures only', async () => {
    const hint = 'use --data glyphs';
    const finetune = (model: string) => [
      'finetune',
      '--model',
      model,
      '--data',
      'no/such',
      '--out',
      work.path('never'),
    ];
    for (const args of [evaluate('binary', 'no/such'), finetune('bert-pico'), finetune(work.path('binary'))])
      expect((await slim(args)).stderr).toMatch(/there is no data folder no\/such\nhint: Check --data\.\n$/);
    for (const args of [evaluate('pictures', 'no/such'), finetune('vit-pico'), finetune(work.path('pictures'))])
      expect((await slim(args)).stderr).toContain(hint);
  });

  it('stay together in the help', async () => {
    expect((await slim(['help'])).stdout).toContain('or texts as .jsonl, .csv, .tsv, .parquet');
  });
});

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

  it('tells where each sample stands, and of numbers the error', async () => {
    const data = write('numbers.csv', 'text,score', 'a good film,1000.5', 'a bad film,-3000.25', 'a dull story,0.5');
    const errors = work.path('number-errors.csv');
    await slimJson(evaluate('number', data, '--errors', errors));
    const [header, ...rows] = readFileSync(errors, 'utf8').trim().split('\n');
    expect(header).toBe('place,text,label,predicted,error');
    const cells = rows.map((row) => /^"(.*), (line \d)",(.*),(.*),(.*),(.*)$/.exec(row)!.slice(1));
    expect(cells.map(([file, line, text]) => [file, line, text])).toEqual([
      [data, 'line 3', 'a bad film'],
      [data, 'line 2', 'a good film'],
      [data, 'line 4', 'a dull story'],
    ]);
    for (const [, , , label, predicted, error] of cells)
      expect(Number(error)).toBeCloseTo(Number(predicted) - Number(label), 3);
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

describe('several labels', () => {
  const judged = async (data: string, ...more: string[]) => {
    const { code, stdout, stderr } = await slim(evaluate('toxic', data, '--json', ...more));
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    const result = JSON.parse(stdout) as { labels: { label: string; support: number }[]; samples: number };
    return { stderr, ...result, names: result.labels.map(({ label }) => label) };
  };
  const texts = ['a good film', 'a bad film', 'a dull story', 'a warm story'];
  const values = [
    [1, 0, 0, 1, 0, 1],
    [0, 0, 1, 0, 0, 1],
    [1, 1, 0, 0, 0, 0],
    [0, 0, 1, 0, 1, 0],
  ];
  const columns = (places: readonly number[]) => [
    ['text', ...places.map((k) => six[k])].join(','),
    ...texts.map((text, i) => [text, ...places.map((k) => values[i][k])].join(',')),
  ];

  it('are judged by those that have columns, as they are among all', async () => {
    const all = await judged(write('six.csv', ...columns([0, 1, 2, 3, 4, 5])));
    expect([all.names, all.stderr]).toEqual([six, expect.not.stringContaining('not judged')]);
    const some = await judged(write('three.csv', ...columns([2, 5, 0])));
    expect(some.stderr).toContain('The data says nothing of severe, threat, insult: they are not judged.');
    expect(some.labels).toEqual(all.labels.filter(({ label }) => ['toxic', 'obscene', 'hate'].includes(label)));
    const one = await judged(write('one-label.csv', ...columns([2])));
    expect(one.labels).toEqual(all.labels.filter(({ label }) => label === 'obscene'));
    const errors = work.path('three-errors.csv');
    await judged(work.path('three.csv'), '--errors', errors);
    expect(readFileSync(errors, 'utf8')).not.toMatch(/severe|threat|insult/);
  });

  it('are judged by all where samples list those that apply, which is said', async () => {
    const lines = texts.map((text, i) =>
      JSON.stringify({ text, labels: six.filter((name, k) => values[i][k] === 1 && name !== 'insult') }),
    );
    const lists = await judged(write('lists.jsonl', ...lines));
    expect(lists.names).toEqual(six);
    expect(lists.stderr).toContain('The data never names insult:');
    expect(lists.stderr).toContain('taken to apply');
  });

  it('of lists of 0 and 1 are those at their places', async () => {
    const all = await judged(work.path('six.csv'));
    for (const valueOf of [Number, Boolean] as readonly ((value: number) => unknown)[]) {
      const lines = texts.map((text, i) => JSON.stringify({ text, labels: values[i].map((value) => valueOf(value)) }));
      const places = await judged(write('places.jsonl', ...lines));
      expect(places.labels).toEqual(all.labels);
      expect(places.stderr).toContain('LABEL_0 is toxic, LABEL_1 is severe');
    }
    const short = write('short.jsonl', '{"text": "a", "labels": [0, 1]}', '{"text": "b", "labels": [1, 1]}');
    expect((await slim(evaluate('toxic', short))).stderr).toContain('2 labels without names, the model has 6');
  });

  it('take several columns for one, and leave others out, as --labels says', async () => {
    const labels = write('toxic.json', '{"rude": "toxic", "severe": "toxic", "spam": null}');
    const lines = ['text,rude,severe,spam', 'a good film,0,1,1', 'a bad film,1,1,0', 'a dull story,0,0,1'];
    const { labels: told, stderr } = await judged(write('rude.csv', ...lines), '--labels', labels);
    expect(told).toMatchObject([{ label: 'toxic', support: 2 }]);
    expect(stderr).toContain('Left out, as --labels says: spam.');
  });

  it('that a run was trained with by name may be some of those that the data has', async () => {
    const data = write('named.csv', 'text,toxic,hate', ...texts.map((text, i) => `${text},${i % 2},${i > 1 ? 1 : 0}`));
    const run = work.path('named');
    const finetune = ['finetune', '--model', 'bert-pico', '--vocabulary-size', '300', '--steps', '1', '--threads', '1'];
    const flags = ['--label-column', 'toxic', '--label-column', 'hate', '--out', run];
    await slimJson([...finetune, '--data', data, ...flags]);
    const only = write('only.csv', 'text,toxic,other', 'a good film,1,5', 'a bad film,0,6');
    const { code, stderr } = await slim(['evaluate', run, '--data', only, '--threads', '1']);
    expect([code, stderr]).toEqual([0, expect.stringContaining('The data says nothing of hate: it is not judged.')]);
    const asked = await slim(['evaluate', run, '--data', only, '--label-column', 'hate', '--label-column', 'toxic']);
    expect(asked.stderr).toContain('--label-column hate: ');
  });
});

describe('classes of other names', () => {
  const stars = ['a good film,5', 'a bad film,1', 'a dull story,2', 'a warm story,4', 'so so,3', 'so,3'];

  it('are several of one, or left out, as --labels says', async () => {
    const data = write('stars.csv', 'text,stars', ...stars);
    const labels = write('stars.json', '{"1": "negative", "2": 0, "3": null, "4": "positive", "5": 1, "6": 1}');
    const { stdout, stderr } = await slim(evaluate('binary', data, '--labels', labels, '--json'));
    const same = write(
      'same.csv',
      'text,label',
      ...stars.slice(0, 4).map((line) => line.replace(/[45]$/, 'positive').replace(/[12]$/, 'negative')),
    );
    expect(JSON.parse(stdout)).toEqual(await slimJson(evaluate('binary', same)));
    expect(stderr).toContain('Left out, as --labels says: 2 samples of 3.');
    expect(stderr).toContain('--labels names what the data does not have: 6. The data has 1, 2, 3, 4, 5.');
  });

  it('leave out pictures, too, with their files', async () => {
    await writePictures(work.path('more'), { train: 2, val: 2, labels: ['dark', 'grey', 'light', 'junk'] });
    const labels = write('junk.json', '{"junk": null}');
    const errors = work.path('junk.csv');
    const all = evaluate('pictures', work.path('more'), '--labels', labels, '--part', 'all', '--errors', errors);
    const result = await slimJson(all);
    await writePictures(work.path('less'), { train: 2, val: 2 });
    expect(result).toEqual(await slimJson(evaluate('pictures', work.path('less'), '--part', 'all')));
    for (const line of readFileSync(errors, 'utf8').trim().split('\n').slice(1)) {
      const [file, label] = line.split(',');
      expect(file).toContain(`/${label}/`);
    }
  });

  it('are left out where a model is trained, too', async () => {
    const data = write(
      'train.csv',
      'text,label',
      ...['x', 'y'].flatMap((end) =>
        ['a good film,positive', 'a bad film,negative', 'so so,junk'].map((line) => line.replace(',', ` ${end},`)),
      ),
    );
    const labels = write('train.json', '{"junk": null}');
    const args = [
      'train',
      '--model',
      work.path('binary'),
      '--data',
      data,
      '--rank',
      '2',
      '--steps',
      '1',
      '--threads',
      '1',
    ];
    const { code, stderr } = await slim([...args, '--labels', labels, '--out', work.path('student')]);
    expect([code, stderr]).toEqual([0, expect.stringContaining('Left out, as --labels says: 2 samples of junk.')]);
    expect(stderr).toContain(
      '2 classes, each with its samples to train on + to judge by: negative 1 + 1, positive 1 + 1.',
    );
  });

  it('that all are left out leave nothing to judge by', async () => {
    const labels = write('none.json', '{"1": null, "2": null, "3": null, "4": null, "5": null}');
    const { code, stderr } = await slim(evaluate('binary', work.path('stars.csv'), '--labels', labels));
    expect([code, stderr]).toEqual([1, expect.stringContaining('is left to judge by')]);
  });

  it('are true and false of JSON lines and of CSV, as they are 0 and 1', async () => {
    const lines = (yes: string, no: string) => [
      'text,label',
      `a good film,${yes}`,
      `a bad film,${no}`,
      `a dull story,${no}`,
    ];
    const numbered = await slimJson(evaluate('binary', write('01.csv', ...lines('1', '0'))));
    expect(await slimJson(evaluate('binary', write('truth.csv', ...lines('True', 'False'))))).toEqual(numbered);
    const rows = [true, false, false].map((label, i) =>
      JSON.stringify({ text: ['a good film', 'a bad film', 'a dull story'][i], label }),
    );
    expect(await slimJson(evaluate('binary', write('truth.jsonl', ...rows)))).toEqual(numbered);
  });
});

describe('a truth that does not vary', () => {
  it('has no correlation, in training as in evaluation', async () => {
    const data = write('still.csv', 'text,score', ...['a', 'b', 'c', 'd', 'e'].map((word) => `a ${word} film,0.5`));
    const { code, stdout, stderr } = await slim([
      ...[
        'finetune',
        '--model',
        work.path('number'),
        '--data',
        data,
        '--steps',
        '1',
        '--threads',
        '1',
        '--select',
        'best',
      ],
      ...['--out', work.path('still')],
    ]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('fine-tuned: Pearson undefined on 1 sample')]);
    expect(stderr).toContain('Pearson undefined');
    const run = JSON.parse(readFileSync(work.path('still', 'run.json'), 'utf8')) as { accuracy: unknown };
    expect(run.accuracy).toEqual([{ stage: 'teacher', pearson: null, samples: 1 }]);
    expect(await slimJson(evaluate('still', data))).toMatchObject({ pearson: null });
    await slimJson(['pack', work.path('still'), '--out', work.path('still.slim')]);
    expect((await slim(['inspect', work.path('still.slim')])).stdout).toMatch(/teacher +undefined +1/);
    expect((await slim(['bench', 'agreement', '--model', work.path('still'), '--data', data])).code).toBe(0);
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

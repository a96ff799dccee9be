/**
 * Text data through the command line: what is wrong with it is told in one line with file and row, before anything is
 * written; what is cut is counted.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { slim, slimJson, workFolder, writeReviews } from '../support/cli.ts';

const work = workFolder();
const reviews = work.path('reviews');
const teacher = work.path('teacher');
const train = ['--threads', '1', '--steps', '2', '--batch-size', '4'];
const finetune = ['finetune', '--model', 'bert-pico', '--max-tokens', '16', '--vocabulary-size', '300', ...train];
let folders = 0;

/** The reviews as CSV with these lines after the others of a part. */
function withLines(part: 'train' | 'validation', ...lines: readonly (string | Buffer)[]): string {
  const folder = work.path(`data-${folders++}`);
  mkdirSync(folder);
  for (const name of ['train', 'validation']) {
    const rows = readFileSync(join(reviews, `${name}.jsonl`), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { text: string; label: string });
    const written = ['text,label', ...rows.map(({ text, label }) => `"${text}",${label}`)].map((line) =>
      Buffer.from(`${line}\n`),
    );
    const more = name === part ? lines.map((line) => Buffer.concat([Buffer.from(line), Buffer.from('\n')])) : [];
    writeFileSync(join(folder, `${name}.csv`), Buffer.concat([...written, ...more]));
  }
  return folder;
}

beforeAll(async () => {
  writeReviews(reviews, { train: 20, validation: 8 });
  await slimJson([...finetune, '--data', reviews, '--out', teacher]);
});
afterAll(() => work.remove());

describe('data that is wrong', () => {
  it.each<[string, () => string, RegExp, RegExp]>([
    [
      'a row without a label',
      () => withLines('train', 'a film,'),
      /train.csv, line 22: expected a label in label, got nothing$/,
      /--skip-bad/,
    ],
    [
      'a label that training never saw',
      () => withLines('validation', 'a film,mixed'),
      /validation.csv, line 10: the label "mixed" is not among the training data's \(neg, pos\)$/,
      /--skip-bad/,
    ],
    [
      'a ragged row',
      () => withLines('train', '"two\nlines",pos', 'a film, which is long,pos'),
      /train.csv, line 24: expected 2 fields, as the first line has, got 3$/,
      /--skip-bad/,
    ],
    [
      'broken UTF-8',
      () => withLines('train', Buffer.from('na\xefve,pos', 'latin1')),
      /train.csv, line 22: text is no valid UTF-8 \(byte 0xef is ï in Latin-1: save the file as UTF-8\)$/,
      /--skip-bad/,
    ],
    [
      'an empty file',
      () => {
        const path = work.path('empty.jsonl');
        writeFileSync(path, '');
        return path;
      },
      /empty.jsonl is empty$/,
      /rows with a text and a label/,
    ],
    ['a file that is not there', () => work.path('nowhere.tsv'), /there is no file .*nowhere.tsv$/, /--data/],
    [
      'a label with control characters',
      () => withLines('validation', 'a film,\x1b[31mred'),
      /line 10: the label "\\u001b\[31mred" is not/,
      /--skip-bad/,
    ],
  ])('%s', async (_, makeData, message, hint) => {
    const data = makeData();
    for (const command of [
      [...finetune, '--out', work.path('never')],
      ['train', '--model', teacher, '--rank', '4', ...train, '--out', work.path('never')],
      ['evaluate', teacher],
    ]) {
      const { code, stdout, stderr } = await slim([...command, '--data', data]);
      const [error, told, ...rest] = stderr
        .trimEnd()
        .split('\n')
        .filter((line) => !/^data /.test(line));
      expect([code, stdout, rest]).toEqual([1, '', []]);
      expect(error).toMatch(message);
      expect(error).toMatch(/^error: /);
      expect(told).toMatch(hint);
      expect(existsSync(work.path('never'))).toBe(false);
    }
  });

  it('is left out and counted with --skip-bad, the same rows each time', async () => {
    const data = withLines('train', 'a film,', 'a film, which is long,pos', Buffer.from('na\xefve,pos', 'latin1'));
    expect(await slimJson([...finetune, '--data', data, '--skip-bad', '--out', work.path('skipped')])).toMatchObject({
      skipped: 3,
      samples: 8,
      steps: 2,
    });
    const { stdout } = await slim(['evaluate', work.path('skipped'), '--data', data, '--skip-bad']);
    expect(stdout).toMatch(/on 8 samples, 3 skipped$/m);
  });
});

describe('one file, of which a share is held out', () => {
  const file = work.path('all.csv');
  const split = ['--split-seed', '5', '--validation-fraction', '0.3'];
  let before: Record<string, unknown>;
  beforeAll(async () => {
    const rows = readFileSync(join(reviews, 'train.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { text: string; label: string });
    writeFileSync(file, `${['message,topic', ...rows.map(({ text, label }) => `"${text}",${label}`)].join('\n')}\n`);
    before = await slimJson([
      ...finetune,
      '--data',
      file,
      '--text-column',
      'message',
      '--label-column',
      'topic',
      ...split,
      '--out',
      work.path('split'),
    ]);
  });
  const compress = ['train', '--model', work.path('split'), '--data', file, '--rank', '4', ...train];

  it('a student is judged on what its teacher held out, and finds its columns', async () => {
    const { teacherAccuracy, samples } = await slimJson([...compress, '--out', work.path('student')]);
    expect([teacherAccuracy, samples, before.samples]).toEqual([before.accuracy, 6, 6]);
    expect(JSON.parse(readFileSync(join(work.path('student'), 'run.json'), 'utf8'))).toMatchObject({
      configuration: { splitSeed: 5, validationFraction: 0.3, textColumn: 'message', labelColumn: 'topic' },
    });
  });

  it('another split is told', async () => {
    const { code, stderr } = await slim([...compress, '--split-seed', '6', '--out', work.path('other')]);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(
        /^note: .*split was trained with splitSeed 5: where the data has no split of its own, it is judged on samples that it has seen\.$/m,
      ),
    ]);
  });

  it('slim evaluate says how much is judged, and takes all where it is asked to', async () => {
    const { stdout, stderr } = await slim(['evaluate', work.path('split'), '--data', file]);
    expect(stdout).toContain('on 6 samples');
    expect(stderr).toContain('note: Models are judged on 6 of the 20 rows, which are held out.');
    const [test, training, all] = await Promise.all(
      ['test', 'train', 'all'].map((part) =>
        slimJson(['evaluate', work.path('split'), '--data', file, '--part', part]),
      ),
    );
    expect([test.samples, training.samples, all.samples]).toEqual([6, 14, 20]);
    expect(20 * (all.accuracy as number)).toBeCloseTo(
      6 * (test.accuracy as number) + 14 * (training.accuracy as number),
      9,
    );
  });
});

describe('texts that are too long', () => {
  const long = (): string =>
    withLines('train', `${'lovely film '.repeat(900_000)},pos`, `${'ä'.repeat(5_000_000)},neg`);

  it('are cut, counted and told: 10 MB of words, 10 MB of one word', async () => {
    const data = long();
    const before = performance.now();
    const { code, stderr } = await slim([...finetune, '--data', data, '--out', work.path('long')]);
    expect(code, stderr).toBe(0);
    const [, cut] = /note: (\d+) of 22 training texts are longer than 16 tokens and are cut there\./.exec(stderr) ?? [];
    expect(Number(cut)).toBeGreaterThan(0);
    expect(stderr).not.toMatch(/of 22 .* evaluation/);
    // Far from what tokenizing all of it would take.
    expect(performance.now() - before).toBeLessThan(30_000);
  });

  it('also when a model is judged, and asked', async () => {
    const text = work.path('long.txt');
    writeFileSync(text, 'lovely film '.repeat(900_000));
    const { stderr } = await slim([
      'evaluate',
      teacher,
      '--data',
      withLines('validation', `${'lovely film '.repeat(900_000)},pos`),
    ]);
    expect(stderr).toMatch(/note: \d of 9 evaluation texts are longer than 16 tokens/);
    await slimJson(['pack', teacher, '--out', work.path('teacher.slim')]);
    expect(await slimJson(['predict', work.path('teacher.slim'), text])).toMatchObject({ truncated: true });
  });
});

it('what a stranger wrote does not reach the terminal as it is', async () => {
  const data = work.path('escapes.csv');
  writeFileSync(data, '\x1b[2Jcolumn,\x1b]0;title\x07\nx,y\n');
  const { code, stderr } = await slim([...finetune, '--data', data, '--out', work.path('never')]);
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining('has the columns \uFFFD[2Jcolumn, \uFFFD]0;title\uFFFD, none of which looks like a label'),
  ]);
});

describe('a tokenizer that does not belong to the weights', () => {
  function changed(
    change: (model: { vocab: Record<string, number> }) => void,
    others: Readonly<Record<string, unknown>> = {},
  ): string {
    const folder = work.path(`model-${folders++}`);
    mkdirSync(folder);
    for (const name of ['config.json', 'model.safetensors', 'tokenizer_config.json', 'run.json'])
      writeFileSync(join(folder, name), readFileSync(join(teacher, name)));
    const json = JSON.parse(readFileSync(join(teacher, 'tokenizer.json'), 'utf8')) as {
      model: { vocab: Record<string, number> };
    };
    change(json.model);
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ ...json, ...others }));
    return folder;
  }

  it.each<[string, (model: { vocab: Record<string, number> }) => void, RegExp]>([
    [
      'more tokens than embeddings',
      ({ vocab }) => {
        vocab.another = Object.keys(vocab).length;
      },
      /the tokenizer has ids up to (\d+), the checkpoint has embeddings for \1$/,
    ],
    [
      'an id beyond the vocabulary',
      ({ vocab }) => {
        vocab.film = 60_000;
      },
      /ids up to 60000, the checkpoint has embeddings for/,
    ],
    [
      'an id that is none',
      ({ vocab }) => {
        vocab.film = -1;
      },
      /tokenizer.json: .*-1/,
    ],
  ])('%s', async (_, change, message) => {
    const { code, stderr } = await slim(['evaluate', changed(change), '--data', reviews]);
    expect(code).toBe(1);
    expect(stderr.split('\n')[0]).toMatch(message);
    expect(stderr).not.toMatch(/bug in slim|\.ts:/);
  });

  it('a special token that no template uses and no embedding stands for', async () => {
    const { post_processor } = JSON.parse(readFileSync(join(teacher, 'tokenizer.json'), 'utf8')) as {
      post_processor: { special_tokens: Record<string, unknown> };
    };
    const special_tokens = {
      ...post_processor.special_tokens,
      '[FAR]': { id: '[FAR]', ids: [2_000_000], tokens: ['[FAR]'] },
    };
    const folder = changed(() => undefined, { post_processor: { ...post_processor, special_tokens } });
    const { code, stderr } = await slim([
      'train',
      '--model',
      folder,
      '--data',
      reviews,
      '--rank',
      '4',
      ...train,
      '--prune-vocabulary',
      '--out',
      work.path('far'),
    ]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/names a token 2000000, the checkpoint has embeddings for \d+/),
    ]);
    expect(existsSync(work.path('far'))).toBe(false);
  });

  it('padding that no embedding stands for', async () => {
    const padding = {
      strategy: 'BatchLongest',
      direction: 'Right',
      pad_to_multiple_of: null,
      pad_id: 2_000_000,
      pad_type_id: 0,
      pad_token: '[PAD]',
    };
    const { code, stderr } = await slim(['evaluate', changed(() => undefined, { padding }), '--data', reviews]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/the tokenizer has ids up to 2000000, the checkpoint has embeddings for/),
    ]);
  });
});

describe('--resume', () => {
  it('goes on only with the data that the run began with', async () => {
    const folder = work.path('changing');
    writeReviews(folder, { train: 20, validation: 8 });
    const args = [
      ...finetune.map((arg, i) => (finetune[i - 1] === '--steps' ? '40' : arg)),
      '--data',
      folder,
      '--evaluate-every',
      '5',
      '--out',
      work.path('resumed'),
    ];
    const controller = new AbortController();
    const stopped = await slim(args, {
      signal: controller.signal,
      onStderr: (text) => {
        if (text.includes('step 5/40')) controller.abort();
      },
    });
    expect(stopped.code, stopped.stderr).toBe(130);
    const path = join(folder, 'train.jsonl');
    const original = readFileSync(path, 'utf8');
    for (const changedText of [original.replaceAll('"pos"', '"aaa"'), original.replace('"neg"', '"pos"')]) {
      writeFileSync(path, changedText);
      writeFileSync(
        join(folder, 'validation.jsonl'),
        readFileSync(join(reviews, 'validation.jsonl'), 'utf8').replaceAll(
          '"pos"',
          changedText.includes('aaa') ? '"aaa"' : '"pos"',
        ),
      );
      const { code, stderr } = await slim([...args, '--resume']);
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining(`--resume: the training data of ${work.path('resumed')} has changed since it began`),
      ]);
    }
    writeFileSync(path, original);
    expect((await slim([...args, '--resume'])).code).toBe(0);
  });
});

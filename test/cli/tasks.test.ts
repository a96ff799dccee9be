/** Any number of labels, and numbers, the whole way: trained, compressed, quantized, packed, judged and asked. */
import { readFileSync, writeFileSync } from 'node:fs';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openClassifier } from '../../cli/io/classifier.ts';
import { type App, createApp } from '../../runtime/http/app.ts';
import { random } from '../../runtime/random.ts';
import { readRecord, slim, slimJson, workFolder } from '../support/cli.ts';

const work = workFolder();
afterAll(() => work.remove());

const WORDS = ['red', 'green', 'blue'];
const FILLER = ['a', 'big', 'house', 'with', 'one', 'door'];

/** Some of the words among others; which of them is what is asked. */
function sentence(source: ReturnType<typeof random>): { text: string; labels: string[] } {
  const labels = WORDS.filter(() => source.uniform() < 0.5);
  const words = [...labels, ...Array.from({ length: 3 }, () => FILLER[source.below(FILLER.length)])];
  return { text: words.sort(() => source.uniform() - 0.5).join(' '), labels };
}

function writeSentences(
  file: string,
  seed: number,
  count: number,
  lineOf: (one: ReturnType<typeof sentence>) => string,
) {
  const source = random(seed);
  writeFileSync(file, Array.from({ length: count }, () => `${lineOf(sentence(source))}\n`).join(''));
}

/** Trains, compresses, quantizes and packs on a file, of which a share is held out. */
async function wholeWay(name: string, file: string, flags: readonly string[] = []) {
  const common = ['--data', file, '--threads', '1', '--batch-size', '16', '--learning-rate', '0.003'];
  const paths = {
    teacher: work.path(`${name}-teacher`),
    small: work.path(`${name}-small`),
    int8: work.path(`${name}-int8`),
    artifact: work.path(`${name}.slim`),
  };
  let told = '';
  const onStderr = (text: string): void => void (told += text);
  const teacher = await slimJson(
    [
      ...['finetune', '--model', 'bert-pico', ...common, ...flags, '--max-tokens', '16', '--vocabulary-size', '300'],
      ...['--epochs', '25', '--select', 'best', '--out', paths.teacher],
    ],
    { onStderr },
  );
  const small = await slimJson([
    ...['train', '--model', paths.teacher, ...common, '--rank', '8', '--epochs', '12', '--decay-end', '0.5'],
    ...['--out', paths.small],
  ]);
  const int8 = await slimJson(['quantize', paths.small, '--data', file, '--out', paths.int8]);
  await slimJson(['pack', paths.int8, '--out', paths.artifact]);
  return { paths, teacher, small, int8, told };
}

async function post(app: App, route: string, body: object): Promise<{ status: number; body: unknown }> {
  const response = await app.request(route, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

describe('any number of labels', () => {
  const file = work.path('colours.jsonl');
  let way: Awaited<ReturnType<typeof wholeWay>>;
  beforeAll(async () => {
    writeSentences(file, 3, 400, (one) => JSON.stringify(one));
    way = await wholeWay('colours', file);
  }, 240_000);

  it('is told by the data, said before training starts, and kept by config.json, run and artifact', async () => {
    const { paths, told } = way;
    expect(told).toMatch(/fine-tuning bert-pico on .*colours.jsonl \(\d+ texts, 3 labels, any number at once\)/);
    expect(told).toMatch(/micro F1 \d+\.\d\d %/);
    for (const run of [paths.teacher, paths.small, paths.int8]) {
      expect(JSON.parse(readFileSync(`${run}/config.json`, 'utf8'))).toMatchObject({
        problem_type: 'multi_label_classification',
      });
      expect(readRecord(run).problemType).toBe('multi_label_classification');
    }
    expect(await slimJson(['inspect', paths.artifact])).toMatchObject({ problemType: 'multi_label_classification' });
    expect((await slim(['inspect', paths.artifact])).stdout).toContain('micro F1');
  });

  it('is learnt, kept by the adapters and by int8, and scored alike by every command', async () => {
    const { paths, teacher, small, int8 } = way;
    expect(teacher.microF1).toBeGreaterThan(0.95);
    expect(small.teacherMicroF1).toBe(teacher.microF1);
    expect(small.microF1).toBeGreaterThan(0.95);
    const judged = await slimJson(['evaluate', paths.artifact, '--data', file]);
    expect(judged).toMatchObject({ microF1: int8.microF1, samples: teacher.samples });
    expect(judged.meanAveragePrecision).toBeGreaterThan(0.95);
    expect((judged.labels as { label: string }[]).map(({ label }) => label)).toEqual(['blue', 'green', 'red']);
    expect(await slimJson(['bench', 'agreement', '--model', paths.small, '--data', file])).toMatchObject({
      microF1: { f32: small.microF1, int8: int8.microF1 },
      agreement: expect.any(Number),
    });
  });

  it('judges a file of its own whole, and of its training data what was held out', async () => {
    const { paths } = way;
    const test = work.path('colours-test.jsonl');
    writeSentences(test, 4, 30, (one) => JSON.stringify(one));
    for (const model of [paths.small, paths.artifact]) {
      expect((await slimJson(['evaluate', model, '--data', test])).samples).toBe(30);
      expect((await slimJson(['evaluate', model, '--data', file])).samples).toBe(80);
      expect((await slimJson(['evaluate', model, '--data', file, '--part', 'all'])).samples).toBe(400);
    }
    const copy = work.path('elsewhere.jsonl');
    writeFileSync(copy, readFileSync(file));
    expect((await slimJson(['evaluate', paths.artifact, '--data', copy])).samples).toBe(80);
    expect(await slim(['evaluate', paths.artifact, '--data', test, '--part', 'train'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the model was trained on nothing of'),
    });
  });

  it('answers every label with its sigmoid, best first, as the Inference API does', async () => {
    const classifier = await openClassifier(way.paths.artifact);
    const app = createApp(classifier);
    const { body } = await post(app, '/v1/predict', { inputs: 'a red and blue house' });
    const { predictions } = body as { predictions: { label: string; score: number }[] };
    expect(
      predictions
        .slice(0, 2)
        .map(({ label }) => label)
        .sort(),
    ).toEqual(['blue', 'red']);
    expect(predictions.map(({ score }) => Math.round(score))).toEqual([1, 1, 0]);
    const parameters = { function_to_apply: 'sigmoid', top_k: 1 };
    expect((await post(app, '/', { inputs: 'a red and blue house', parameters })).body).toEqual([[predictions[0]]]);
    expect((await post(app, '/', { inputs: 'x', parameters: { function_to_apply: 'softmax' } })).status).toBe(400);
    await classifier.close();
  });

  it('answers rows with a column of numbers for each label, in Parquet, too', async () => {
    const [input, output] = [work.path('rows.jsonl'), work.path('rows.parquet')];
    writeFileSync(input, '{"text":"a red house","red":"before"}\n{"text":"a green and blue door"}\n');
    expect(await slim(['predict', way.paths.artifact, input, '--output', output])).toMatchObject({ code: 0 });
    const bytes = readFileSync(output);
    const rows = await parquetReadObjects({
      file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
    });
    const scores = rows.map((row) => WORDS.map((word) => row[`predicted_${word}`]));
    expect(scores).toEqual(scores.map((row) => row.map(() => expect.any(Number))));
    expect(scores.map((row) => row.map((score) => Math.round(score as number)))).toEqual([
      [1, 0, 0],
      [0, 1, 1],
    ]);
  });

  it('refuses data of another kind, and says which', async () => {
    const single = work.path('single.csv');
    writeFileSync(single, 'text,label\na red house,red\na blue house,blue\na red door,red\na blue door,blue\n');
    expect(await slim(['evaluate', way.paths.artifact, '--data', single])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('expected several labels a sample, got one'),
    });
    expect(await slim(['evaluate', way.paths.artifact, '--data', file, '--task', 'regression'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/expected a number as label/),
    });
    const mixed = ['train', '--model', way.paths.teacher, '--data', single, '--out', work.path('never')];
    expect(await slim([...mixed, '--task', 'single-label'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is a model for multi-label, and .* is read as data for single-label/),
    });
  });

  it('writes what it is most wrong about as a table', async () => {
    const wrong = work.path('wrong.jsonl');
    writeFileSync(
      wrong,
      `${JSON.stringify({ text: 'a "red" house', labels: ['blue'] })}\n${JSON.stringify({ text: 'a green house', labels: ['green'] })}\n`,
    );
    const csv = work.path('wrong.csv');
    await slimJson(['evaluate', way.paths.artifact, '--data', wrong, '--errors', csv]);
    const [header, first, ...rest] = readFileSync(csv, 'utf8').split('\n');
    expect(header).toBe('place,text,label,predicted,most_wrong,score');
    expect(first).toMatch(/^".*wrong.jsonl, line 1","a ""red"" house",blue,red,(red|blue),0\.\d{6}$/);
    expect(rest).toEqual(['']);
  });

  it('lists each label with the samples that have it, before training and in the result', () => {
    const { told, teacher } = way;
    const rows = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { labels: string[] });
    const classes = teacher.classes as { label: string; train: number; test: number }[];
    for (const { label, train, test } of classes)
      expect(train + test).toBe(rows.filter(({ labels }) => labels.includes(label)).length);
    const listed = classes.map(({ label, train, test }) => `${label} ${train} + ${test}`).join(', ');
    expect(listed).toMatch(/^blue \d+ \+ \d+, green \d+ \+ \d+, red/);
    expect(told).toContain(
      `3 labels, each with those that have it of 320 samples to train on + 80 to judge by: ${listed}.`,
    );
  });
});

describe('numbers', () => {
  const file = work.path('likeness.tsv');
  let way: Awaited<ReturnType<typeof wholeWay>>;
  beforeAll(async () => {
    // As STS-B: two sentences, and a number that grows with the words that are asked for.
    writeSentences(
      file,
      5,
      300,
      ({ text, labels }) => `${text}\t${text.split(' ')[0]}\t${(labels.length / 4).toFixed(3)}`,
    );
    writeFileSync(file, `sentence1\tsentence2\tscore\n${readFileSync(file, 'utf8')}`);
    way = await wholeWay('likeness', file);
  }, 240_000);

  it('are told by their fractions, said before training starts, and kept by config.json and artifact', async () => {
    const { paths, told } = way;
    expect(told).toMatch(/fine-tuning bert-pico on .*likeness.tsv \(\d+ texts, a number\)/);
    expect(told).toMatch(/Pearson -?0\.\d{4}/);
    expect(told).toMatch(
      /note: score: the least, the mean and the largest are 0, 0\.\d+, 0\.75 to train on, 0, 0\.\d+, 0\.75 to judge by\./,
    );
    expect(JSON.parse(readFileSync(`${paths.small}/config.json`, 'utf8'))).toMatchObject({
      problem_type: 'regression',
      id2label: { 0: 'score' },
    });
    expect(await slimJson(['inspect', paths.artifact])).toMatchObject({ problemType: 'regression', labels: ['score'] });
  });

  it('are learnt, and told with their correlations and error', async () => {
    const { paths, teacher, small, int8 } = way;
    expect(teacher.pearson).toBeGreaterThan(0.9);
    expect(small.teacherPearson).toBe(teacher.pearson);
    expect(small.pearson).toBeGreaterThan(0.9);
    const judged = await slimJson(['evaluate', paths.artifact, '--data', file]);
    expect(judged.pearson).toBeCloseTo(int8.pearson as number, 9);
    expect(judged.spearman).toBeGreaterThan(0.85);
    expect(judged.rmse).toBeLessThan(0.2);
    const agreement = await slimJson(['bench', 'agreement', '--model', paths.small, '--data', file]);
    expect(agreement.agreement).toBeGreaterThan(0.99);
  });

  it('are judged on whole numbers, too, where the model answers numbers', async () => {
    const whole = work.path('whole.tsv');
    writeFileSync(whole, 'sentence1\tsentence2\tscore\na house\ta\t0\nred green\tred\t3\nred green blue\tred\t4\n');
    const judged = await slimJson(['evaluate', way.paths.artifact, '--data', whole]);
    expect(judged).toMatchObject({ problemType: 'regression', samples: 3 });
  });

  it('are answered as they are, whatever top_k is', async () => {
    const classifier = await openClassifier(way.paths.artifact);
    const app = createApp(classifier);
    const inputs = { text: 'red a green big blue door', text_pair: 'red' };
    const [[{ label, score }]] = (await post(app, '/', { inputs, parameters: { top_k: 1 } })).body as {
      label: string;
      score: number;
    }[][];
    expect(label).toBe('score');
    expect(score).not.toBe(1); // as a softmax of one logit is
    const ask = ['predict', way.paths.artifact, '--text', inputs.text, '--text-pair', inputs.text_pair];
    expect((await slimJson(ask)).predictions).toEqual([{ label, score }]);
    expect((await slim(ask)).stdout).toContain(`score  ${score}`);
    expect(await (await app.request('/v1/model')).json()).toMatchObject({ problemType: 'regression' });
    const alone = await post(app, '/', { inputs: inputs.text });
    expect(alone).toMatchObject({ status: 422, body: { code: 'missing-pair' } });
    await classifier.close();
  });

  it('of a text alone are not made up by a model of pairs, and are not ranked', async () => {
    const wanted = 'trained on pairs';
    const { code, stderr } = await slim(['predict', way.paths.artifact, '--text', 'red']);
    expect([code, stderr]).toEqual([1, expect.stringContaining(wanted)]);
    const ranked = await slim(['predict', way.paths.artifact, file, '--top-k', '2']);
    expect([ranked.code, ranked.stderr]).toEqual([2, expect.stringContaining('--top-k ranks classes')]);
    const single = work.path('single.tsv');
    writeFileSync(single, 'text\tscore\nred\t0.5\ngreen\t0.25\n');
    for (const model of [way.paths.small, way.paths.artifact]) {
      const judged = await slim(['evaluate', model, '--data', single]);
      expect([judged.code, judged.stderr]).toEqual([1, expect.stringContaining(wanted)]);
    }
  });
});

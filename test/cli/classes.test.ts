/** What is said of classes where a model is trained and judged, and whose are whose. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { slim, slimJson, workFolder } from '../support/cli.ts';
import { itWith, shared } from '../support/shared.ts';

const work = workFolder();
const teacher = work.path('teacher');
const named = work.path('named.csv');
const numbered = work.path('numbered.csv');
const training = ['--threads', '1', '--steps', '2', '--max-tokens', '16'];
const words = ['good film', 'fine film', 'bad film', 'dull film', 'warm film', 'weak film'];

function table(path: string, labels: readonly [string, string], rows: number): void {
  const lines = Array.from({ length: rows }, (_, i) => `${words[i % 6]} number ${i},${labels[i % 2]}`);
  writeFileSync(path, ['text,label', ...lines].join('\n'));
}

beforeAll(async () => {
  table(named, ['neg', 'pos'], 24);
  table(numbered, ['0', '1'], 24);
  const finetune = ['finetune', '--model', 'bert-pico', '--vocabulary-size', '300', ...training];
  await slimJson([...finetune, '--data', named, '--batch-size', '8', '--out', teacher]);
});
afterAll(() => work.remove());

it('classes and their samples are listed before training, and are in the result; a batch is no larger than the data', async () => {
  const path = work.path('uneven.csv');
  const lines = Array.from({ length: 14 }, (_, i) => `${words[i % 6]} ${i},${i < 2 ? 'pos' : 'neg'}`);
  writeFileSync(path, ['text,label', ...lines].join('\n'));
  const args = ['finetune', '--model', 'bert-pico', '--vocabulary-size', '300', ...training, '--data', path];
  const { code, stdout, stderr } = await slim([...args, '--out', work.path('uneven')]);
  expect(code).toBe(0);
  expect(stderr).toContain('note: 2 classes, each with its samples to train on + to judge by: neg 10 + 2, pos 1 + 1.');
  expect(stderr).toContain('note: The classes are uneven: neg has 10 samples to train on, pos has 1.');
  expect(stderr).toContain('note: A batch is all 11 training samples: the data has fewer than --batch-size 32.');
  expect(stdout).toMatch(/on 3 samples \(always neg: 66.67 %\), in/);
  const result = await slimJson([...args, '--out', work.path('uneven2')]);
  expect(result.classes).toEqual([
    { label: 'neg', train: 10, test: 2 },
    { label: 'pos', train: 1, test: 1 },
  ]);
});

describe('labels that are numbers', () => {
  it('are places in the list of the model that is judged, which is said', async () => {
    const judged = await slimJson(['evaluate', teacher, '--data', named, '--threads', '1']);
    const { code, stdout, stderr } = await slim(['evaluate', teacher, '--data', numbered, '--threads', '1', '--json']);
    expect(code).toBe(0);
    expect(stderr).toContain("they are taken for places in the model's list: 0 is neg, 1 is pos.");
    expect(JSON.parse(stdout)).toMatchObject({ accuracy: judged.accuracy, samples: judged.samples });
  });

  it('leave a student the names of its teacher', async () => {
    const out = work.path('student');
    const args = ['train', '--model', teacher, '--data', numbered, '--rank', '2', '--batch-size', '8', ...training];
    await slimJson([...args, '--out', out]);
    const { id2label } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as { id2label: unknown };
    expect(id2label).toEqual({ 0: 'neg', 1: 'pos' });
  });
});

describe('--labels', () => {
  const swapped = (): string => {
    const path = work.path('swapped.json');
    writeFileSync(path, '{"0": "pos", "1": "neg"}');
    return path;
  };

  it('says which is which, to all that compare', async () => {
    const judge = async (data: string, ...more: string[]): Promise<number> =>
      (await slimJson(['evaluate', teacher, '--data', data, '--part', 'all', '--threads', '1', ...more]))
        .accuracy as number;
    const accuracy = await judge(named);
    expect(await judge(numbered, '--labels', swapped())).toBeCloseTo(1 - accuracy, 10);
    const quantized = await slimJson([
      'quantize',
      teacher,
      '--data',
      numbered,
      '--labels',
      swapped(),
      '--out',
      work.path('int8'),
    ]);
    expect(quantized.accuracy).toBeTypeOf('number');
    const agreement = await slimJson([
      'bench',
      'agreement',
      '--model',
      teacher,
      '--data',
      numbered,
      '--labels',
      swapped(),
      '--part',
      'all',
    ]);
    expect((agreement.accuracy as { f32: number }).f32).toBeCloseTo(1 - accuracy, 10);
  });

  it('turns the head of a student with it', async () => {
    const out = work.path('turned');
    const args = ['train', '--model', teacher, '--data', numbered, '--rank', '2', '--batch-size', '8', ...training];
    const { teacherAccuracy } = await slimJson([...args, '--labels', swapped(), '--out', out]);
    const { accuracy } = await slimJson([
      'evaluate',
      teacher,
      '--data',
      numbered,
      '--labels',
      swapped(),
      '--threads',
      '1',
    ]);
    expect(teacherAccuracy).toBe(accuracy);
    const { id2label } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as { id2label: unknown };
    expect(id2label).toEqual({ 0: 'pos', 1: 'neg' });
  });

  it('is asked for where classes are not known', async () => {
    const path = work.path('other.csv');
    table(path, ['x', 'y'], 8);
    const { code, stderr } = await slim(['evaluate', teacher, '--data', path, '--threads', '1']);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /does not know the data's classes x \(4 samples\), y \(4 samples\): 2 of 2\n.*--labels FILE/,
      ),
    ]);
  });
});

const model = shared('models/minilm-l6-sst2');
const sst2 = shared('data/sst2/test.tsv');
itWith([model, sst2], "SST-2's 0 and 1 are the negative and positive of a model of its own names", async () => {
  const some = work.path('sst2.tsv');
  writeFileSync(some, readFileSync(sst2.path(), 'utf8').split('\n').slice(0, 101).join('\n'));
  const { code, stdout, stderr } = await slim(['evaluate', model.path(), '--data', some, '--part', 'all', '--json']);
  expect([code, stderr]).toEqual([0, expect.stringMatching(/0 is negative, 1 is positive/i)]);
  const { accuracy, samples } = JSON.parse(stdout) as { accuracy: number; samples: number };
  // Of all 1,821 it knows 89.73 %; the other way round it would know a tenth.
  expect([samples, accuracy > 0.8]).toEqual([100, true]);
});

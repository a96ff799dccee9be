/** --cache through the command line: what is trained and judged is the same, and pictures are decoded once. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  slim,
  slimJson,
  workFolder,
  writePictures,
  writeReviews,
  writeTinyBert,
  writeTinyModel,
} from '../support/cli.ts';

const work = workFolder();
const model = work.path('model');
const pictures = work.path('pictures');
const cache = work.path('cache');
const training = ['--threads', '1', '--batch-size', '8', '--learning-rate', '0.01'];
const teacher = [
  'finetune',
  '--model',
  model,
  '--data',
  pictures,
  ...training,
  '--steps',
  '8',
  '--evaluate-every',
  '4',
];

beforeAll(async () => {
  await writeTinyModel(model);
  await writePictures(pictures);
});
afterAll(() => work.remove());

const weights = (run: string, name: string): Buffer => readFileSync(join(work.path(run), name));

describe('--cache', () => {
  it.each(['flip,shift:2', 'crop:0.5'])('trains to the weights that it does without, --augment %s', async (augment) => {
    const flags = [...teacher, '--augment', augment, '--overwrite', '--out'];
    const plain = await slimJson([...flags, work.path('plain')]);
    const first = await slim([...flags, work.path('first'), '--cache', cache]);
    expect(first.stderr).toContain('pictures decoded');
    expect(first.stderr).toMatch(
      /^note: The cache .+\.pictures keeps 48 pictures decoded( and fitted)?, in 0\.04 MB\.$/m,
    );
    const second = await slim([...flags, work.path('second'), '--cache', cache, '--json']);
    expect(second.stderr).not.toMatch(/decoded|The cache/);
    expect(JSON.parse(second.stdout)).toEqual({ ...plain, run: work.path('second'), dataShare: expect.any(Number) });
    for (const run of ['first', 'second'])
      expect(weights(run, 'model.safetensors').equals(weights('plain', 'model.safetensors'))).toBe(true);
  });

  it('is shared by the teacher, its student and their judge, and --resume may leave it out', async () => {
    const before = readdirSync(cache);
    const flags = [
      'train',
      '--model',
      work.path('plain'),
      '--data',
      pictures,
      ...training,
      '--rank',
      '4',
      '--steps',
      '12',
    ];
    const run = ['--evaluate-every', '4', '--out'];
    await slimJson([...flags, ...run, work.path('unbroken')]);
    const stop = new AbortController();
    const onStderr = (text: string): void => {
      if (/^(step|eval)/.test(text)) stop.abort();
    };
    const interrupted = await slim([...flags, ...run, work.path('small'), '--cache', cache], {
      signal: stop.signal,
      onStderr,
    });
    expect([interrupted.code, interrupted.stderr.includes('pictures decoded')]).toEqual([130, false]);
    await slimJson([...flags, ...run, work.path('small'), '--resume']);
    expect(weights('small', 'weights.safetensors').equals(weights('unbroken', 'weights.safetensors'))).toBe(true);
    const judged = ['evaluate', work.path('small'), '--data', pictures];
    expect(await slimJson([...judged, '--cache', cache])).toEqual(await slimJson(judged));
    expect(readdirSync(cache)).toEqual(before);
  });

  it('says that it is of no use for pictures that are drawn', async () => {
    const flags = ['finetune', '--model', 'vit-pico', '--data', 'glyphs:32', ...training, '--steps', '1'];
    const { code, stderr } = await slim([...flags, '--out', work.path('glyphs'), '--cache', work.path('none')]);
    expect([code, stderr.match(/note: --cache is of no use here/g)?.length]).toEqual([0, 1]);
  });

  it('is refused for texts', async () => {
    await writeReviews(work.path('reviews'));
    await writeTinyBert(work.path('bert'), ['a film']);
    const flags = ['finetune', '--model', work.path('bert'), '--data', work.path('reviews'), '--steps', '1'];
    const { code, stderr } = await slim([...flags, '--out', work.path('texts'), '--cache', cache]);
    expect([code, stderr.split('\n').find((line) => line.startsWith('error'))]).toEqual([
      2,
      'error: --cache is for pictures, and the data holds texts',
    ]);
  });
});

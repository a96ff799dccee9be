/** `slim train --fuse-qkv`, from the run to what answers. */
import { readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../runtime/artifact/safetensors.ts';
import {
  readRecord,
  slim,
  slimJson,
  TINY_LABELS,
  workFolder,
  writePictures,
  writeReviews,
  writeTinyBert,
  writeTinyModel,
} from '../support/cli.ts';

const work = workFolder();
const data = ['--data', work.path('pictures')];
const steps = ['--threads', '1', '--batch-size', '8', '--steps', '10', '--evaluate-every', '5'];
const command = ['train', '--model', work.path('model'), ...data, ...steps, '--fuse-qkv'];
const train = (name: string, ...flags: string[]) => slimJson([...command, ...flags, '--out', work.path(name)]);

interface Recorded {
  readonly compression: { readonly rank: number; readonly ranks: Readonly<Record<string, number>> };
  readonly costs: Record<'teacher' | 'model', { readonly blocks: { readonly parameters: number } }>;
}
const recordOf = (name: string) => readRecord(work.path(name)) as unknown as Recorded;
const namesOf = (name: string, file = 'weights.safetensors') => [
  ...readSafetensors(readFileSync(work.path(name, file))).tensors.keys(),
];

beforeAll(async () => {
  await writeTinyModel(work.path('model'), TINY_LABELS, { width: 32 });
  await writePictures(work.path('pictures'));
});
afterAll(() => work.remove());

describe('a run', () => {
  it('keeps one A a block, and says what that costs', async () => {
    await train('run', '--rank', '4');
    const names = namesOf('run');
    expect(names.filter((name) => /\.(query|key|value|qkv)\.loraA$/.test(name))).toEqual([
      'block.0.qkv.loraA',
      'block.1.qkv.loraA',
    ]);
    const { compression, costs } = recordOf('run');
    const ranked = ['qkv', 'attention', 'up', 'down'];
    expect(compression.ranks).toEqual(
      Object.fromEntries([0, 1].flatMap((i) => ranked.map((name) => [`block.${i}.${name}`, 4]))),
    );
    // A (4, 32) and three B (32, 4); another of each; up and down; C; two norms.
    const block = 4 * 32 * (1 + 3) + 4 * 32 * 2 + 2 * 4 * (32 + 64) + (5 * 32 + 64) + 2 * 64;
    expect(costs.model.blocks.parameters).toBe(2 * block);
  });

  it.each(['int8', 'int4'])('answers in %s as its artifact does', async (weights) => {
    await slimJson(['quantize', work.path('run'), ...data, '--weights', weights, '--out', work.path(weights)]);
    const file = work.path(`${weights}.slim`);
    await slimJson(['pack', work.path(weights), '--out', file]);
    const { accuracy } = await slimJson(['evaluate', file, ...data]);
    const { accuracy: stages } = readRecord(work.path(weights)) as { accuracy: { accuracy: number }[] };
    expect(accuracy).toBe(stages.at(-1)!.accuracy);
  });

  it('in f32 disagrees with its artifact on nothing', async () => {
    const file = work.path('f32.slim');
    await slimJson(['pack', work.path('run'), '--out', file]);
    const [before, after] = await Promise.all(
      [work.path('run'), file].map((model) => slimJson(['evaluate', model, ...data])),
    );
    expect(after.accuracy).toBe(before.accuracy);
  });

  it('goes on where it was interrupted, and only with the flag', async () => {
    const broken = [...command, '--rank', '4', '--out', work.path('broken')];
    const interrupt = new AbortController();
    const { code } = await slim(broken, {
      signal: interrupt.signal,
      onStderr: (text) => text.includes('step 5/10') && interrupt.abort(),
    });
    expect(code).toBe(130);
    const without = await slim([...broken.filter((flag) => flag !== '--fuse-qkv'), '--resume']);
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('--resume: fuseQkv was true')]);
    await slimJson([...broken, '--resume']);
    const [one, other] = ['run', 'broken'].map((name) => readFileSync(work.path(name, 'weights.safetensors')));
    expect(other.equals(one)).toBe(true);
  });
});

it.each([
  ['svd', []],
  ['scratch', []],
  ['theseus', ['--decay-end', '0.5']],
  ['pclora', ['--init', 'activation', '--qat', '0.3', '--decay-end', '0.4', '--relation-loss', '0.5']],
  [
    'pclora',
    ['--init', 'paper', '--augment', 'none', '--cache-teacher', work.path('teacher'), '--layer-rank', 'qkv=6'],
  ],
])('--method %s %j shares A', async (method, flags) => {
  const name = [method, ...flags].join('').replaceAll('/', '');
  await train(name, '--rank', '4', '--method', method, ...flags);
  expect(namesOf(name)).toContain('block.1.qkv.loraA');
  expect(recordOf(name).compression.ranks['block.0.qkv']).toBe(flags.includes('qkv=6') ? 6 : 4);
});

it('--method lora merges it, into a model of full size', async () => {
  const { accuracy } = await train('lora', '--rank', '4', '--method', 'lora');
  expect(namesOf('lora', 'model.safetensors').sort()).toEqual(
    [...readSafetensors(readFileSync(work.path('model', 'model.safetensors'))).tensors.keys()].sort(),
  );
  expect((await slimJson(['evaluate', work.path('lora'), ...data])).accuracy).toBe(accuracy);
});

it.each([
  ['uniform', 'parameters'],
  ['energy', 'macs'],
  ['gradient', 'parameters'],
])('%s ranks land on a target of %s', async (allocation, of) => {
  await train(allocation, `--target-${of}`, '40%', '--rank-allocation', allocation);
  const { compression, costs } = recordOf(allocation) as unknown as Recorded & {
    costs: Record<'teacher' | 'model', { blocks: Record<string, number> }>;
  };
  expect(Object.keys(compression.ranks)).toHaveLength(8);
  const left = costs.model.blocks[of] / costs.teacher.blocks[of];
  expect(left).toBeLessThanOrEqual(0.4);
  expect(left).toBeGreaterThan(0.38);
});

it('different ranks for query, key and value are refused', async () => {
  const { code, stderr } = await slim([...command, '--layer-rank', 'key=2', '--rank', '4', '--out', work.path('none')]);
  expect([code, stderr]).toEqual([2, expect.stringContaining('with --fuse-qkv they share A, and so one rank')]);
});

it('a text model as small as is asked for answers in its artifact as in its run', async () => {
  const texts = ['--data', work.path('reviews')];
  writeReviews(work.path('reviews'), { train: 64, validation: 32 });
  await writeTinyBert(work.path('bert'), ['a fine film', 'a dull film'], { labels: ['neg', 'pos'] });
  const [run, int8, file] = ['text', 'text8', 'text.slim'].map((name) => work.path(name));
  const flags = ['--max-tokens', '32', '--fuse-qkv', '--target-size', '150kB'];
  await slimJson(['train', '--model', work.path('bert'), ...texts, ...steps, ...flags, '--out', run]);
  await slimJson(['quantize', run, ...texts, '--out', int8]);
  await slimJson(['pack', int8, '--out', file]);
  const { size } = statSync(file);
  expect(size).toBeLessThanOrEqual(150_000);
  expect(size).toBeGreaterThan(0.98 * 150_000);
  const [inRun, inFile] = await Promise.all([int8, file].map((model) => slimJson(['evaluate', model, ...texts])));
  expect(inFile.accuracy).toBe(inRun.accuracy);
});

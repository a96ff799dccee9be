/** `slim train --target-size` against the files that `slim pack` really makes of what it leaves. */
import { statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../../runtime/random.ts';
import {
  readRecord,
  review,
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
const common = ['--threads', '1', '--batch-size', '8', '--steps', '2', '--evaluate-every', '2'];
const pictures = ['--model', work.path('vit'), '--data', work.path('pictures'), ...common];
const texts = ['--model', work.path('bert'), '--data', work.path('reviews'), '--max-tokens', '32', ...common];

beforeAll(async () => {
  await writeTinyModel(work.path('vit'), TINY_LABELS, { width: 128 });
  await writePictures(work.path('pictures'));
  const source = random(5);
  // More words than the reviews use.
  const words = Array.from({ length: 400 }, (_, i) => `${review(i % 2, source)} word${i}`);
  await writeTinyBert(work.path('bert'), words, { labels: ['neg', 'pos'] });
  writeReviews(work.path('reviews'), { train: 64, validation: 32 });
});
afterAll(() => work.remove());

/** Trains with these flags, quantizes and packs. Returns the file's size. */
async function packed(name: string, flags: readonly string[], data: readonly string[] = []): Promise<number> {
  const [run, int8, file] = ['', '-int8', '.slim'].map((suffix) => work.path(`${name}${suffix}`));
  await slimJson(['train', ...flags, '--out', run]);
  await slimJson(['quantize', run, ...data, '--out', int8]);
  await slimJson(['pack', int8, '--out', file]);
  return statSync(file).size;
}

describe('the file is at most as large as was asked for, and at most 2 % smaller', () => {
  it.each([
    ['pictures', pictures, 150_000, []],
    ['pictures, spread by energy', pictures, 110_000, ['--rank-allocation', 'energy']],
    ['texts', texts, 200_000, []],
    ['texts with their words at rank 16', texts, 150_000, ['--embedding-rank', '16', '--lora-alpha', '7']],
    ['texts with the words that are used', texts, 160_000, ['--prune-vocabulary']],
  ])('of %s', async (name, flags, bytes, extra) => {
    const data = ['--data', flags[3]];
    const size = await packed(
      `sized ${name}`.replaceAll(' ', '-'),
      [...flags, ...extra, '--target-size', `${bytes}`],
      data,
    );
    expect(size).toBeLessThanOrEqual(bytes);
    expect(size).toBeGreaterThan(0.98 * bytes);
  });
});

it('of what is not reached says how small it gets, and by which flags', async () => {
  const { code, stderr } = await slim(['train', ...texts, '--target-size', '40kB', '--out', work.path('none')]);
  expect(code).toBe(2);
  const [, smallest] = /--target-size 40\.0 kB can't be reached: at rank 1 the int8 artifact takes ([\d.]+) kB/.exec(
    stderr,
  )!;
  const told = [...stderr.matchAll(/([\d.]+) kB with (--[a-z -]+\d*)/g)].map(
    ([, size, flag]) => [flag.trim(), Number(size)] as const,
  );
  expect(told.map(([flag]) => flag)).toEqual([
    expect.stringMatching(/^--embedding-rank \d+$/),
    '--prune-vocabulary',
    expect.stringMatching(/^--prune-vocabulary --embedding-rank \d+$/),
  ]);
  // What is told is what comes of these flags, at rank 1 everywhere.
  for (const [flag, size] of [['', Number(smallest)] as const, ...told]) {
    const made = await packed(`least${flag.replaceAll(' ', '')}`, [
      ...texts,
      '--rank',
      '1',
      ...flag.split(' ').filter(Boolean),
    ]);
    expect(made / 1000, flag).toBeLessThanOrEqual(size + 0.05);
    expect(made / 1000, flag).toBeGreaterThan(0.98 * size);
  }
  const pictured = await slim(['train', ...pictures, '--target-size', '10kB', '--out', work.path('none')]);
  expect([pictured.code, pictured.stderr]).toEqual([2, expect.stringMatching(/takes [\d.]+ kB\n.*Ask for more\./)]);
});

it('is refused beside ranks and other targets, and where it is no size', async () => {
  for (const [extra, why] of [
    [['--target-size', '1MB', '--rank', '4'], "cannot be used with option '--rank <r>'"],
    [['--target-size', '1MB', '--target-macs', '5%'], "cannot be used with option '--target-macs <share>'"],
    [['--target-size', 'small'], 'Expected a size, such as 4MB or 800kB.'],
    [['--target-size', '0'], 'Expected a size, such as 4MB or 800kB.'],
    [['--target-size', '4 parsecs'], 'Expected a size, such as 4MB or 800kB.'],
  ] as const)
    expect((await slim(['train', ...pictures, ...extra, '--out', work.path('none')])).stderr).toContain(why);
});

it('takes units of thousands and of 1,024, and records bytes', async () => {
  const out = work.path('units');
  await slimJson(['train', ...pictures, '--target-size', '0.15 MiB', '--out', out]);
  expect((readRecord(out).configuration as Record<string, unknown>).targetSize).toBe(157_286);
});

/** `slim bench input`: what it measures, and that nothing is left of it. Times are not judged. */
import { readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { picturePool } from '../../cli/data/picture-pool.ts';
import { slim, slimJson, workFolder, writeTinyBert } from '../support/cli.ts';

const work = workFolder();
let next = 0;

afterAll(async () => {
  await picturePool(1).close();
  work.remove();
});

describe('slim bench input', () => {
  type Part = { meanMs: number; medianMs: number };
  type Told = { parts: Record<string, Part>; picturesPerSecond: number; cached: Told | null } & Record<string, unknown>;
  const expectTimes = (parts: Record<string, Part>, names: readonly string[]): void => {
    expect(Object.keys(parts).sort()).toEqual([...names].sort());
    for (const { meanMs, medianMs } of Object.values(parts)) expect(Math.min(meanMs, medianMs)).toBeGreaterThan(0);
  };
  const flags = ['--samples', '6', '--batch-size', '4', '--workers', '1', '--image-size', '32'];

  it('makes pictures, and measures them from files and from a cache, of which nothing is left', async () => {
    const cache = work.path(`cache-${next++}`);
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('slim-input-'));
    const told = (await slimJson(['bench', 'input', ...flags, '--cache', cache])) as Told;
    expect(told).toMatchObject({
      ...{ version: 1, data: null, kind: 'image', size: { height: 32, width: 32 }, augment: 'flip', batchSize: 4 },
      ...{ workers: 1, pictures: 6, node: process.version },
    });
    expectTimes(told.parts, ['read', 'decode', 'resize', 'augment', 'assemble']);
    expectTimes(told.cached!.parts, ['read', 'augment', 'assemble']);
    expect(told.cached!.bytes).toBeGreaterThan(6 * 32 * 32 * 3);
    expect(told.cached!.bytes).toBeLessThan(6 * 32 * 32 * 3 + 1000);
    expect(Math.min(told.picturesPerSecond, told.cached!.picturesPerSecond)).toBeGreaterThan(0);
    expect(readdirSync(cache)).toEqual([]);
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('slim-input-'))).toEqual(before);
  });

  it('resizes windows of whole pictures where they are cropped at random', async () => {
    const told = (await slimJson([
      'bench',
      'input',
      ...flags,
      '--augment',
      'crop:0.5',
      '--cache',
      work.path(`cache-${next++}`),
    ])) as Told;
    expectTimes(told.cached!.parts, ['read', 'resize', 'augment', 'assemble']);
    expect(told.cached!.bytes).toBeGreaterThan(6 * 500 * 375 * 3);
    expect(told.cached!.bytes).toBeLessThan(6 * 500 * 375 * 3 + 1000);
  });

  it('reads and decodes nothing of pictures that are drawn', async () => {
    const drawn = ['--data', 'glyphs:20', '--batch-size', '8', '--cache', work.path(`cache-${next++}`)];
    const { stdout, stderr } = await slim(['bench', 'input', ...drawn]);
    expect(stderr).toContain('note: --cache is of no use here');
    expect(stdout).toMatch(/^glyphs:20: 20 pictures to 224×224, --augment flip, batches of 8, /);
    expect(stdout).toMatch(/^ {2}decode +-$/m);
  });

  it('reads, tokenizes and batches texts', async () => {
    const folder = work.path('bert');
    await writeTinyBert(folder, ['some words 0 1 2 3 4']);
    const data = work.path('texts.csv');
    writeFileSync(data, `text,label\n${Array.from({ length: 40 }, (_, i) => `some words ${i},${i % 2}\n`).join('')}`);
    const told = await slimJson(['bench', 'input', '--data', data, '--model', folder, '--samples', '30']);
    expect(told).toMatchObject({ version: 1, data, kind: 'text', model: folder, texts: 30, batchSize: 64 });
    expectTimes(told.parts as Record<string, Part>, ['read', 'tokenize', 'assemble']);
    const { code, stderr } = await slim(['bench', 'input', '--data', data]);
    expect([code, stderr.split('\n')[0]]).toEqual([
      2,
      'error: --model is missing: texts are tokenized as a model takes them',
    ]);
    const cached = await slim([
      'bench',
      'input',
      '--data',
      data,
      '--model',
      folder,
      '--cache',
      work.path(`cache-${next++}`),
    ]);
    expect([cached.code, cached.stderr.split('\n')[0]]).toEqual([
      2,
      'error: --cache is for pictures, and the data holds texts',
    ]);
  });
});

/** What distillation takes beside labelled samples, in whole runs: samples without labels, and a teacher that is kept. */
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  readMetrics,
  readRecord,
  slim,
  slimJson,
  workFolder,
  writePictures,
  writeReviews,
  writeTinyBert,
  writeTinyModel,
} from '../support/cli.ts';

const work = workFolder();
const texts = work.path('reviews');
const pictures = work.path('pictures');
const common = [
  ...['--threads', '1', '--batch-size', '8', '--evaluate-every', '100', '--learning-rate', '0.01', '--rank', '4'],
  ...['--decay-end', '0.5'],
];
const ofTexts = ['train', '--model', work.path('bert'), '--data', texts, '--max-tokens', '24', ...common];
const ofPictures = ['train', '--model', work.path('vit'), '--data', pictures, ...common];

/** Texts that nobody labelled, one of which judges. */
const UNLABELLED = Array.from({ length: 21 }, (_, i) => `what ${i % 2 ? 'a good' : 'a bad'} thing number ${i} is`);

beforeAll(async () => {
  writeReviews(texts);
  await writePictures(pictures);
  await writeTinyModel(work.path('vit'));
  await writeTinyBert(work.path('bert'), UNLABELLED, { labels: ['neg', 'pos'] });
  writeFileSync(work.path('unlabelled.csv'), `text,stars\n${UNLABELLED.map((text, i) => `${text},${i}`).join('\n')}\n`);
});
afterAll(() => work.remove());

const weights = (run: string): Buffer =>
  readFileSync(
    join(run, readdirSync(run).find((name) => name.endsWith('.safetensors') && !name.startsWith('checkpoint'))!),
  );

describe('--unlabelled', () => {
  it('gives texts to the feature and logit terms, and none to the task', async () => {
    const out = work.path('mixed');
    const flags = ['--unlabelled', work.path('unlabelled.csv'), '--logit-loss', '0.5', '--epochs', '2'];
    await slimJson([...ofTexts, ...flags, '--out', out]);
    const steps = readMetrics(out).filter(({ loss }) => loss !== undefined);
    const labelled = steps.filter(({ task }) => task !== undefined);
    const without = steps.filter(({ task }) => task === undefined);
    // 21 texts without labels are two batches of 8 an epoch.
    expect(without).toHaveLength(4);
    expect(labelled.length).toBe(steps.length - 4);
    for (const { loss, task = 0, feature = 0, logit = 0 } of steps)
      expect(loss).toBeCloseTo(0.2 * task + 0.8 * feature + 0.5 * logit, 5);
    expect(readRecord(out)).toMatchObject({ configuration: { unlabelled: work.path('unlabelled.csv') } });
  });

  it('takes pictures of a folder, whatever lies around them', async () => {
    const out = work.path('mixed-pictures');
    const found = await slim([...ofPictures, '--unlabelled', pictures, '--epochs', '1', '--out', out]);
    expect([found.code, found.stderr]).toEqual([0, expect.any(String)]);
    const steps = readMetrics(out).filter(({ loss }) => loss !== undefined);
    expect(steps.some(({ task }) => task === undefined)).toBe(true);
    expect(steps.some(({ task }) => task !== undefined)).toBe(true);
  });

  it('says what it cannot use', async () => {
    const path = (name: string, content: string): string => {
      writeFileSync(work.path(name), content);
      return work.path(name);
    };
    const header = 'sentence1,sentence2\n';
    for (const [flags, said] of [
      [
        [...ofTexts, '--unlabelled', path('few.csv', 'text\none\ntwo\n')],
        'has 2 samples, which is less than one --batch-size 8',
      ],
      [[...ofTexts, '--unlabelled', path('none.csv', 'text\n')], 'none.csv has no texts'],
      [[...ofTexts, '--unlabelled', path('pairs.csv', `${header}a,b\n`)], 'is two texts, and a sample of'],
      [[...ofTexts, '--unlabelled', path('bad.jsonl', '{"text": 3}\n')], 'expected a text in text, got 3'],
      [[...ofTexts, '--unlabelled', work.path('nowhere.csv')], 'nowhere.csv'],
      [[...ofPictures, '--unlabelled', work.path('bert')], 'no pictures are found in'],
    ] as const) {
      const { code, stderr } = await slim([...flags, '--out', work.path('refused')]);
      expect([code > 0, stderr]).toEqual([true, expect.stringContaining(said)]);
    }
  });

  it('leaves out what is bad with --skip-bad, and tells of texts that judge', async () => {
    const test = readdirSync(texts).find((name) => name.startsWith('validation'))!;
    const judging = (JSON.parse(readFileSync(join(texts, test), 'utf8').split('\n')[0]) as { text: string }).text;
    const rows = [...UNLABELLED, judging].map((text) => JSON.stringify({ text }));
    writeFileSync(work.path('some.jsonl'), `${[...rows, '{"text": null}'].join('\n')}\n`);
    const flags = ['--unlabelled', work.path('some.jsonl'), '--skip-bad', '--steps', '2', '--overwrite'];
    const { code, stderr } = await slim([...ofTexts, ...flags, '--out', work.path('mixed')]);
    expect([code, stderr]).toEqual([0, expect.stringContaining('some.jsonl: 1 text that can')]);
    expect(stderr).toContain('1 text of');
    expect(stderr).toContain('is among those that judge, too');
  });
});

describe('--cache-teacher', () => {
  const kept = work.path('kept');
  const files = (): readonly string[] => readdirSync(kept).map((name) => join(kept, name));

  it.each([
    ['texts', [...ofTexts, '--unlabelled', work.path('unlabelled.csv'), '--logit-loss', '0.5']],
    ['pictures', [...ofPictures, '--augment', 'none', '--accumulate', '2']],
  ])('trains on %s as the teacher itself does', async (what, command) => {
    const [computed, cached, again] = ['computed', 'cached', 'again'].map((name) => work.path(`${what}-${name}`));
    const run = (out: string, ...flags: string[]) => slim([...command, '--steps', '12', '--out', out, ...flags]);
    await run(computed);
    const first = await run(cached, '--cache-teacher', kept);
    expect([first.code, first.stderr]).toEqual([0, expect.stringContaining('keeps what the teacher says')]);
    const losses = (out: string) => readMetrics(out).flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
    // The teacher ran in other batches: its numbers differ by rounding.
    losses(computed).forEach((loss, i) => expect(losses(cached)[i]).toBeCloseTo(loss as number, 4));
    const second = await run(again, '--cache-teacher', kept);
    expect(second.stderr).not.toContain('keeps what the teacher says');
    expect(weights(again).equals(weights(cached))).toBe(true);
  });

  it.each(['0', 'last'])('serves runs that compare blocks %s alone, out of the same file', async (blocks) => {
    const [computed, cached] = ['computed', 'cached'].map((name) => work.path(`blocks-${blocks}-${name}`));
    const flags = ['--augment', 'none', '--feature-blocks', blocks, '--logit-loss', '0', '--steps', '12'];
    await slimJson([...ofPictures, ...flags, '--out', computed]);
    const { stderr } = await slim([...ofPictures, ...flags, '--cache-teacher', kept, '--out', cached]);
    expect(stderr).not.toContain('keeps what the teacher says');
    const [given, found] = [computed, cached].map((out) =>
      readMetrics(out).flatMap(({ loss }) => (loss === undefined ? [] : [loss])),
    );
    expect(given.at(-1)).toBeGreaterThan(1e-3);
    given.forEach((loss, i) => expect(found[i]).toBeCloseTo(loss, 4));
  });

  it('makes a file for each teacher and data, and none that is not whole', async () => {
    expect(files()).toHaveLength(2);
    await slim([...ofTexts, '--steps', '2', '--cache-teacher', kept, '--out', work.path('other')]);
    expect(files()).toHaveLength(3);
    expect(files().every((file) => file.endsWith('.teacher'))).toBe(true);
  });

  it('leaves nothing half-written where it is interrupted, and clears away what a killed run left', async () => {
    const leftover = join(kept, `${'0'.repeat(32)}.teacher.00000000-1-00000000.tmp`);
    writeFileSync(leftover, 'half');
    utimesSync(leftover, new Date(0), new Date(0));
    const before = files().filter((file) => file !== leftover);
    const controller = new AbortController();
    const command = [...ofTexts, '--max-tokens', '20', '--steps', '2', '--cache-teacher', kept];
    const { code } = await slim([...command, '--out', work.path('stopped')], {
      signal: controller.signal,
      // Training samples are looked at after the teacher was judged.
      onStderr: (text) => text.includes('teacher: ') && controller.abort(),
    });
    expect(code).toBe(130);
    expect(files().filter((file) => file !== leftover)).toEqual(before);
    await slimJson([...command, '--out', work.path('stopped'), '--overwrite']);
    expect(files()).toHaveLength(before.length + 1);
  });

  it('refuses a file that is damaged, and says where', async () => {
    for (const file of files()) {
      const bytes = readFileSync(file);
      bytes[Math.floor(bytes.length / 2)] ^= 1;
      writeFileSync(file, bytes);
    }
    const command = [...ofTexts, '--epochs', '1', '--cache-teacher', kept, '--overwrite', '--out', work.path('other')];
    const damaged = await slim(command);
    expect([damaged.code, damaged.stderr]).toEqual([1, expect.stringMatching(/is damaged where it keeps sample \d+/)]);
    for (const file of files()) writeFileSync(file, readFileSync(file).subarray(0, statSync(file).size - 4));
    const short = await slim(command);
    expect([short.code, short.stderr]).toEqual([1, expect.stringMatching(/it has \d+ bytes, expected \d+/)]);
  });

  it('is refused where pictures change from epoch to epoch', async () => {
    const { code, stderr } = await slim([...ofPictures, '--cache-teacher', kept, '--out', work.path('refused')]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--augment flip (the default)')]);
  });
});

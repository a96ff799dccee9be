/** slim sweep, whose runs are processes of the built command line. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPlan } from '../../cli/sweep/plan.ts';
import { rowsOf } from '../../cli/sweep/rows.ts';
import { random } from '../../runtime/random.ts';
import { readMetrics, slim, slimJson, untimed, workFolder, writePictures, writeTinyModel } from '../support/cli.ts';
import { start } from '../support/process.ts';

const work = workFolder();
/** The same length, as artifacts tell where their run was. */
const [whole, broken] = [work.path('sweep-1'), work.path('sweep-2')];
const base = [
  ...['sweep', '--model', work.path('model'), '--data', work.path('pictures'), '--threads', '1', '--batch-size', '8'],
  ...['--steps', '40', '--evaluate-every', '8', '--learning-rate', '0.01'],
];
/** 6 runs. */
const sweep = [...base, '--ranks', '2,4,6', '--seeds', '1,2', '--quantize', 'int8', '--jobs', '2'];
const names = [1, 2].flatMap((seed) => [2, 4, 6].map((rank) => `seed-${seed}_rank-${rank}`));

type Row = Record<string, unknown>;
const readRows = (folder: string): Row[] =>
  readFileSync(`${folder}/rows.jsonl`, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);

/** Without what differs from one time to the next. */
const withoutTimes = (rows: readonly Row[]): Row[] =>
  rows.map(({ seconds: _, latencyMs: __, quantized, ...row }) => {
    const { latencyMs: ___, ...others } = quantized as Row;
    return { ...row, quantized: others };
  });

beforeAll(async () => {
  await writeTinyModel(work.path('model'));
  await writePictures(work.path('pictures'));
  await slimJson([...sweep, '--out', whole]);
}, 300_000);
afterAll(() => work.remove());

describe('a sweep', () => {
  it('lists its runs, and has a row for each, which slim train and slim quantize would have told', async () => {
    const plan = JSON.parse(readFileSync(`${whole}/sweep.json`, 'utf8')) as { runs: Row[] };
    expect(plan).toMatchObject({ version: 1, quantize: 'int8' });
    expect(plan.runs.map(({ name, out }) => [name, out])).toEqual(names.map((name) => [name, `runs/${name}`]));
    const rows = readRows(whole);
    expect(rows.map(({ name }) => name)).toEqual(names);
    expect(await rowsOf(whole, (await readPlan(whole))!)).toEqual(rows);

    const { args, flags } = plan.runs[4] as { args: string[]; flags: Row };
    expect(flags).toEqual({ seed: 2, rank: 4 });
    const trained = await slimJson([...args, '--out', work.path('alone')]);
    const quantized = await slimJson([
      'quantize',
      work.path('alone'),
      '--data',
      work.path('pictures'),
      '--out',
      work.path('alone8'),
    ]);
    const cost = (await slimJson(['inspect', work.path('alone')])).costs as { model: { whole: Row } };
    expect(rows[4]).toMatchObject({
      seed: 2,
      rank: 4,
      method: 'pclora',
      accuracy: trained.accuracy,
      teacherAccuracy: trained.teacherAccuracy,
      samples: trained.samples,
      steps: 40,
      ...cost.model.whole,
      bytes: readFileSync(`${whole}/artifacts/${names[4]}.slim`).length,
      quantized: { weights: 'int8', accuracy: quantized.accuracy },
    });
    for (const { latencyMs } of rows) expect(latencyMs).toBeGreaterThan(0);
  }, 120_000);

  it('prints a table that marks the rows which no other beats', async () => {
    const { code, stdout } = await slim([...sweep, '--out', whole, '--resume']);
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^ +accuracy +parameters +MACs +bytes +latency +int8 +bytes +latency +seconds +best$/);
    expect(lines.slice(1, 7).map((line) => line.split(' ')[0])).toEqual(names);
    // The best one is on the front, whatever it costs.
    const best = Math.max(...readRows(whole).map(({ accuracy }) => accuracy as number));
    const marked = lines.slice(1, 7).filter((line) => /[PBM]+$/.test(line));
    expect(marked.some((line) => line.includes(`${(100 * best).toFixed(2)} %`))).toBe(true);
  }, 120_000);

  it('killed at any moments ends with the rows, weights and logs of an unbroken one', async () => {
    const source = random(11);
    let kills = 0;
    while (kills < 6) {
      const running = start([...sweep, '--out', broken, '--resume']);
      const ended = await Promise.race([running.exit.then(() => true), setTimeout(300 + source.below(4000))]);
      if (ended === true) break;
      running.child.kill('SIGKILL');
      expect((await running.exit).signal).toBe('SIGKILL');
      kills++;
    }
    expect(kills).toBeGreaterThan(0);
    const { code, stderr } = await start([...sweep, '--out', broken, '--resume']).exit;
    expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    expect(withoutTimes(readRows(broken))).toEqual(withoutTimes(readRows(whole)));
    for (const name of names) {
      const [one, other] = [whole, broken].map((folder) => `${folder}/runs/${name}`);
      expect(readFileSync(`${other}/weights.safetensors`).equals(readFileSync(`${one}/weights.safetensors`))).toBe(
        true,
      );
      expect(untimed(readMetrics(other))).toEqual(untimed(readMetrics(one)));
    }
    expect(readdirSync(broken).sort()).toEqual(readdirSync(whole).sort());
  }, 600_000);

  it('interrupted has its runs save what they have, and goes on from there without being told its flags again', async () => {
    const out = work.path('interrupted');
    const long = [...base, '--steps', '4000', '--ranks', '2', '--no-latency', '--out', out];
    const running = start(long);
    const checkpoint = `${out}/runs/rank-2/checkpoint.safetensors`;
    while (!existsSync(checkpoint)) await setTimeout(50);
    running.child.kill('SIGINT');
    const { code, stderr } = await running.exit;
    expect([code, stderr]).toEqual([
      130,
      expect.stringContaining('interrupted: the same command with --resume goes on'),
    ]);
    const record = JSON.parse(readFileSync(`${out}/runs/rank-2/run.json`, 'utf8')) as Row;
    expect(record).toMatchObject({ status: 'interrupted' });
    expect(readdirSync(`${out}/logs`)).toEqual(['rank-2.log']);
    expect(await slimJson(['sweep', '--out', out, '--resume', '--no-latency'])).toMatchObject({
      rows: [{ name: 'rank-2', steps: 4000, latencyMs: null, quantized: null }],
    });
  }, 240_000);

  it('tells of a run that fails, and goes on with the others', async () => {
    const out = work.path('failing');
    const { code, stdout, stderr } = await slim([...base, '--ranks', '2,99', '--no-latency', '--json', '--out', out]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      rows: [{ name: 'rank-2' }],
      failed: [{ name: 'rank-99', reason: expect.stringContaining('99') }],
      notBegun: [],
    });
    expect(stderr).toMatch(/error: 1 run failed: rank-99\nhint: .*failing\/logs\/ has what each of them said/);
  }, 120_000);

  it('begins no run after its budget', async () => {
    const out = work.path('budget');
    const { code, stdout, stderr } = await slim([
      ...[...base, '--rank', '2', '--seeds', '1,2,3', '--budget', '0.001s', '--no-latency', '--json', '--out', out],
    ]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/--budget left no time for [23] runs: --resume goes on/)]);
    expect((JSON.parse(stdout) as { notBegun: string[] }).notBegun).toContain('seed-3');
  }, 120_000);
});

it('leaves the fall of λ to methods that have one, and the cache of the teacher to runs that may have it', async () => {
  const out = work.path('listed');
  const grid = work.path('grid.json');
  writeFileSync(grid, JSON.stringify([{ method: ['pclora', 'svd'], schedule: ['linear', 'sine'] }, { rank: [2] }]));
  const flags = [
    '--grid',
    grid,
    '--set',
    'augment=none,flip',
    '--cache-teacher',
    work.path('cache'),
    '--decay-end',
    '0.5',
  ];
  // A budget that is over at once: what is looked at is the list.
  await slim([...base, ...flags, '--budget', '0.000001s', '--no-latency', '--out', out]);
  const { runs } = JSON.parse(readFileSync(`${out}/sweep.json`, 'utf8')) as {
    runs: { name: string; args: string[] }[];
  };
  expect(runs.map(({ name }) => name)).toEqual([
    'method-pclora_schedule-linear_augment-none',
    'method-pclora_schedule-linear_augment-flip',
    'method-pclora_schedule-sine_augment-none',
    'method-pclora_schedule-sine_augment-flip',
    'method-svd_augment-none',
    'method-svd_augment-flip',
    'rank-2_augment-none',
    'rank-2_augment-flip',
  ]);
  for (const { name, args } of runs) {
    expect(args.includes('--cache-teacher'), name).toBe(name.endsWith('none'));
    expect(args.includes('--decay-end'), name).toBe(!name.includes('svd'));
  }
}, 120_000);

describe('refuses', () => {
  it.each([
    [['--set', 'rnak=3'], 'slim train has no flag "rnak" that a sweep could set'],
    [['--set', 'out=a,b'], 'slim train has no flag "out" that a sweep could set'],
    [['--ranks', '2,many'], "run rank-many: option '--rank <r>' argument 'many' is invalid"],
    [['--ranks', '2,4', '--rank', '3'], 'rank is given for all runs, and as a list'],
    [['--ranks', '2', '--set', 'targetSize=4MB'], 'cannot be used with option'],
    [['--set', 'fuseQkv=maybe'], '--fuse-qkv is a switch: expected true or false, got "maybe"'],
    [['--budget', '2 days'], 'Expected a time, such as 90m, 2h or 1h30m.'],
    [['--grid', 'nowhere.json'], "--grid: can't read nowhere.json"],
  ])('%j', async (flags, message) => {
    const { code, stderr } = await slim([...base, ...flags, '--out', work.path('refused')]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(existsSync(work.path('refused'))).toBe(false);
  });

  it('a folder that has something in it, other flags on --resume, and a list that was changed', async () => {
    expect(await slim([...sweep, '--out', whole])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('already exists'),
    });
    expect(await slim([...sweep, '--clip-norm', '2', '--out', whole, '--resume'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--resume: run 1 of .* was slim train .* and is slim train .*--clip-norm 2.* now/),
    });
    expect(await slim(['sweep', '--out', work.path('none'), '--resume'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is not a sweep'),
    });
    rmSync(work.path('none'), { recursive: true });
    const plan = JSON.parse(readFileSync(`${whole}/sweep.json`, 'utf8')) as { runs: Row[] };
    const other = work.path('changed');
    expect((await slim([...base, '--budget', '0.000001s', '--out', other])).code).toBe(0);
    writeFileSync(
      `${other}/sweep.json`,
      JSON.stringify({ ...plan, runs: [{ ...plan.runs[0], out: '../../elsewhere' }] }),
    );
    expect(await slim(['sweep', '--out', other, '--resume'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('run 1 is wrong'),
    });
  });
});

/** The built command line as a process: exit codes, signals, closed pipes, full disks, what it loads. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import {
  readMetrics,
  readRecord,
  slimJson,
  untimed,
  workFolder,
  writePictures,
  writeTinyModel,
} from '../support/cli.ts';
import { SLIM, start, startShell } from '../support/process.ts';

const work = workFolder();
const out = work.path('out');
const whole = work.path('whole');
const artifact = work.path('whole.slim');
const flags = [
  '--model',
  work.path('model'),
  '--data',
  work.path('pictures'),
  '--threads',
  '1',
  '--batch-size',
  '8',
  '--learning-rate',
  '0.01',
];
const train = ['train', ...flags, '--rank', '4', '--steps', '400', '--evaluate-every', '20'];

beforeAll(async () => {
  await writeTinyModel(work.path('model'));
  await writePictures(work.path('pictures'));
  await slimJson([...train, '--out', whole]);
  await slimJson(['pack', whole, '--out', artifact]);
}, 120_000);
beforeEach(() => rmSync(out, { recursive: true, force: true }));
afterAll(() => work.remove());

const leftovers = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.tmp'));

function expectSameAsWhole(): void {
  expect(readFileSync(`${out}/weights.safetensors`).equals(readFileSync(`${whole}/weights.safetensors`))).toBe(true);
  expect(untimed(readMetrics(out))).toEqual(untimed(readMetrics(whole)));
  expect(leftovers(out)).toEqual([]);
}

describe('exit codes and streams', () => {
  it('0: the result on stdout, nothing on stderr', async () => {
    expect(await start(['--version']).exit).toEqual({
      code: 0,
      signal: null,
      stdout: `${manifest.version}\n`,
      stderr: '',
    });
    const { code, stdout, stderr } = await start(['inspect', artifact, '--json']).exit;
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, kind: 'artifact' });
  });

  it('0: progress goes to stderr, in plain lines where it is no terminal', async () => {
    const { code, stdout, stderr } = await start([...train, '--out', out, '--json']).exit;
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).not.toMatch(/[\r\x1b]/);
    expect(stderr).toMatch(/^step 400\/400 {2}λ 0\.000 {2}loss \d\.\d{4} {2}accuracy \d+\.\d\d %$/m);
    expectSameAsWhole();
  });

  it('1: failed', async () => {
    expect(await start(['inspect', work.path('nope')]).exit).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: .*nope does not exist\nhint: .*\n$/),
    });
  });

  it('2: wrong usage', async () => {
    expect(await start(['train', '--rnak', '4']).exit).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr: "error: unknown option '--rnak'\nhint: Did you mean --rank?\n",
    });
  });

  it('a stack trace only with SLIM_DEBUG', async () => {
    expect((await startShell('$SLIM inspect /nope', []).exit).stderr).not.toContain('    at ');
    expect((await startShell('SLIM_DEBUG=1 $SLIM inspect /nope', []).exit).stderr).toContain('    at ');
  });
});

it('an error that nobody awaits is still one line', async () => {
  const broken = `data:text/javascript,${encodeURIComponent('setTimeout(() => { throw new Error("boom\\nboom"); }, 300);')}`;
  const { code, stderr } = await startShell(`NODE_OPTIONS="--import=${broken}" $SLIM serve "$1" --port 0`, [artifact])
    .exit;
  expect([code, stderr]).toEqual([
    1,
    'error: boom boom\nhint: This is a bug in slim. Set SLIM_DEBUG=1 to see where.\n',
  ]);
});

describe('signals', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    '%s: the checkpoint is saved, exit code 130, and --resume ends where an unbroken run does',
    async (signal) => {
      const running = start([...train, '--out', out]);
      await running.saw('step 40/400');
      running.child.kill(signal);
      const { code, stdout, stderr } = await running.exit;
      expect([code, stdout]).toEqual([130, '']);
      expect(stderr).toMatch(
        /stopping; once more to stop at once\n(.*\n)*interrupted at step \d+ of 400: the same command with --resume goes on\n$/,
      );
      expect(readRecord(out)).toMatchObject({ status: 'interrupted' });
      expect((await start([...train, '--resume', '--out', out]).exit).code).toBe(0);
      expectSameAsWhole();
    },
  );

  it('kill -9 in the middle: --resume goes on from the last checkpoint', async () => {
    const running = start([...train, '--out', out]);
    await running.saw('step 60/400');
    running.child.kill('SIGKILL');
    expect(await running.exit).toMatchObject({ code: null, signal: 'SIGKILL' });
    const { status, steps } = readRecord(out) as { status: string; steps: { done: number } };
    expect([status, steps.done % 20]).toEqual(['running', 0]);
    const { code, stderr } = await start([...train, '--resume', '--out', out]).exit;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^resuming after step \d+0$/m);
    expectSameAsWhole();
  });

  it('a folder that another process writes to is left alone, also with --overwrite and --resume', async () => {
    // Long enough for both to be refused: a lock is waited for a moment.
    const long = [...train, '--steps', '40000'];
    const running = start([...long, '--out', out]);
    await running.saw('step 20/40000');
    for (const flag of ['--overwrite', '--resume']) {
      const { code, stderr } = await start([...long, flag, '--out', out]).exit;
      expect(code).toBe(2);
      expect(stderr).toContain(`is being written by process ${running.child.pid}`);
    }
    running.child.kill('SIGINT');
    expect((await running.exit).code).toBe(130);
    expect(existsSync(`${out}/run.lock`)).toBe(false);
  });

  it('a second signal does not wait', async () => {
    const running = start([
      'bench',
      'train-step',
      '--model',
      'vit-ti16',
      '--rank',
      '8',
      '--batch-size',
      '4',
      '--steps',
      '1000',
      '--threads',
      '1',
    ]);
    await running.saw(/^step/m);
    running.child.kill('SIGINT');
    await running.saw('stopping');
    running.child.kill('SIGINT');
    expect((await running.exit).code).toBe(130);
  });

  it('one signal ends what has nothing to save', async () => {
    const running = start([
      'bench',
      'train-step',
      '--model',
      'vit-pico',
      '--rank',
      '8',
      '--steps',
      '10000',
      '--threads',
      '1',
    ]);
    await running.saw(/^step/m);
    running.child.kill('SIGINT');
    expect(await running.exit).toMatchObject({
      code: 130,
      stdout: '',
      stderr: expect.stringMatching(/\ninterrupted\n$/),
    });
  });

  it.each(['0', '2'])('slim serve with %s workers answers until it is told to stop, and ends well', async (workers) => {
    const running = start(['serve', artifact, '--port', '0', '--workers', workers, '--json']);
    const [, url] = await running.saw(/"url":"([^"]+)"/);
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok' });
    running.child.kill('SIGTERM');
    expect(await running.exit).toMatchObject({ code: 0, stderr: expect.stringContaining('stopping') });
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });
});

describe('closed pipes', () => {
  it('a reader of the result that goes away is no failure', async () => {
    const { code, stdout, stderr } = await startShell('$SLIM inspect "$1" | head -1; exit ${PIPESTATUS[0]}', [whole])
      .exit;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('compress run, finished');
  });

  it('a reader of the progress that goes away does not stop the job', async () => {
    const { code } = await startShell('$SLIM "$@" 2>&1 >/dev/null | head -1 >/dev/null; exit ${PIPESTATUS[0]}', [
      ...train,
      '--out',
      out,
    ]).exit;
    expect(code).toBe(0);
    expectSameAsWhole();
  });

  it('a result that can not be written is a failure', async () => {
    const { code, stderr } = await startShell('$SLIM inspect "$1" > /dev/full', [whole]).exit;
    expect([code, stderr]).toEqual([1, "error: can't write the result: ENOSPC: no space left on device, write\n"]);
  });
});

describe('no room', () => {
  it('for the checkpoint: one error, no half file, and the run failed', async () => {
    const { code, stdout, stderr } = await startShell('ulimit -f 8; $SLIM "$@"', [...train, '--out', out]).exit;
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/\nerror: can't write .*checkpoint\.safetensors: EFBIG.*\nhint: .*\n$/);
    expect(readdirSync(out)).toEqual(['run.json']);
    expect(readRecord(out)).toMatchObject({ status: 'failed', steps: { done: 0, total: 400 } });
  });

  it('for an artifact: the old one stays', async () => {
    const before = readFileSync(artifact);
    const { code, stderr } = await startShell('ulimit -f 8; $SLIM pack "$1" --out "$2" --overwrite', [whole, artifact])
      .exit;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: can't write .*whole\.slim: EFBIG/)]);
    expect(readFileSync(artifact).equals(before)).toBe(true);
    expect(leftovers(work.path())).toEqual([]);
  });

  it('on a disk that fills up in the middle: the last checkpoint stays whole, and --resume goes on once there is room', async ({
    skip,
  }) => {
    const disk = work.path('disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'none', disk], { stdio: 'ignore' });
    } catch {
      skip('a small file system can only be mounted by root');
    }
    try {
      const run = join(disk, 'run');
      const running = start([...train, '--out', run]);
      await running.saw('step 40/400');
      spawnSync('dd', ['if=/dev/zero', `of=${disk}/filler`, 'bs=1k']);
      const { code, stderr } = await running.exit;
      expect(code).toBe(1);
      expect(stderr).toMatch(/error: can't write .*: ENOSPC: no space left on device, .*\nhint: The disk is full/);
      expect(leftovers(run)).toEqual([]);
      rmSync(join(disk, 'filler'));
      expect((await start([...train, '--resume', '--out', run]).exit).code).toBe(0);
      expect(untimed(readMetrics(run))).toEqual(untimed(readMetrics(whole)));
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe('what is loaded', () => {
  /** Packages that a file of dist/ imports before it does anything, with those of its own pieces. */
  function eagerPackages(file: string, seen = new Set<string>()): Set<string> {
    const packages = new Set<string>();
    for (const [, from] of readFileSync(file, 'utf8').matchAll(/^(?:import|export)\s[^;]*?["']([^"']+)["'];$/gm)) {
      if (!from.startsWith('.')) packages.add(from);
      else if (!seen.has(from))
        for (const name of eagerPackages(join(dirname(file), from), seen.add(from))) packages.add(name);
    }
    return packages;
  }

  it('is commander alone, until a command needs more', () => {
    const packages = [...eagerPackages(SLIM)].filter((name) => !name.startsWith('node:'));
    expect(packages).toEqual(['commander']);
  });

  it('exists: every piece that the build names', () => {
    for (const name of readdirSync(dirname(SLIM)).filter((file) => file.endsWith('.mjs'))) {
      for (const [, piece] of readFileSync(join(dirname(SLIM), name), 'utf8').matchAll(/["']\.\/([\w-]+\.mjs)["']/g)) {
        expect(existsSync(join(dirname(SLIM), piece)), piece).toBe(true);
      }
    }
  });
});

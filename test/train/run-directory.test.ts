/** Who may write into a run's folder. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, vi } from 'vitest';
import { recordedRun } from '../../cli/commands/training.ts';
import { createRunDirectory, reopenRunDirectory } from '../../cli/train/run-directory.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** What another process does between the first look at a folder and its lock. */
const meanwhile = vi.hoisted(() => ({ act: () => {} }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const mkdir: typeof real.mkdir = async (...given: Parameters<typeof real.mkdir>) => {
    const made = await real.mkdir(...given);
    meanwhile.act();
    meanwhile.act = () => {};
    return made as never;
  };
  return { ...real, mkdir };
});

const work = temporaryFolder();
let folder = '';
let count = 0;
beforeEach(() => {
  folder = join(work, `run${count++}`);
});
const lock = (): string => readFileSync(join(folder, 'run.lock'), 'utf8');
const description = { kind: 'compress', source: 'model', configuration: {}, compression: null, costs: {} } as never;

it('leaves a folder to another that locked it after the first look', async () => {
  meanwhile.act = () => writeFileSync(join(folder, 'run.lock'), `${process.ppid}\n`);
  await expect(createRunDirectory(folder, true)).rejects.toThrow(`is being written by process ${process.ppid}`);
  expect(lock()).toBe(`${process.ppid}\n`);
});

it('does not replace a run that came about after the first look', async () => {
  meanwhile.act = () => writeFileSync(join(folder, 'run.json'), '{}');
  await expect(createRunDirectory(folder, false)).rejects.toThrow('already exists');
  expect(readdirSync(folder)).toEqual(['run.json']);
});

it.each(['999999999\n', ''])('takes over the lock %j of a process that was killed', async (left) => {
  mkdirSync(folder);
  writeFileSync(join(folder, 'run.lock'), left);
  const run = await createRunDirectory(folder, false);
  expect(lock()).toBe(`${process.pid} ${hostname()}\n`);
  expect(readdirSync(folder)).toEqual(['run.lock']);
  await run.release();
  expect(existsSync(join(folder, 'run.lock'))).toBe(false);
});

it('tells of a resumed run, until its checkpoint is loaded, what was done before', async () => {
  const done = () => JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')).steps.done;
  const failing = (step: number | null) => async (onCheckpoint: (step: number) => Promise<void>) => {
    if (step !== null) await onCheckpoint(step);
    throw new Error(`at ${done()}`);
  };
  await expect(recordedRun(await createRunDirectory(folder, false), description, 9, failing(4))).rejects.toThrow(
    'at 4',
  );
  await expect(recordedRun(await reopenRunDirectory(folder), description, 9, failing(null))).rejects.toThrow('at 4');
  expect(done()).toBe(4);
});

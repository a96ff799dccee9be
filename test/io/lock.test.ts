/** Who may write: the first of several, and whoever comes after one that is no more. */
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { UserError } from '../../cli/io/errors.ts';
import { takeLock } from '../../cli/io/lock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
let count = 0;
const next = (): string => join(folder, `${count++}.lock`);
const refusal = (holder: string): UserError => new UserError(`held by ${holder}`);

it('is held by one at a time, which it names', async () => {
  const path = next();
  const release = await takeLock(path, refusal);
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid} ${hostname()}\n`);
  await expect(takeLock(path, refusal)).rejects.toThrow(`held by this process, ${process.pid}`);
  await release();
  expect(existsSync(path)).toBe(false);
  await (await takeLock(path, refusal))();
});

it.each([`999999999 ${hostname()}\n`, '999999999\n', `${process.pid} ${hostname()}\n`, ''])(
  'is taken over from a dead process: %j',
  async (left) => {
    const path = next();
    writeFileSync(path, left);
    const release = await takeLock(path, refusal);
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid} ${hostname()}\n`);
    await release();
    expect(readdirSync(folder)).toEqual([]);
  },
);

it('is left to a living process of this host, and to one of another that touches it', async () => {
  const path = next();
  writeFileSync(path, `${process.ppid} ${hostname()}\n`);
  await expect(takeLock(path, refusal)).rejects.toThrow(`held by process ${process.ppid}`);
  writeFileSync(path, '12 elsewhere\n');
  await expect(takeLock(path, refusal)).rejects.toThrow('held by process 12 on host elsewhere');
  const longAgo = Date.now() / 1000 - 3600;
  utimesSync(path, longAgo, longAgo);
  await (await takeLock(path, refusal))();
});

it('is made once, however many want it at the same time', async () => {
  const path = next();
  writeFileSync(path, `999999999 ${hostname()}\n`);
  const taken = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(path, refusal)));
  expect(taken.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

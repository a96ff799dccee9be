/** Which processes live. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { isAlive } from '../../cli/io/alive.ts';

it('tells processes that run from those that do not', () => {
  expect([process.pid, process.ppid, 1].map(isAlive)).toEqual([true, true, true]);
  expect([999_999_999, 0, -1, 1.5, NaN].map(isAlive)).toEqual([false, false, false, false, false]);
});

const elsewhere = process.platform === 'linux' ? '' : ': only Linux tells them';
it.skipIf(elsewhere !== '')(`counts none that has ended and was not waited for${elsewhere}`, async () => {
  // A parent that becomes a program which waits for nobody, and then a child that ends as its input does.
  const parent = spawn('bash', ['-c', 'cat <&3 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  });
  try {
    const [line] = (await once(parent.stdout as Readable, 'data')) as [Buffer];
    const pid = Number(line.toString());
    await expect.poll(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8')).toBe('sleep\n');
    expect(isAlive(pid)).toBe(true);
    (parent.stdio[3] as Writable).end();
    await expect.poll(() => isAlive(pid)).toBe(false);
    // Its number is taken still.
    expect(process.kill(pid, 0)).toBe(true);
  } finally {
    parent.kill();
  }
});

/** Which processes live. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { isAlive } from '../../cli/io/alive.ts';

it('tells processes that run from those that do not', () => {
  expect([process.pid, process.ppid, 1].map(isAlive)).toEqual([true, true, true]);
  expect([999_999_999, 0, -1, 1.5, NaN].map(isAlive)).toEqual([false, false, false, false, false]);
});

const elsewhere = process.platform === 'linux' ? '' : ': only Linux tells them';
it.skipIf(elsewhere !== '')(`counts none that has ended and was not waited for${elsewhere}`, async () => {
  // A parent that is replaced by a program which waits for nobody.
  const parent = spawn('bash', ['-c', 'true & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    await expect.poll(() => isAlive(pid)).toBe(false);
    // Its number is taken still.
    expect(process.kill(pid, 0)).toBe(true);
  } finally {
    parent.kill();
  }
});

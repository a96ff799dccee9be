/**
 * Files that a cache, of pictures or of a teacher's outputs, is written into before it is whole: named apart, and cleared
 * away after a process was killed.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isAlive } from './alive.ts';
import { messageOf, UserError } from './errors.ts';
import { errorCode } from './files.ts';

/** A file that is written to is changed much more often: one that was left alone so long has no writer any more. */
const STALE_MS = 3_600_000;
const NAME = /^[0-9a-f]{32}\.(?:pictures|teacher)\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.tmp$/;

/** Names of files that this process writes to. */
const own = new Set<string>();

/** A name beside `name` that no other writer has, on this machine or on another one that shares the folder. */
export function temporaryName(name: string): string {
  const temporary = `${name}.${thisHost()}-${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  own.add(temporary);
  return temporary;
}

/** Removes what was written under a temporary name, if it is still there. */
export async function removeTemporary(folder: string, temporary: string): Promise<void> {
  own.delete(temporary);
  await removed(join(folder, temporary));
}

/** Removes what writers that are no more have left in the folder. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, host, pid] = NAME.exec(name) ?? [];
    if (host === undefined) continue;
    const path = join(folder, name);
    if (isOver(name, host, Number(pid)) || (await isStale(path))) await removed(path);
  }
}

/** Whether the writer is known to have ended. The number of its process says so on its own machine only. */
function isOver(name: string, host: string, pid: number): boolean {
  if (host !== thisHost()) return false;
  return pid === process.pid ? !own.has(name) : !isAlive(pid);
}

async function isStale(path: string): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs < Date.now() - STALE_MS;
  } catch (error) {
    // Its writer was done just now.
    if (errorCode(error) === 'ENOENT') return false;
    throw new UserError(`can't read ${path}: ${messageOf(error)}`);
  }
}

/** What can't be removed now is a leftover, removed some other time: the user has to hear of the job, not of this. */
async function removed(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => undefined);
}

function thisHost(): string {
  return createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
}

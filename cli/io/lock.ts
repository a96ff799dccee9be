/** Files that say who is writing: of several processes that want to, the one that makes the file does. */
import { writeFileSync } from 'node:fs';
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isAlive } from './alive.ts';
import type { UserError } from './errors.ts';
import { errorCode, writeError } from './files.ts';

/** What to say where another process holds a lock; `holder` names it: `process 12`, `process 12 on host node3`. */
export type Refusal = (holder: string) => UserError;

/** Whether a process of another host lives is told by its lock, which it touches so often. */
const BEAT_MS = 30_000;
/** Several beats, and room for clocks that differ. */
const DEAD_MS = 300_000;

/** A process that was killed takes a moment to end. */
const PATIENCE_MS = 1000;
const WAIT_MS = 50;

/** The locks of this process: a file with its number may be of an earlier one, as numbers come again in containers. */
const own = new Set<string>();

/**
 * Makes the file, in a folder that is there; one that a dead process left is taken over. What it returns takes it away.
 * UserErrors: another process holds it, or it can't be written.
 */
export async function takeLock(path: string, refusal: Refusal): Promise<() => Promise<void>> {
  const key = resolve(path);
  if (own.has(key)) throw refusal(`this process, ${process.pid}`);
  own.add(key);
  try {
    for (let waited = 0; !(await made(path)); ) {
      const holder = await holderOf(path);
      if (holder === null) {
        await removeDead(path);
        continue;
      }
      if (waited >= PATIENCE_MS) throw refusal(holder);
      waited += WAIT_MS;
      await setTimeout(WAIT_MS);
    }
  } catch (error) {
    own.delete(key);
    throw error;
  }
  const touch = (): void => void utimes(path, new Date(), new Date()).catch(() => undefined);
  const beat = setInterval(touch, BEAT_MS).unref();
  return async () => {
    clearInterval(beat);
    own.delete(key);
    await rm(path, { force: true });
  };
}

/** Marks a file, in a folder that is there, as held by another process of this machine for as long as that lives. */
export function holdFor(path: string, pid: number): void {
  writeFileSync(path, `${pid} ${hostname()}\n`);
}

/** @throws what `refusal` says, where another living process holds the lock */
export async function expectUnlocked(path: string, refusal: Refusal): Promise<void> {
  const holder = await holderOf(path);
  if (holder !== null) throw refusal(holder);
}

async function made(path: string): Promise<boolean> {
  try {
    await writeFile(path, `${process.pid} ${hostname()}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw writeError(path, error);
  }
}

/** Moves the lock away before looking at it again: another may have replaced the dead one by its own meanwhile. */
async function removeDead(path: string): Promise<void> {
  const moved = `${path}.${process.pid}.tmp`;
  try {
    await rename(path, moved);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw writeError(path, error);
  }
  if ((await holderOf(moved)) === null) await rm(moved, { force: true });
  else await rename(moved, path);
}

const READS = 20;
const READ_MS = 25;

/** The other, living process that holds a lock; null where there is none. */
async function holderOf(path: string): Promise<string | null> {
  for (let read = 0; read < READS; read++) {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    });
    if (text === null) return null;
    const [, pid, host = hostname()] = /^(\d+)(?: (.*))?\n$/.exec(text) ?? [];
    if (pid !== undefined) return livingHolder(path, Number(pid), host);
    // Made, and its number not yet written.
    await setTimeout(READ_MS);
  }
  return null;
}

async function livingHolder(path: string, pid: number, host: string): Promise<string | null> {
  if (host !== hostname())
    return Date.now() - (await stat(path)).mtimeMs < DEAD_MS ? `process ${pid} on host ${host}` : null;
  return pid !== process.pid && isAlive(pid) ? `process ${pid}` : null;
}

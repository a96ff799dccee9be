/** Folders in the cache that are whole or absent, whoever else makes them at the same time, and whatever ends the job. */
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../io/errors.ts';
import { errorCode } from '../io/files.ts';

/** How a folder comes to be, and what tells that it is all there. */
export interface Making {
  /** Writes everything into an empty folder. */
  fill(folder: string): Promise<void>;
  isWhole(folder: string): Promise<boolean>;
  /** Whether also one that is whole gives way; not unless given. */
  readonly replacesWhole?: boolean;
}

const ROOM = 'Is the disk full? Free some space, or set SLIM_CACHE to a folder on another.';
const PLACE = 'Set SLIM_CACHE to a folder that you may write.';

/** What to do about an error of the system's in the cache, by its code. */
export const CACHE_HINTS: Readonly<Record<string, string>> = {
  ENOSPC: ROOM,
  EDQUOT: ROOM,
  EACCES: PLACE,
  EPERM: PLACE,
  EROFS: PLACE,
  ENOTDIR: PLACE,
  EEXIST: PLACE,
};

/**
 * Makes a folder beside its place and moves it there: one that is not whole gives way, one that somebody else was faster
 * with stays, unless `replacesWhole`. Where that fails nothing is left, but by a process that is killed; the next one
 * clears that away.
 * @throws UserError where what was written is not whole; what `fill` and the system throw
 */
export async function makeWhole(folder: string, { fill, isWhole, replacesWhole = false }: Making): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  await removeLeftovers(folder);
  const temporary = await mkdtemp(`${folder}.`);
  try {
    await fill(temporary);
    if (!(await isWhole(temporary))) throw new UserError('not all of it has come, or files were cut short', ROOM);
    // mkdtemp makes it for its owner alone, and images are made by root.
    await chmod(temporary, 0o777 & ~process.umask());
    await replace(temporary, folder, replacesWhole ? async () => false : isWhole);
  } finally {
    await removed(temporary);
  }
}

async function replace(from: string, to: string, stays: (folder: string) => Promise<boolean>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await rename(from, to);
    } catch (error) {
      if (tries === 3 || !['ENOTEMPTY', 'EEXIST', 'EPERM', 'ENOTDIR'].includes(errorCode(error))) throw error;
      if (await stays(to)) return;
      await clear(to);
    }
  }
}

/** Moved away before it is removed, which takes a while: a process that is killed meanwhile leaves nothing half there. */
async function clear(folder: string): Promise<void> {
  const aside = await mkdtemp(`${folder}.`);
  await rename(folder, join(aside, basename(folder))).catch(() => removed(folder)); // Windows keeps what is in use.
  await removed(aside);
}

/** What a process that was killed has left: after an hour nobody works on it any more. */
async function removeLeftovers(folder: string): Promise<void> {
  const stale = Date.now() - 3_600_000;
  for (const name of await readdir(dirname(folder))) {
    const path = join(dirname(folder), name);
    const isTemporary = name.startsWith(`${basename(folder)}.`) && name.length === basename(folder).length + 7;
    if (!isTemporary) continue;
    const facts = await stat(path).catch(() => null); // whoever made it may be done with it by now
    if (facts !== null && facts.mtimeMs < stale) await removed(path);
  }
}

/** What can't be removed now is a leftover, removed some other time: the user has to hear of the job, not of this. */
async function removed(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }).catch(() => undefined);
}

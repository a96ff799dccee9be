/** Folders that appear whole or not at all. */
import { mkdir, mkdtemp, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { UserError } from './errors.ts';
import { errorCode, exists, writeError } from './files.ts';

/**
 * Makes a folder beside its place, as `fill` fills it, and moves it there. What was there is gone then, but for `kept`,
 * names that move along. Where anything fails, what was there is there again.
 * @throws UserError for what the system refuses; what `fill` throws
 */
export async function replaceFolder(
  path: string,
  fill: (folder: string) => Promise<void>,
  kept: readonly string[] = [],
): Promise<void> {
  const folder = resolve(path);
  const beside = await besideOf(folder);
  const [written, replaced] = [join(beside, 'new'), join(beside, 'old')];
  try {
    await mkdir(written);
    await fill(written);
    if (await exists(folder)) await rename(folder, replaced);
    await rename(written, folder);
    for (const name of kept) await rename(join(replaced, name), join(folder, name));
    await rm(beside, { recursive: true, force: true });
  } catch (error) {
    // The user must see why it failed, also where there is nothing to take back.
    if (!(await exists(folder))) await rename(replaced, folder).catch(() => undefined);
    await rm(written, { recursive: true, force: true }).catch(() => undefined);
    // Not with what is in it: what was there is, where it could not go back.
    await rmdir(beside).catch(() => undefined);
    throw errorCode(error) === '' || error instanceof UserError ? error : writeError(folder, error);
  }
}

/** A new folder beside another, whose name nobody has: in containers process numbers come again. */
async function besideOf(folder: string): Promise<string> {
  try {
    await mkdir(dirname(folder), { recursive: true });
    return await mkdtemp(`${folder}.tmp-`);
  } catch (error) {
    throw writeError(folder, error);
  }
}

import { chmod } from 'node:fs/promises';

/** Gives a folder that `mkdtemp` made, for its owner alone, the permissions of any other: images are made by root. */
export async function openToOthers(folder: string): Promise<void> {
  await chmod(folder, 0o777 & ~process.umask());
}

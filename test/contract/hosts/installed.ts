/** Finds what hosts are installed: those of test/hosts, and programs of the system. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';

const { resolve } = createRequire(new URL('../../hosts/package.json', import.meta.url));

/** A file of a package that `npm run hosts` installs, the first that is there of several; null where none is. */
export function hostFile(...files: readonly string[]): string | null {
  return files.map((file) => {
    try {
      return resolve(file);
    } catch {
      return null; // made for another platform, or not installed
    }
  }).find((path) => path !== null) ?? null;
}

/** A program on the path; null where there is none. */
export function systemProgram(name: string): string | null {
  return (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

/** Files of folders and of patterns, in an order that stays the same, with no list of them in memory. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, UserError } from '../io/errors.ts';

/**
 * Files below a folder, by name, as paths relative to it; what is hidden is left out. Links are followed, but for those
 * that lead back. UserError where a folder can't be read.
 */
export async function* filesBelow(folder: string, depth = Infinity): AsyncGenerator<string, void, void> {
  yield* below(folder, '', depth, [await realpath(folder).catch(() => folder)]);
}

async function* below(
  folder: string,
  within: string,
  depth: number,
  ancestors: readonly string[],
): AsyncGenerator<string, void, void> {
  const here = join(folder, within);
  const entries = await readdir(here, { withFileTypes: true }).catch((error: unknown) => {
    throw new UserError(`can't read the folder ${here}: ${messageOf(error)}`);
  });
  const shown = entries.filter(({ name }) => !name.startsWith('.')).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of shown) {
    const path = within === '' ? entry.name : `${within}/${entry.name}`;
    // A link to nothing is a file that can't be read, which its row says.
    const isFolder = entry.isSymbolicLink()
      ? await stat(join(folder, path)).then(
          (found) => found.isDirectory(),
          () => false,
        )
      : entry.isDirectory();
    if (!isFolder) yield path;
    else if (depth > 1) {
      const real = await realpath(join(folder, path));
      if (!ancestors.includes(real)) yield* below(folder, path, depth - 1, [...ancestors, real]);
    }
  }
}

/** Whether an input has characters of a pattern in it, as `photos/**\/*.jpg` has. */
export async function isPattern(input: string): Promise<boolean> {
  return /[*?[{]/.test(input) && (await matcher()).scan(input).isGlob;
}

/** Loaded where there is a pattern: most commands never see one. */
const matcher = async () => (await import('picomatch')).default;

/** The files that a pattern matches, as `filesBelow` orders them. What is hidden is left out. */
export async function* filesMatching(pattern: string): AsyncGenerator<string, void, void> {
  const picomatch = await matcher();
  const { base, glob } = picomatch.scan(pattern);
  const matches = picomatch(glob, { posix: true });
  const depth = glob.includes('**') ? Infinity : glob.split('/').length;
  const folder = base === '' ? '.' : base;
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return;
  for await (const path of filesBelow(folder, depth))
    if (matches(path)) yield base === '' ? path : `${base.replace(/\/$/, '')}/${path}`;
}

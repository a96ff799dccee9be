/** What a data set's folders hold beside its samples: counted, and named by an example of each kind. */
import { extname } from 'node:path';

/** Gathers what is left out. */
export interface LeftOut {
  /** A file that is no sample, by its path. */
  file(path: string): void;
  /** What a system or an editor left. */
  hidden(path: string): void;
  /** A folder that is no part of the data. */
  folder(path: string): void;
  /** In sentences for the user; none where nothing was left out. */
  notices(): readonly string[];
}

/** Nothing yet. */
export function createLeftOut(): LeftOut {
  const kinds = new Map<string, string[]>();
  const add = (kind: string, path: string): void => {
    const known = kinds.get(kind);
    if (known === undefined) kinds.set(kind, [path]);
    else known.push(path);
  };
  return {
    file: (path) => add(extname(path).toLowerCase() || 'without an ending', path),
    hidden: (path) => add('hidden or of the system', path),
    folder: (path) => add('folder', path),
    notices: () =>
      kinds.size === 0
        ? []
        : [
            `Left out, as no samples: ${[...kinds]
              .map(([kind, paths]) => `${paths.length} ${kind} (${paths[0]}${paths.length > 1 ? ' ...' : ''})`)
              .join(', ')}.`,
          ],
  };
}

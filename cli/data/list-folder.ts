import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, UserError } from '../io/errors.ts';

/** What a folder holds, each by name in order. */
export interface FolderContent {
  readonly files: readonly string[];
  readonly folders: readonly string[];
  /** What is hidden, or was left there by a system or an editor: no part of the data. */
  readonly hidden: readonly string[];
}

const SYSTEM = new Set([
  '__macosx',
  'thumbs.db',
  'ehthumbs.db',
  'desktop.ini',
  '$recycle.bin',
  'system volume information',
  'lost+found',
  '@eadir',
  '__pycache__',
]);

/** Lists a folder; links are what they lead to. UserError where it can't be read, or holds a pipe or a device. */
export async function listFolder(folder: string): Promise<FolderContent> {
  try {
    const entries = (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
    const found = { files: [] as string[], folders: [] as string[], hidden: [] as string[] };
    for (const entry of entries) {
      if (entry.name.startsWith('.') || SYSTEM.has(entry.name.toLowerCase())) {
        found.hidden.push(entry.name);
        continue;
      }
      const kind = entry.isSymbolicLink() ? await stat(join(folder, entry.name)) : entry;
      if (kind.isDirectory()) found.folders.push(entry.name);
      else if (kind.isFile()) found.files.push(entry.name);
      else throw new UserError(`${join(folder, entry.name)} is neither a file nor a folder`, 'Move it away.');
    }
    return found;
  } catch (error) {
    throw error instanceof UserError
      ? error
      : new UserError(`can't read the data folder ${folder}: ${messageOf(error)}`);
  }
}

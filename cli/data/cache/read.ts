import { type FileHandle, open, stat } from 'node:fs/promises';
import type { ImagePreprocess } from '../../../runtime/preprocess/spec.ts';
import { readAt } from '../../io/disk.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import { kindOf } from '../../io/files.ts';
import { type Entry, FOOTER_BYTES, MAGIC, readFooter, readTail } from './layout.ts';
import type { CacheContent } from './write.ts';

/** A cache whose records are those that were asked for. */
export interface OpenCache {
  readonly file: FileHandle;
  readonly entries: readonly Entry[];
  /** Where each record's pixels begin, in bytes. */
  readonly offsets: Float64Array;
}

const DAMAGED = 'it is damaged, or was made by something else';
const OTHERS = 'pictures were added or removed since it was made';

/**
 * Opens the cache at `path` if it holds `content`, as the files are now; else says why not, or null where there is none.
 * Nothing that the file says is used before it is checked. UserError where it can't be read, or is no file.
 */
export async function readCache(path: string, content: CacheContent): Promise<OpenCache | string | null> {
  if ((await kindOf(path)) === 'absent') return null;
  // A pipe would be waited for.
  if (!(await stat(path)).isFile())
    throw new UserError(`the cache ${path} is a folder or a device, expected a file`, 'Remove it.');
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new UserError(`can't read the cache ${path}: ${messageOf(error)}`, 'Remove it, or leave out --cache.');
  });
  const cache = await readIndex(file, content).catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  if (typeof cache !== 'string') return cache;
  await file.close();
  return cache;
}

async function readIndex(file: FileHandle, content: CacheContent): Promise<OpenCache | string> {
  const { size } = await file.stat();
  if (size < MAGIC.length + FOOTER_BYTES || !(await readAt(file, 0, MAGIC.length)).equals(MAGIC)) return DAMAGED;
  const footer = readFooter(await readAt(file, size - FOOTER_BYTES, FOOTER_BYTES), size);
  // Both are known before anything of their length is read.
  if (footer === null || footer.descriptionBytes !== Buffer.byteLength(content.description)) return DAMAGED;
  if (footer.count !== content.paths.length) return OTHERS;
  const tail = readTail(await readAt(file, footer.descriptionAt, size - FOOTER_BYTES - footer.descriptionAt), footer);
  if (tail === null) return DAMAGED;
  return changeIn(tail, content) ?? { file, entries: tail.entries, offsets: tail.offsets };
}

/** Why a cache that is whole is not the one that is needed; null where it is. */
function changeIn(
  { description, entries }: { readonly description: string; readonly entries: readonly Entry[] },
  { description: expected, facts, fit, paths }: CacheContent,
): string | null {
  if (description !== expected) return OTHERS;
  if (fit !== null && entries.some((entry) => !hasSize(entry, fit))) return 'its pictures have another size';
  const changed = facts.flatMap(({ bytes, time }, i) =>
    bytes === entries[i].sourceBytes && time === entries[i].sourceTime ? [] : [i],
  );
  if (changed.length === 0) return null;
  const [one] = changed;
  return changed.length === 1
    ? `${paths[one]} has changed since it was made`
    : `${changed.length} of its ${facts.length} pictures have changed since it was made (${paths[one]} ...)`;
}

function hasSize({ width, height }: Entry, { size }: ImagePreprocess): boolean {
  return width === size.width && height === size.height;
}

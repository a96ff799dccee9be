import { readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { Picture } from '../../../runtime/preprocess/picture.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import type { CachedPicture } from '../split.ts';

/**
 * Reads a picture's pixels out of a cache's file, from any thread. UserError where they are not those that were
 * written.
 */
export function readCached({ descriptor, offset, width, height, checksum, cache, path }: CachedPicture): Picture {
  const data = new Uint8Array(width * height * 3);
  const damaged = (why: string): UserError =>
    new UserError(`the cache ${cache} is damaged where it keeps ${path}: ${why}`, 'Remove it: it is made again.');
  try {
    for (let done = 0; done < data.length; ) {
      const read = readSync(descriptor, data, done, data.length - done, offset + done);
      if (read === 0) throw damaged('it was cut short while it was in use');
      done += read;
    }
  } catch (error) {
    throw error instanceof UserError ? error : new UserError(`can't read ${cache}: ${messageOf(error)}`);
  }
  const found = crc32(data);
  if (found !== checksum) throw damaged(`expected CRC-32 ${hex(checksum)}, got ${hex(found)}`);
  return { width, height, data };
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}

/** Large files that are read and written in places, and the room that they take. */
import { type FileHandle, statfs } from 'node:fs/promises';
import { UserError } from './errors.ts';

/**
 * UserError where the file system of a folder has not that many bytes for this user; one that tells no size is taken at
 * its word.
 * @param what takes them, such as `the cache of pictures`
 * @param flag that asks for it
 */
export async function expectFree(folder: string, bytes: number, what: string, flag: string): Promise<void> {
  const { blocks, bavail, bsize } = await statfs(folder);
  if (blocks === 0 || bavail * bsize >= bytes) return;
  throw new UserError(
    `${what} takes ${gigabytes(bytes)} in ${folder}, and ${gigabytes(bavail * bsize)} are free there`,
    `Free some space, name a folder on another disk, or leave out ${flag}.`,
  );
}

/** 0.012 GB · 3.4 GB */
export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(bytes < 1e9 ? 3 : 1)} GB`;
}

/**
 * As many bytes, aligned for numbers of any kind. Past the end of a file that was cut short they are zeros, which no
 * checksum fits.
 */
export async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes;
}

/** Writes all of the bytes. */
export async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

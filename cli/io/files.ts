/** Files that are either whole or absent, and errors that name them. */
import { createHash } from 'node:crypto';
import { type BigIntStats, createReadStream, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { messageOf, UserError } from './errors.ts';

/** The system's code of an error (ENOENT, ENOSPC ...), or an empty string. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/**
 * Writes under a temporary name, flushes, then renames: a reader sees the old file or the new one, never half of one.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await writeAtomic(path, (file) => file.writeFile(data));
}

/** The same for what comes piece by piece: `write` is handed the file. Errors that are not the system's stay what they are. */
export async function writeAtomic(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(temporary, 'w');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // The user must see why the write failed, also where there is nothing to clean up.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw errorCode(error) === '' || error instanceof UserError ? error : writeError(path, error);
  }
}

/**
 * The file that `writeFileAtomic` was writing when its process was killed: the name it was meant for, or null where it
 * is none.
 */
export function temporaryOf(name: string): string | null {
  return /^(.+)\.\d+\.tmp$/.exec(name)?.[1] ?? null;
}

/** Makes the folder that a file is to be written to. @throws UserError */
export async function makeFolderOf(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true }).catch((error: unknown) => {
    throw writeError(path, error);
  });
}

/** What a failed write says to the user. */
export function writeError(path: string, error: unknown): UserError {
  const hints: Record<string, string> = {
    ENOSPC: 'The disk is full: free some space, or choose another place. What was written before is whole.',
    EFBIG: 'The file is larger than is allowed here (ulimit -f, or the file system): choose another place.',
    EDQUOT: 'Your quota is used up: free some space, or choose another place.',
    EACCES: 'Check the permissions of the folder.',
    EROFS: 'The file system is read-only: choose another place.',
  };
  return new UserError(`can't write ${path}: ${messageOf(error)}`, hints[errorCode(error)] ?? '');
}

/** Writes a value as JSON with an indent of two and a line break at its end, whole or not at all. @throws UserError */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** Parses a JSON file. UserError when it can't be read or isn't JSON. */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError(`can't read ${path}: ${messageOf(error)}`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path} is not valid JSON: ${messageOf(error)}`);
  }
}

/** What is there instead of a regular file, in words; null for one. Reading a pipe or a device may never end. */
export function otherThanFile(found: Stats): string | null {
  if (found.isFile()) return null;
  if (found.isDirectory()) return 'a folder';
  return found.isFIFO() ? 'a pipe' : found.isSocket() ? 'a socket' : 'a device';
}

/** SHA-256 of a file, in hexadecimal. UserError where it can't be read. */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash).catch((error: unknown) => {
    throw new UserError(`can't read ${path}: ${messageOf(error)}`);
  });
  return hash.digest('hex');
}

/** What is the same for two names of one file: its device and number there. */
export function identityOfFound({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}

/** The same of what a path leads to; null where that is nothing. */
export async function identityOf(path: string): Promise<string | null> {
  return stat(path, { bigint: true }).then(identityOfFound, () => null);
}

/** Whether there is anything at the path. @throws UserError where that can't be told */
export async function exists(path: string): Promise<boolean> {
  return (await kindOf(path)) !== 'absent';
}

/**
 * What is at the path, links followed; what is neither folder nor absent counts as a file.
 * @throws UserError where it can't be told
 */
export async function kindOf(path: string): Promise<'file' | 'folder' | 'absent'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return 'absent';
    throw new UserError(`can't read ${path}: ${messageOf(error)}`);
  }
}

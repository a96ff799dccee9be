/**
 * Compiled programs on disk: compiling a training step takes seconds on a CPU and minutes on a GPU. A file is a SHA-256
 * of what follows, and what follows: so one that was cut short or changed is found out before a plugin reads it.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../io/errors.ts';
import { errorCode, temporaryOf, writeFileAtomic } from '../../io/files.ts';

/** Compiled programs by what they depend on. */
export interface ProgramCache {
  /** What was put under a key; null where there is nothing, or nothing whole any more. */
  get(key: string): Promise<Uint8Array | null>;
  /** Keeps a program, and lets go of those that were not used for longest. A full disk is no error: it stays unkept. */
  put(key: string, program: Uint8Array): Promise<void>;
  remove(key: string): Promise<void>;
}

const DIGEST_BYTES = 32;
const EXTENSION = '.program';

/** Some 20 training steps of ViT-B, measured at 20 to 200 MB each. */
const DEFAULT_LIMIT_BYTES = 4 * 2 ** 30;

/** The key of a program: all that it depends on. */
export function programKey(facts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  // Each with its length, or ('ab', 'c') would be ('a', 'bc').
  for (const fact of facts) hash.update(`${fact.length}:`).update(fact);
  return hash.digest('hex');
}

/**
 * A cache in a folder, which is made when a first program comes. Several processes may share it.
 * @param limitBytes what all programs may take together
 */
export function createProgramCache(folder: string, limitBytes = DEFAULT_LIMIT_BYTES): ProgramCache {
  const pathOf = (key: string): string => join(folder, `${key}${EXTENSION}`);
  const remove = (key: string): Promise<void> => rm(pathOf(key), { force: true });
  return {
    async get(key) {
      const path = pathOf(key);
      let file: Buffer;
      try {
        file = await readFile(path);
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return null;
        throw new UserError(`can't read ${path}: ${String(error)}`, 'Remove it, or set SLIM_CACHE to another folder.');
      }
      const program = file.subarray(DIGEST_BYTES);
      if (!digestOf(program).equals(file.subarray(0, DIGEST_BYTES))) {
        await remove(key);
        return null;
      }
      const now = new Date();
      await utimes(path, now, now);
      return program;
    },

    async put(key, program) {
      if (DIGEST_BYTES + program.length > limitBytes) return;
      try {
        await mkdir(folder, { recursive: true });
        await makeRoom(folder, limitBytes - DIGEST_BYTES - program.length);
        await writeFileAtomic(pathOf(key), Buffer.concat([digestOf(program), program]));
      } catch (error) {
        // No room, or a folder that may not be written: the next run compiles again, and nothing else is lost.
        if (!(error instanceof UserError) && errorCode(error) === '') throw error;
      }
    },

    remove,
  };
}

/** Removes the programs that were not used for longest, until the others take no more than `limitBytes`. */
async function makeRoom(folder: string, limitBytes: number): Promise<void> {
  const files: { readonly path: string; readonly bytes: number; readonly used: number }[] = [];
  for (const name of await readdir(folder)) {
    if (!name.endsWith(EXTENSION) && temporaryOf(name) === null) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => null); // Another process may have removed it.
    if (found) files.push({ path, bytes: found.size, used: found.mtimeMs });
  }
  files.sort((a, b) => b.used - a.used);
  let kept = 0;
  for (const { path, bytes } of files) {
    kept += bytes;
    if (kept > limitBytes) await rm(path, { force: true });
  }
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

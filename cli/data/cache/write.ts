import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { checkPicture } from '../../../runtime/preprocess/decode.ts';
import type { ImagePreprocess } from '../../../runtime/preprocess/spec.ts';
import { expectFree } from '../../io/disk.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import { errorCode } from '../../io/files.ts';
import { throwIfInterrupted } from '../../io/io.ts';
import { removeLeftovers, removeTemporary, temporaryName } from '../../io/temporary.ts';
import { mapAtOnce } from '../at-once.ts';
import { AHEAD_PER_WORKER, inOrder } from '../in-order.ts';
import { startPool } from '../picture-pool.ts';
import { unreadablePicture } from '../picture-source.ts';
import { ENTRY_BYTES, type Entry, encodeTail, FOOTER_BYTES, MAGIC, pixelBytes } from './layout.ts';
import type { SourceFacts } from './sources.ts';

/** What a cache is made of. */
export interface CacheContent {
  readonly description: string;
  /** Picture files, in the records' order. */
  readonly paths: readonly string[];
  /** Of each of them, from before it is read: a file that changes meanwhile is told apart later. */
  readonly facts: readonly SourceFacts[];
  /** What the pictures are fitted to; null keeps them whole. */
  readonly fit: ImagePreprocess | null;
}

/** Who is told how far it is, and who may stop it. */
export interface WriteOptions {
  readonly signal: AbortSignal;
  readonly onPicture: (done: number, total: number) => void;
  /** Threads that decode: a processor each unless given, as nothing else computes meanwhile. */
  readonly workers?: number;
}

/** Pictures that a thread decodes for one message: few, as those of a camera take 36 MB each. */
const PER_JOB = 4;

/**
 * Decodes all pictures into a file that is whole or not there, whoever else writes it. Returns its bytes.
 * UserError where a picture is damaged, or the disk has no room. @throws Interrupted
 */
export async function writeCache(path: string, content: CacheContent, options: WriteOptions): Promise<number> {
  const folder = dirname(path);
  const temporary = temporaryName(basename(path));
  try {
    await writing(path, async () => {
      await mkdir(folder, { recursive: true });
      await removeLeftovers(folder);
    });
    await expectFree(folder, await bytesOf(content, options.signal), 'the cache of pictures', '--cache');
    const bytes = await fill(path, join(folder, temporary), content, options);
    await writing(path, () => rename(join(folder, temporary), path));
    return bytes;
  } finally {
    await removeTemporary(folder, temporary);
  }
}

async function bytesOf({ description, paths, fit }: CacheContent, signal: AbortSignal): Promise<number> {
  const pixels =
    fit === null
      ? (await mapAtOnce(paths, (path) => wholeBytes(path, signal))).reduce((sum, bytes) => sum + bytes, 0)
      : paths.length * pixelBytes(fit.size);
  return MAGIC.length + pixels + Buffer.byteLength(description) + paths.length * ENTRY_BYTES + FOOTER_BYTES;
}

/** Told by the picture's header. */
async function wholeBytes(path: string, signal: AbortSignal): Promise<number> {
  throwIfInterrupted(signal);
  try {
    return pixelBytes(checkPicture(await readFile(path)));
  } catch (error) {
    throw unreadablePicture(path, error);
  }
}

async function fill(
  path: string,
  temporary: string,
  { description, paths, facts, fit }: CacheContent,
  { signal, onPicture, workers = availableParallelism() }: WriteOptions,
): Promise<number> {
  const pool = startPool(workers);
  const file = await writing(path, () => open(temporary, 'wx'));
  try {
    const entries: Entry[] = [];
    let end = MAGIC.length;
    await writing(path, () => file.appendFile(MAGIC));
    const jobs = inOrder(slices(paths, PER_JOB), workers * AHEAD_PER_WORKER, (some) =>
      pool.decode({ paths: some, fit }),
    );
    for await (const { pixels, entries: decoded } of jobs) {
      throwIfInterrupted(signal);
      await writing(path, () => file.appendFile(pixels));
      for (const entry of decoded) {
        const { bytes, time } = facts[entries.length];
        entries.push({ sourceBytes: bytes, sourceTime: time, ...entry });
      }
      end += pixels.length;
      onPicture(entries.length, paths.length);
    }
    const tail = encodeTail(description, entries, end);
    await writing(path, () => finish(file, tail));
    return end + tail.length;
  } finally {
    await Promise.all([file.close(), pool.close()]);
  }
}

/** Without a flush the name could outlive a power cut that the content does not. */
async function finish(file: FileHandle, tail: Uint8Array): Promise<void> {
  await file.appendFile(tail);
  await file.sync();
}

function* slices<T>(items: readonly T[], length: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += length) yield items.slice(at, at + length);
}

/** What the system says of the cache's own files becomes the user's. */
async function writing<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const full = ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(errorCode(error));
    throw new UserError(
      `can't write the cache ${path}: ${messageOf(error)}`,
      full
        ? 'The disk is full: free some space, name a folder on another disk, or leave out --cache.'
        : 'Name a folder that you may write, or leave out --cache.',
    );
  }
}

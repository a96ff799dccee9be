/** Decoded pictures in a file (--cache), so that neither a later epoch nor a later run decodes them again. */

import { createHash } from 'node:crypto';
import { join, relative, sep } from 'node:path';
import type { ImagePreprocess } from '../../../runtime/preprocess/spec.ts';
import { UserError } from '../../io/errors.ts';
import { counted } from '../../io/words.ts';
import type { Augment } from '../augment.ts';
import { loadPicture } from '../picture-source.ts';
import type { CachedPicture, Split, SplitFiles } from '../split.ts';
import { type OpenCache, readCache } from './read.ts';
import { sourceFacts } from './sources.ts';
import { type CacheContent, type WriteOptions, writeCache } from './write.ts';

/** Where decoded pictures are kept, and who is told while they are written. */
export interface CacheOptions extends WriteOptions {
  readonly folder: string;
}

/** A split that reads its pictures from a cache. The caller closes it. */
export interface CachedSplit {
  readonly split: Split;
  /** What was made, and why, in sentences for the user. */
  readonly notices: readonly string[];
  close(): Promise<void>;
}

/**
 * The split with its pictures out of the cache in `folder`, which is made first where there is none, or where it is not
 * of the files as they are now. Pictures that always get the same fit are kept fitted; with random crops they are kept
 * whole. UserErrors name what is damaged, and say where the disk has no room. @throws Interrupted
 */
export async function cachedSplit(
  split: Split,
  spec: ImagePreprocess,
  augment: Augment,
  { folder, ...options }: CacheOptions,
): Promise<CachedSplit> {
  const { files } = split;
  if (files === undefined) {
    const notices = ['--cache is of no use here: the pictures are no files of their own.'];
    return { split, notices, close: async () => undefined };
  }
  const fit = augment.crop === null ? spec : null;
  const path = join(folder, cacheName(files, fit));
  const facts = await sourceFacts(files.paths, options.signal);
  const content = { description: describe(files, fit), paths: files.paths, facts, fit };
  const { cache, notices } = await openOrWrite(path, content, options);
  return {
    split: {
      size: split.size,
      label: split.label,
      source: (i) => recordOf(cache, i, path, content),
      picture: (i) => loadPicture(recordOf(cache, i, path, content)),
      files,
    },
    notices,
    close: () => cache.file.close(),
  };
}

async function openOrWrite(
  path: string,
  content: CacheContent,
  options: WriteOptions,
): Promise<{ readonly cache: OpenCache; readonly notices: readonly string[] }> {
  const found = await readCache(path, content);
  if (found !== null && typeof found !== 'string') return { cache: found, notices: [] };
  const bytes = await writeCache(path, content, options);
  const cache = await readCache(path, content);
  if (cache === null || typeof cache === 'string')
    throw new UserError(
      `the cache ${path} is not as it was written: ${cache ?? 'it is gone'}`,
      'Does another program write into that folder? Name one of its own, or leave out --cache.',
    );
  const why = found === null ? '' : ` It was made again: ${found}.`;
  const kept = content.fit === null ? 'decoded' : 'decoded and fitted';
  const megabytes = (bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0);
  return {
    cache,
    notices: [`The cache ${path} keeps ${counted(content.paths.length, 'picture')} ${kept}, in ${megabytes} MB.${why}`],
  };
}

function recordOf(
  { file, entries, offsets }: OpenCache,
  i: number,
  cache: string,
  content: CacheContent,
): CachedPicture {
  const { width, height, checksum } = entries[i];
  return {
    kind: 'cached',
    cache,
    descriptor: file.fd,
    offset: offsets[i],
    width,
    height,
    checksum,
    fitted: content.fit !== null,
    path: content.paths[i],
  };
}

/** The same for the same part of a data set and the same fit, so that what has become of no use is replaced. */
function cacheName({ origin }: SplitFiles, fit: ImagePreprocess | null): string {
  return `${digest(JSON.stringify([origin, settings(fit)])).slice(0, 32)}.pictures`;
}

/** Counted up where a file gives other pixels than before: 2 turns PNG and WebP as their EXIF says. */
const DECODING = 2;

function describe({ origin, folder, paths }: SplitFiles, fit: ImagePreprocess | null): string {
  const names = paths.map((path) => relative(folder, path).split(sep).join('/'));
  return JSON.stringify({ origin, pictures: settings(fit), decoding: DECODING, files: digest(names.join('\n')) });
}

/** What of the preprocessing decides the pixels; they are normalized later. */
function settings(fit: ImagePreprocess | null): unknown {
  if (fit === null) return 'whole';
  const { size, resize, resample } = fit;
  return { size, resize, resample };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

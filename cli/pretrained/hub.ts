/**
 * Models by their name on the Hugging Face hub, `google-bert/bert-base-uncased` or `NAME@REVISION`. Files come into the
 * cache that all of Hugging Face's tools share (HF_HUB_CACHE, HF_HOME), in its layout: blobs/HASH,
 * snapshots/COMMIT/FILE as links to them, refs/REVISION. Everything that the hub says is checked before it becomes a
 * path; every file, by its hash.
 */
import { createHash, type Hash } from 'node:crypto';
import { copyFile, mkdir, open, readFile, rename, rm, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { Interrupted, messageOf, UserError } from '../io/errors.ts';
import { errorCode, exists, kindOf, readJson, writeError, writeFileAtomic } from '../io/files.ts';
import { throwIfInterrupted } from '../io/io.ts';
import { indexName, shardNames, WEIGHT_FORMATS } from './weight-files.ts';

/** How models are fetched; what is absent is as HF_HUB_OFFLINE and its like say. */
export interface HubOptions {
  /** Only what the cache holds; also by HF_HUB_OFFLINE=1. */
  readonly offline?: boolean;
  /** Told of each file while it comes. */
  readonly onProgress?: (file: string, doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}

interface HubName {
  readonly name: string;
  readonly revision: string;
}

/** Files beside the weights, where a model has them. */
const DESCRIPTIONS = [
  'config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'added_tokens.json',
];
/** A PEFT adapter's, whose base model lies elsewhere; the weights in the order of preference. */
const ADAPTER_CONFIG = 'adapter_config.json';
const ADAPTER_WEIGHTS = ['adapter_model.safetensors', 'adapter_model.bin'];
const COMMIT = /^[0-9a-f]{40}$/;

/**
 * The folder of a model: `nameOrPath` itself where it is on this disk or no name that the hub could have, else the
 * model's place in the cache, into which missing files are downloaded. UserErrors say whether the name, the network,
 * the access or the disk is at fault.
 */
export async function resolveModelFolder(nameOrPath: string, options: HubOptions = {}): Promise<string> {
  const named = hubName(nameOrPath);
  if (!named || (await kindOf(nameOrPath)) !== 'absent') return nameOrPath;
  const { getHFHubCachePath, getRepoFolderName } = await import('@huggingface/hub');
  const cache = join(getHFHubCachePath(), getRepoFolderName({ type: 'model', name: named.name }));
  const offline =
    options.offline || ['1', 'true', 'yes', 'on'].includes((process.env.HF_HUB_OFFLINE ?? '').toLowerCase());
  return offline ? cachedFolder(cache, named) : downloadedFolder(cache, named, options);
}

/** OWNER/NAME or OWNER/NAME@REVISION; null for anything else, which can only be a path. */
export function hubName(text: string): HubName | null {
  const segment = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}';
  const [, name, revision] =
    new RegExp(`^(${segment}/${segment})(?:@(${segment}(?:/${segment}){0,3}))?$`).exec(text) ?? [];
  if (name === undefined || name.includes('--') || name.includes('..')) return null;
  return { name, revision: revision ?? 'main' };
}

function shown({ name, revision }: HubName): string {
  return revision === 'main' ? name : `${name}@${revision}`;
}

/** The commit that a branch or tag was at when it was last asked for; null where it never was. */
async function cachedCommit(cache: string, { revision }: HubName): Promise<string | null> {
  if (COMMIT.test(revision)) return revision;
  const path = join(cache, 'refs', revision);
  if ((await kindOf(path)) !== 'file') return null;
  const commit = (await readFile(path, 'utf8')).trim();
  return COMMIT.test(commit) ? commit : null;
}

async function cachedFolder(cache: string, named: HubName): Promise<string> {
  const commit = await cachedCommit(cache, named);
  const folder = commit && join(cache, 'snapshots', commit);
  if (!folder || !(await isWhole(folder))) {
    throw new UserError(
      `${shown(named)} is neither a folder here nor whole in the cache ${cache}`,
      'Run it once without --offline, or give the path of a folder.',
    );
  }
  return folder;
}

/** Whether a snapshot has what a model needs: one that was being downloaded may not. */
async function isWhole(folder: string): Promise<boolean> {
  const hasConfig = await exists(join(folder, 'config.json'));
  if (await exists(join(folder, ADAPTER_CONFIG))) {
    const weights = await Promise.all(ADAPTER_WEIGHTS.map((file) => exists(join(folder, file))));
    if (!weights.some(Boolean)) return false;
    if (!hasConfig) return true;
  }
  if (!hasConfig) return false;
  for (const format of WEIGHT_FORMATS) {
    if (await exists(join(folder, format.file))) return true;
    const index = join(folder, indexName(format));
    if (!(await exists(index))) continue;
    const shards = shardNames(await readJson(index), index, format);
    return (await Promise.all(shards.map((shard) => exists(join(folder, shard))))).every(Boolean);
  }
  return false;
}

async function downloadedFolder(cache: string, named: HubName, options: HubOptions): Promise<string> {
  const hub = await openHub(named, options);
  const { commit, files } = await hub.list();
  const folder = join(cache, 'snapshots', commit);
  const fetched = async (file: string): Promise<string> => {
    const path = join(folder, file);
    if (!(await exists(path))) await hub.download(commit, file, cache, path);
    return path;
  };
  const adapter = files.has(ADAPTER_CONFIG) ? ADAPTER_WEIGHTS.find((file) => files.has(file)) : undefined;
  if (adapter !== undefined) for (const file of [ADAPTER_CONFIG, adapter]) await fetched(file);
  if (adapter !== undefined && !files.has('config.json')) {
    for (const file of DESCRIPTIONS) if (files.has(file)) await fetched(file);
    if (!COMMIT.test(named.revision)) await writeFileAtomic(join(cache, 'refs', named.revision), commit);
    return folder;
  }
  if (!files.has('config.json'))
    throw new UserError(`${shown(named)} has no config.json`, 'It is no model that transformers saved.');
  const format = WEIGHT_FORMATS.find((candidate) => files.has(candidate.file) || files.has(indexName(candidate)));
  if (!format)
    throw new UserError(
      `${shown(named)} has none of ${WEIGHT_FORMATS.map(({ file }) => file).join(', ')}`,
      'Other formats are not read.',
    );
  for (const file of DESCRIPTIONS) if (files.has(file)) await fetched(file);
  if (files.has(format.file)) {
    await fetched(format.file);
  } else {
    const index = await fetched(indexName(format));
    for (const shard of shardNames(await readJson(index), index, format)) await fetched(shard);
  }
  // Last, so that the name leads to what is whole.
  if (!COMMIT.test(named.revision)) await writeFileAtomic(join(cache, 'refs', named.revision), commit);
  return folder;
}

interface Hub {
  /** The commit of the revision, and the files that it has. */
  list(): Promise<{ readonly commit: string; readonly files: ReadonlySet<string> }>;
  /** Brings a file into the cache's blobs, and links `path` to it. Whole or not at all. */
  download(commit: string, file: string, cache: string, path: string): Promise<void>;
}

async function openHub(named: HubName, { onProgress, signal }: HubOptions): Promise<Hub> {
  const { downloadFile, fileDownloadInfo, HUB_URL, HubApiError, modelInfo } = await import('@huggingface/hub');
  const hubUrl = (process.env.HF_ENDPOINT || HUB_URL).replace(/\/+$/, '');
  const accessToken = await hubToken();
  const access = {
    hubUrl,
    ...(accessToken ? { accessToken } : {}),
    fetch: ((input, init) => {
      const request = new Request(input, { ...init, signal });
      // Large files lie on other hosts, which have no business with the token.
      if (new URL(request.url).origin !== new URL(hubUrl).origin) request.headers.delete('authorization');
      return fetch(request);
    }) as typeof fetch,
  };
  const repo = { type: 'model', name: named.name } as const;

  /** Runs what speaks with the hub; what goes wrong becomes an error for the user. */
  async function asked<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      if (signal) throwIfInterrupted(signal);
      return await run();
    } catch (error) {
      if (signal?.aborted) throw new Interrupted('interrupted');
      if (error instanceof UserError) throw error;
      if (error instanceof HubApiError) throw refused(named, hubUrl, error.statusCode, accessToken !== null);
      throw new UserError(
        `can't get ${what} from ${hubUrl}: ${causeOf(error)}`,
        `There is no folder ${shown(named)} here, so it was asked for there. Check the name, or the network; --offline takes what an ` +
          'earlier run brought into the cache.',
      );
    }
  }

  return {
    list: () =>
      asked(shown(named), async () => {
        const { sha, filePaths } = await modelInfo({
          ...access,
          name: named.name,
          revision: named.revision,
          additionalFields: ['sha', 'filePaths'],
        });
        if (typeof sha !== 'string' || !COMMIT.test(sha))
          throw new Error(`expected a commit, got ${JSON.stringify(sha)}`);
        return { commit: sha, files: new Set(filePaths.filter((file) => typeof file === 'string')) };
      }),
    async download(commit, file, cache, path) {
      const what = `${file} of ${shown(named)}`;
      const info = await asked(what, () => fileDownloadInfo({ ...access, repo, path: file, revision: commit }));
      if (!info) throw new UserError(`${what} is not there, though the hub lists it`, 'Try again.');
      const hash = info.etag.replace(/^W\//, '').replace(/^"(.*)"$/, '$1');
      if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash))
        throw new UserError(`can't get ${what} from ${hubUrl}: expected a hash as ETag, got ${JSON.stringify(hash)}`);
      const blob = join(cache, 'blobs', hash);
      if (!(await exists(blob))) {
        // One transfer over plain HTTPS: xet's pieces come from another host, by another protocol.
        const content = await asked(what, async () =>
          (await downloadFile({
            ...access,
            repo,
            path: file,
            revision: commit,
            downloadInfo: info,
            xet: false,
          }))!.stream(),
        );
        await saveBlob(
          blob,
          hash,
          info.size,
          what,
          (run) => asked(what, run),
          content,
          (done) => onProgress?.(file, done, info.size),
        );
      }
      await link(blob, path);
    },
  };
}

/** Writes a stream beside `blob` under another name, checks its bytes and their hash, then renames it. */
async function saveBlob(
  blob: string,
  hash: string,
  size: number,
  what: string,
  asked: <T>(run: () => Promise<T>) => Promise<T>,
  content: ReadableStream<Uint8Array>,
  onBytes: (done: number) => void,
): Promise<void> {
  const temporary = `${blob}.${process.pid}.incomplete`;
  try {
    const digest = digestOf(hash, size);
    await mkdir(dirname(blob), { recursive: true }).catch(failedWrite(blob));
    const file = await open(temporary, 'w').catch(failedWrite(blob));
    let done = 0;
    try {
      const reader = content.getReader();
      for (;;) {
        const { done: ended, value } = await asked(() => reader.read());
        if (ended) break;
        done += value.length;
        if (done > size) break;
        digest.update(value);
        await file.writeFile(value).catch(failedWrite(blob));
        onBytes(done);
      }
      await file.sync().catch(failedWrite(blob));
    } finally {
      await file.close();
    }
    if (done !== size)
      throw new UserError(
        `${what}: expected ${size} bytes, got ${done > size ? 'more' : done}`,
        'The connection broke: try again.',
      );
    if (digest.digest('hex') !== hash)
      throw new UserError(
        `${what}: its bytes are not those of the hash ${hash}`,
        'Try again; something between here and the hub changed them.',
      );
    await rename(temporary, blob).catch(failedWrite(blob));
  } catch (error) {
    // The user must see why it failed, also where there is nothing to clean up.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** The hub names large files by their SHA-256, and others as git does. */
function digestOf(hash: string, size: number): Hash {
  return hash.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

function failedWrite(path: string): (error: unknown) => never {
  return (error) => {
    throw writeError(path, error);
  };
}

/** A link, or a copy where there are none (Windows without the right to make them). */
async function link(blob: string, path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await symlink(relative(dirname(path), blob), path);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return;
    if (errorCode(error) !== 'EPERM') throw writeError(path, error);
    await copyFile(blob, path).catch(failedWrite(path));
  }
}

/**
 * As huggingface_hub finds it: HF_TOKEN, then the file that `hf auth login` wrote. It goes to the hub and nowhere else.
 */
async function hubToken(): Promise<string | null> {
  const { HF_TOKEN, HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME } = process.env;
  const path =
    HF_TOKEN_PATH || join(HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface'), 'token');
  const token = (HF_TOKEN || ((await kindOf(path)) === 'file' ? await readFile(path, 'utf8') : '')).trim();
  if (token === '') return null;
  if (!/^hf_[\x21-\x7e]+$/.test(token))
    throw new UserError(
      `the Hugging Face token in ${HF_TOKEN ? 'HF_TOKEN' : path} does not begin with hf_`,
      'Make one at https://huggingface.co/settings/tokens.',
    );
  return token;
}

function refused(named: HubName, hubUrl: string, status: number, hasToken: boolean): UserError {
  const { name } = named;
  const token = hasToken ? 'The token in use may not read it.' : 'Set HF_TOKEN where it is private.';
  switch (status) {
    case 401:
      return new UserError(
        `${shown(named)} is no folder here, and ${hubUrl} has no such model or shows it to others only (401)`,
        token,
      );
    case 403:
      return new UserError(
        `${hubUrl} does not give ${shown(named)} to everybody (403)`,
        `Accept its terms at ${hubUrl}/${name}${hasToken ? '' : ', and set HF_TOKEN'}.`,
      );
    case 404:
      return new UserError(
        `${shown(named)} is no folder here, and ${hubUrl} has no such model or revision (404)`,
        'Check the name; a model on this disk is given by its path.',
      );
    case 429:
      return new UserError(
        `${hubUrl} takes no more requests for now (429)`,
        hasToken ? 'Try again later.' : 'Try again later, or set HF_TOKEN.',
      );
    default:
      return new UserError(
        `${hubUrl} answered ${status} when asked for ${shown(named)}`,
        'Try again later; --offline takes what an earlier run brought into the cache.',
      );
  }
}

/** What stopped a request: fetch says only "fetch failed", and why in its cause. */
function causeOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : {};
  return cause instanceof Error ? errorCode(cause) || cause.message : messageOf(error);
}

/** The wrangler project of an artifact: a worker's modules and its configuration. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Artifact } from '../../../runtime/artifact/artifact.ts';
import { bytesLeft, ISOLATE, pixelsLeft } from '../../../runtime/hosts/memory.ts';
import { settingsOf } from '../../../runtime/hosts/settings.ts';
import type { AppOptions } from '../../../runtime/http/app.ts';
import { openArtifact } from '../../io/artifact.ts';
import { builtAsset } from '../../io/assets.ts';
import { UserError } from '../../io/errors.ts';
import type { DeployFiles } from '../folder.ts';
import { type BucketObject, cloudflareReadme } from './readme.ts';

/** The one that the tests run. */
export const WRANGLER_VERSION = '4.164.0';
/** Fixes how workerd behaves, whatever version Cloudflare runs. */
const COMPATIBILITY_DATE = '2026-11-01';

/**
 * What Cloudflare and wrangler take at most: https://developers.cloudflare.com/workers/platform/limits/ and wrangler's
 * source, read in November 2026. Before September 2026 it was the size after gzip that counted: 3 MB on the free plan,
 * 10 MB on the paid one.
 */
const LIMITS = {
  /** All modules together, as they are. */
  workerBytes: 64 * 1024 ** 2,
  /** What `wrangler r2 object put` sends. */
  objectBytes: 300 * 1024 ** 2,
} as const;

/** A model whose isolate has no room for pictures of so many pixels is of no use. */
const LEAST_PIXELS = 500_000;

/** Where the worker finds its artifact: among its modules, or in a bucket of R2, which accounts have to switch on. */
export type WorkerArtifactPlace = 'module' | 'bucket';

/** What the worker is called, and what it is told by its variables. Absent limits are the app's defaults. */
export interface CloudflareSettings {
  readonly name: string;
  readonly access: Pick<AppOptions, 'tokenDigest' | 'ratePerMinute' | 'corsOrigins' | 'maxBodyBytes' | 'deadlineMs'>;
  /** A module unless told. */
  readonly place?: WorkerArtifactPlace;
}

/** A folder that wrangler deploys as it is. */
export interface CloudflareProject {
  readonly files: DeployFiles;
  /** What has to be in R2 before the worker is deployed; `key` is the file's name, too. */
  readonly object: BucketObject | null;
}

/** All files of the project. @throws UserError where the artifact is none, or too large for a worker */
export async function cloudflareProject(
  artifactPath: string,
  { name, access, place = 'module' }: CloudflareSettings,
): Promise<CloudflareProject> {
  const artifact = await openArtifact(artifactPath);
  expectRoom(artifact);
  const bytes = new Uint8Array(await readFile(artifactPath));
  const object =
    place === 'bucket'
      ? { bucket: `slim-${name}`, key: `model-${createHash('sha256').update(bytes).digest('hex')}.slim` }
      : null;
  const modules: DeployFiles = {
    'worker.mjs': await built(object ? 'from-bucket.mjs' : 'from-module.mjs'),
    ...(await builtModules(artifact.manifest.task)),
    ...(object ? {} : { 'model.slim': bytes }),
  };
  expectBelow(
    object ? bytes.length : sizeOf(modules),
    object ? LIMITS.objectBytes : LIMITS.workerBytes,
    object ? 'what wrangler sends to R2' : 'a worker',
  );
  const configuration = wranglerConfiguration(name, Object.keys(modules), settingsOf(access), object);
  const files = {
    ...modules,
    ...(object && { [object.key]: bytes }),
    'wrangler.jsonc': json(configuration),
    'package.json': json(packageJson(name)),
    'README.md': cloudflareReadme(name, artifact.manifest.task, object),
  };
  return { files, object };
}

/** An artifact, the engine's copy of it and a picture have to be in an isolate's memory together. */
function expectRoom(artifact: Artifact): void {
  const isText = artifact.manifest.task === 'text-classification';
  if (isText ? bytesLeft(artifact, ISOLATE) >= 0 : pixelsLeft(artifact, ISOLATE) >= LEAST_PIXELS) return;
  throw new UserError(
    `an artifact of ${artifact.fileBytes} bytes is too large for a worker, whose memory is 128 MB`,
    'Compress it further (--rank, slim quantize), or deploy it elsewhere: --to lambda, --to node.',
  );
}

function expectBelow(bytes: number, most: number, what: string): void {
  if (bytes > most)
    throw new UserError(
      `${bytes} bytes are too much for ${what}: at most ${most}`,
      'Compress it further, or deploy it elsewhere: --to lambda, --to node.',
    );
}

async function builtModules(task: Artifact['manifest']['task']): Promise<DeployFiles> {
  const codecs = task === 'text-classification' ? [] : ['codec-jpeg.wasm', 'codec-png.wasm', 'codec-webp.wasm'];
  const names = ['kernels-relaxed-pairs.wasm', ...codecs, 'page.html'];
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await built(name)] as const)));
}

async function built(name: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(builtAsset(`edge-worker/${name}`)));
}

function sizeOf(files: DeployFiles): number {
  return Object.values(files).reduce((sum, content) => sum + content.length, 0);
}

/** https://developers.cloudflare.com/workers/wrangler/configuration/ */
function wranglerConfiguration(
  name: string,
  modules: readonly string[],
  settings: Readonly<Record<string, string>>,
  object: BucketObject | null,
): object {
  // By name: what somebody installs beside them is no module.
  const rule = (type: string, extension: string): object => ({
    type,
    globs: modules.filter((module) => module.endsWith(extension)),
    fallthrough: false,
  });
  return {
    $schema: 'node_modules/wrangler/config-schema.json',
    name,
    main: 'worker.mjs',
    compatibility_date: COMPATIBILITY_DATE,
    no_bundle: true,
    find_additional_modules: true,
    rules: [rule('CompiledWasm', '.wasm'), rule('Text', '.html'), ...(object ? [] : [rule('Data', '.slim')])],
    workers_dev: true,
    preview_urls: false,
    vars: { ...settings, ...(object && { ARTIFACT_KEY: object.key }) },
    ...(object && { r2_buckets: [{ binding: 'ARTIFACT', bucket_name: object.bucket }] }),
    observability: { enabled: true },
  };
}

function packageJson(name: string): object {
  return {
    name,
    private: true,
    type: 'module',
    engines: { node: '>=22.12' },
    scripts: { deploy: 'wrangler deploy', dev: 'wrangler dev' },
    devDependencies: { wrangler: WRANGLER_VERSION },
  };
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

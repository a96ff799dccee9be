/**
 * A stand-in for Cloudflare's API, as far as wrangler asks it: one account, its workers and buckets of R2, kept as they
 * were sent. It refuses whoever has no token or another, and fails on demand. https://developers.cloudflare.com/api/
 */
import type { IncomingMessage } from 'node:http';
import { bodyOf, serveLoopback } from './aws/loopback.ts';
import type { WorkerModule, WorkerOptions } from './miniflare.ts';

export const API_TOKEN = 'cloudflare-token-of-a-test';
const ACCOUNT = '0123456789abcdef0123456789abcdef';
const SUBDOMAIN = 'someone';

/** What wrangler sent of a worker: metadata and modules of the multipart upload. */
export interface UploadedWorker {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly modules: readonly WorkerModule[];
}

/** Goes wrong where method and path match. */
export interface ApiFault {
  readonly method: string;
  readonly path: RegExp;
  readonly status: number;
  readonly code: number;
  readonly message: string;
}

export interface CloudflareApi {
  /** For CLOUDFLARE_API_BASE_URL. */
  readonly url: string;
  readonly workers: ReadonlyMap<string, UploadedWorker>;
  readonly buckets: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;
  /** `METHOD /path` of every request, without the account. */
  readonly requests: readonly string[];
  fault: ApiFault | null;
  /** `wrangler`, `dash` or `api`: who changed a worker last. */
  readonly lastDeployedFrom: { value: string };
  close(): Promise<void>;
}

/** What is answered: a result, or an error with its number. */
type Reply =
  | { readonly result: unknown }
  | { readonly status: number; readonly code: number; readonly message: string };

interface State {
  readonly workers: Map<string, UploadedWorker>;
  /** Of workers that were there, uploaded and not yet served. */
  readonly versions: UploadedWorker[];
  /** What Cloudflare says of who changed a worker last. */
  readonly lastDeployedFrom: { value: string };
  readonly buckets: Map<string, Map<string, Uint8Array>>;
}

const versionId = (index: number): string => `00000000-0000-4000-8000-${`${index}`.padStart(12, '0')}`;
const ok = (result: unknown): Reply => ({ result });
const missing = (code: number): Reply => ({ status: 404, code, message: 'This does not exist.' });

export async function startCloudflareApi(): Promise<CloudflareApi> {
  const state: State = {
    workers: new Map(),
    buckets: new Map(),
    versions: [],
    lastDeployedFrom: { value: 'wrangler' },
  };
  const requests: string[] = [];
  const server = await serveLoopback(async (request, response) => {
    const body = await bodyOf(request);
    const { pathname } = new URL(request.url!, 'http://api');
    const path = pathname.replace(/^\/client\/v4/, '').replace(`/accounts/${ACCOUNT}`, '');
    requests.push(`${request.method} ${path}`);
    const { fault } = api;
    const refused =
      request.headers.authorization === `Bearer ${API_TOKEN}`
        ? null
        : { status: 403, code: 9109, message: 'Invalid access token' };
    const failing = fault !== null && fault.method === request.method && fault.path.test(path) ? fault : null;
    const reply = refused ?? failing ?? (await answer(state, request, path, body));
    const failed = 'status' in reply;
    response.writeHead(failed ? reply.status : 200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        success: !failed,
        errors: failed ? [{ code: reply.code, message: reply.message }] : [],
        messages: [],
        result: failed ? null : reply.result,
      }),
    );
  });
  const api: CloudflareApi = { ...state, requests, url: `${server.url}/client/v4`, fault: null, close: server.close };
  return api;
}

/** By method and path. */
async function answer(state: State, request: IncomingMessage, path: string, body: Buffer): Promise<Reply> {
  const { workers, buckets } = state;
  const [, area, kind, name, ...rest] = path.split('/');
  const call = `${request.method} /${[area, kind].filter(Boolean).join('/')}`;
  switch (call) {
    case 'GET /accounts':
      return ok([{ id: ACCOUNT, name: 'Account of a test' }]);
    case 'GET /memberships':
      return ok([{ id: 'membership', account: { id: ACCOUNT, name: 'Account of a test' } }]);
    case 'GET /workers/subdomain':
      return ok({ subdomain: SUBDOMAIN });
    case 'GET /workers/services':
      return workers.has(name)
        ? ok({
            id: name,
            default_environment: {
              environment: 'production',
              script: { tag: 'tag', last_deployed_from: state.lastDeployedFrom.value },
            },
          })
        : missing(10090);
    case 'GET /workers/workers':
      return workers.has(name)
        ? ok({ id: name, name, subdomain: { enabled: true, previews_enabled: false } })
        : missing(10007);
    case 'GET /workers/scripts':
      return workers.has(name)
        ? ok(rest[0] === 'deployments' ? { deployments: [] } : rest[0] === 'settings' ? { bindings: [] } : [])
        : missing(10007);
    // A new version of a worker that is there, which a deployment then makes the one that serves.
    case 'POST /workers/scripts':
      if (rest[0] === 'versions') state.versions.push(await readUpload(request, body));
      if (rest[0] === 'deployments') workers.set(name, state.versions.at(-1)!);
      return ok(
        rest[0] === 'versions'
          ? { id: versionId(state.versions.length), startup_time_ms: 3, resources: { script: { etag: 'etag' } } }
          : { enabled: true, previews_enabled: false },
      );
    case 'PATCH /workers/scripts':
      return ok({});
    case 'PUT /workers/scripts':
      workers.set(name, await readUpload(request, body));
      return ok({
        id: name,
        tag: 'tag',
        etag: 'etag',
        startup_time_ms: 3,
        entry_point: 'worker.mjs',
        available_on_subdomain: true,
        deployment_id: versionId(0),
      });
    case 'POST /r2/buckets':
      return makeBucket(buckets, (JSON.parse(body.toString()) as { name: string }).name);
    case 'GET /r2/buckets':
      return buckets.has(name) ? ok({ name, creation_date: '2026-11-01T00:00:00.000Z' }) : missing(10006);
    case 'PUT /r2/buckets':
      if (!buckets.has(name) || rest[0] !== 'objects') return missing(10006);
      buckets.get(name)!.set(decodeURIComponent(rest.slice(1).join('/')), body);
      return ok({});
    default:
      return missing(7003);
  }
}

function makeBucket(buckets: State['buckets'], name: string): Reply {
  if (buckets.has(name))
    return { status: 409, code: 10004, message: 'The bucket you tried to create already exists, and you own it.' };
  buckets.set(name, new Map());
  return ok({ name });
}

const MODULE_TYPES: Readonly<Record<string, WorkerModule['type']>> = {
  'application/javascript+module': 'esm',
  'application/wasm': 'wasm',
  'application/octet-stream': 'data',
  'text/plain': 'text',
};

/** https://developers.cloudflare.com/workers/configuration/multipart-upload-metadata/ */
async function readUpload(request: IncomingMessage, body: Buffer): Promise<UploadedWorker> {
  const form = await new Response(new Uint8Array(body), {
    headers: { 'content-type': request.headers['content-type']! },
  }).formData();
  const metadata = JSON.parse(form.get('metadata') as string) as Record<string, unknown>;
  const files = [...form.values()].filter((value) => typeof value !== 'string');
  const modules = await Promise.all(
    files.map(async (file) => ({
      name: file.name,
      type: MODULE_TYPES[file.type],
      content: new Uint8Array(await file.arrayBuffer()),
    })),
  );
  return { metadata, modules };
}

/** What Cloudflare would run of what it was sent. */
export function workerOptionsOf({ workers, buckets }: CloudflareApi, name: string): WorkerOptions {
  const { metadata, modules } = workers.get(name)!;
  const bindings = metadata.bindings as readonly { name: string; type: string; text?: string; bucket_name?: string }[];
  const main = modules.find((module) => module.name === metadata.main_module)!;
  return {
    modules: [main, ...modules.filter((module) => module !== main)],
    compatibilityDate: metadata.compatibility_date as string,
    bindings: Object.fromEntries(
      bindings.map(({ name, type, text, bucket_name: bucket }) => [
        name,
        type === 'r2_bucket'
          ? { bucket: bucket!, objects: buckets.get(bucket!) ?? new Map<string, Uint8Array>() }
          : text!,
      ]),
    ),
  };
}

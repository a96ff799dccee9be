/**
 * `slim deploy --to cloudflare`: wrangler itself deploys to a stand-in for Cloudflare's API, and what it sent there,
 * byte for byte, answers in workerd.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import {
  type CloudflareDeployed,
  type CloudflareDeployment,
  deployCloudflare,
} from '../../cli/deploy/cloudflare/deployment.ts';
import { cloudflareProject } from '../../cli/deploy/cloudflare/project.ts';
import { findWrangler } from '../../cli/deploy/cloudflare/wrangler.ts';
import { openArtifact } from '../../cli/io/artifact.ts';
import { openClassifier } from '../../cli/io/classifier.ts';
import type { Io } from '../../cli/io/io.ts';
import { writeArtifact } from '../../runtime/artifact/artifact.ts';
import { readSafetensors } from '../../runtime/artifact/safetensors.ts';
import { ISOLATE, pixelsLeft } from '../../runtime/hosts/memory.ts';
import { skipNote } from '../contract/hosts/installed.ts';
import { API_TOKEN, type CloudflareApi, startCloudflareApi, workerOptionsOf } from '../support/cloudflare-api.ts';
import { miniflareAbsent, type RunningWorker, startMiniflare } from '../support/miniflare.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { wranglerAbsent, writeStubWrangler, writeWrangler } from '../support/wrangler.ts';
import { writePictureArtifact, writeTextArtifact } from './artifacts.ts';

const root = temporaryFolder();
const TOKEN = 'a-token-that-nobody-guesses';
const absent = wranglerAbsent ?? miniflareAbsent;
const tokenDigest = createHash('sha256').update(TOKEN).digest('hex');

let pictures: string;
let texts: string;
let wrangler: string;

beforeAll(async () => {
  [pictures, texts] = await Promise.all([writePictureArtifact(root), writeTextArtifact(root)]);
  mkdirSync(join(root, 'bin'));
  if (absent === null) wrangler = writeWrangler(join(root, 'bin'));
});

interface Deployed {
  readonly deployed: CloudflareDeployed;
  readonly worker: RunningWorker | null;
  readonly stderr: string;
}

/** Deploys, and lets Cloudflare's network begin to run what it has when it is asked first. */
async function deploy(
  api: CloudflareApi,
  artifact: string,
  settings: Partial<CloudflareDeployment> = {},
): Promise<Deployed> {
  let worker: RunningWorker | null = null;
  let stderr = '';
  const network = async (input: unknown, init?: RequestInit): Promise<Response> => {
    const url = new URL(input as string);
    expect(url.host).toBe('cats.someone.workers.dev');
    worker ??= await startMiniflare(workerOptionsOf(api, 'cats'));
    return fetch(`${worker.url}${url.pathname}`, init);
  };
  onTestFinished(() => worker?.stop());
  const io: Io = {
    stdout: { write: () => undefined },
    stderr: { write: (text: string) => (stderr += text) },
    signal: new AbortController().signal,
  };
  const deployed = await deployCloudflare(
    artifact,
    { name: 'cats', access: {}, wrangler, fetch: network as typeof fetch, patienceMs: 2000, ...settings },
    io,
  );
  return { deployed, worker, stderr };
}

let api: CloudflareApi;

beforeEach(async () => {
  api = await startCloudflareApi();
  const before = { ...process.env };
  Object.assign(process.env, { CLOUDFLARE_API_BASE_URL: api.url, CLOUDFLARE_API_TOKEN: API_TOKEN });
  return async () => {
    process.env = before;
    await api.close();
  };
});

describe('the project', () => {
  it('is the same for the same input, and holds all that wrangler needs', async () => {
    const access = {
      tokenDigest,
      ratePerMinute: 60,
      corsOrigins: ['https://a.example'],
      maxBodyBytes: 1_000_000,
      deadlineMs: 5000,
    };
    const { files, object } = await cloudflareProject(pictures, { name: 'cats', access });
    expect((await cloudflareProject(pictures, { name: 'cats', access })).files).toEqual(files);
    expect(object).toBeNull();
    expect(Object.keys(files).sort()).toEqual([
      'README.md',
      'codec-jpeg.wasm',
      'codec-png.wasm',
      'codec-webp.wasm',
      'kernels-relaxed-pairs.wasm',
      'model.slim',
      'package.json',
      'page.html',
      'worker.mjs',
      'wrangler.jsonc',
    ]);
    expect(files['model.slim']).toEqual(new Uint8Array(readFileSync(pictures)));
    expect(JSON.parse(files['wrangler.jsonc'] as string)).toMatchObject({
      name: 'cats',
      main: 'worker.mjs',
      no_bundle: true,
      workers_dev: true,
      observability: { enabled: true },
      compatibility_date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
      vars: {
        SLIM_TOKEN_SHA256: tokenDigest,
        SLIM_RATE_LIMIT: '60',
        SLIM_CORS_ORIGINS: 'https://a.example',
        SLIM_MAX_BODY_BYTES: '1000000',
        SLIM_DEADLINE_MS: '5000',
      },
    });
    expect(JSON.parse(files['package.json'] as string)).toMatchObject({ devDependencies: { wrangler: '4.164.0' } });
  });

  it('for texts has no codecs', async () => {
    const { files } = await cloudflareProject(texts, { name: 'cats', access: {} });
    expect(Object.keys(files).filter((name) => name.startsWith('codec'))).toEqual([]);
  });

  it('with a bucket has the artifact under its digest, for R2 and not among the modules', async () => {
    const { files, object } = await cloudflareProject(pictures, { name: 'cats', access: {}, place: 'bucket' });
    const key = `model-${createHash('sha256').update(readFileSync(pictures)).digest('hex')}.slim`;
    expect(object).toEqual({ bucket: 'slim-cats', key });
    expect(files[key]).toEqual(new Uint8Array(readFileSync(pictures)));
    expect(files['model.slim']).toBeUndefined();
    expect(JSON.parse(files['wrangler.jsonc'] as string)).toMatchObject({
      r2_buckets: [{ binding: 'ARTIFACT', bucket_name: 'slim-cats' }],
      vars: { ARTIFACT_KEY: key },
    });
    expect(files['README.md']).toContain(`npx wrangler r2 object put slim-cats/${key} --file ${key} --remote`);
  });
});

describe.skipIf(absent !== null)(`wrangler deploys${skipNote(absent)}`, () => {
  it('a worker for pictures that answers as this machine does', async () => {
    const { deployed, worker, stderr } = await deploy(api, pictures, { access: { tokenDigest }, token: TOKEN });
    expect(deployed).toEqual({
      name: 'cats',
      versionId: '00000000-0000-4000-8000-000000000000',
      url: 'https://cats.someone.workers.dev',
      checked: true,
    });
    const { modules } = api.workers.get('cats')!;
    const { files } = await cloudflareProject(pictures, { name: 'cats', access: { tokenDigest } });
    expect(modules.map(({ name }) => name).sort()).toEqual([
      'codec-jpeg.wasm',
      'codec-png.wasm',
      'codec-webp.wasm',
      'kernels-relaxed-pairs.wasm',
      'model.slim',
      'page.html',
      'worker.mjs',
    ]);
    for (const { name, content } of modules)
      expect(Buffer.from(content).equals(Buffer.from(files[name])), name).toBe(true);

    const picture = new Uint8Array(
      await sharp({ create: { width: 40, height: 30, channels: 3, background: '#a04020' } })
        .webp()
        .toBuffer(),
    );
    const ask = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${worker!.url}/v1/predict`, {
        method: 'POST',
        headers: { 'content-type': 'image/webp', ...headers },
        body: picture,
      });
    expect((await ask({})).status).toBe(401);
    const classifier = await openClassifier(pictures);
    const { predictions } = await classifier.classify(picture, 5);
    expect(await (await ask({ authorization: `Bearer ${TOKEN}` })).json()).toEqual({
      predictions: predictions.map(({ label, score }) => ({ label, score: expect.closeTo(score, 12) })),
      latencyMs: expect.any(Number),
    });
    expect(worker!.log()).toContain('"route":"/v1/predict","status":401');
    expect(stderr).toContain('Uploaded cats');
    expect(stderr).not.toContain(API_TOKEN);
    expect(stderr).not.toContain(TOKEN);
  });

  it('a worker for texts', async () => {
    const { deployed, worker } = await deploy(api, texts);
    expect(deployed.checked).toBe(true);
    const answers = await Promise.all(
      Array.from({ length: 3 }, () =>
        fetch(`${worker!.url}/`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"inputs":"not a good film"}',
        }),
      ),
    );
    for (const answer of answers) expect(answer.status).toBe(200);
  });

  it('an artifact in R2: the bucket first, then the object, then the worker; again, to the bucket that is there', {
    timeout: 180_000,
  }, async () => {
    const { deployed, worker } = await deploy(api, texts, { place: 'bucket' });
    expect(deployed.checked).toBe(true);
    const key = `model-${createHash('sha256').update(readFileSync(texts)).digest('hex')}.slim`;
    expect([...api.buckets.get('slim-cats')!.keys()]).toEqual([key]);
    expect(Buffer.from(api.buckets.get('slim-cats')!.get(key)!).equals(readFileSync(texts))).toBe(true);
    const writes = (): string[] => api.requests.filter((request) => !request.startsWith('GET'));
    expect(writes().slice(0, 3)).toEqual([
      'POST /r2/buckets',
      `PUT /r2/buckets/slim-cats/objects/${key}`,
      'PUT /workers/scripts/cats',
    ]);
    expect((await fetch(`${worker!.url}/readyz`)).status).toBe(200);
    expect((await deploy(api, texts, { place: 'bucket' })).deployed).toMatchObject({
      checked: true,
      versionId: '00000000-0000-4000-8000-000000000001',
    });
    expect(writes().slice(-5)).toEqual(
      expect.arrayContaining(['POST /workers/scripts/cats/versions', 'POST /workers/scripts/cats/deployments']),
    );
  });
});

describe.skipIf(absent !== null)(`what goes wrong is told with what to do${skipNote(absent)}`, () => {
  const failing = (settings?: Partial<CloudflareDeployment>): Promise<unknown> =>
    deploy(api, texts, settings).then(
      () => 'it succeeded',
      (error: unknown) => error,
    );

  it('a token that is refused', async () => {
    process.env.CLOUDFLARE_API_TOKEN = 'another';
    expect(await failing()).toMatchObject({
      name: 'UserError',
      message: expect.stringContaining('wrangler deploy failed'),
      hint: expect.stringContaining('Set CLOUDFLARE_API_TOKEN'),
    });
  });

  it('no token', async () => {
    delete process.env.CLOUDFLARE_API_TOKEN;
    expect(await failing()).toMatchObject({
      name: 'UserError',
      hint: expect.stringContaining('Set CLOUDFLARE_API_TOKEN'),
    });
  });

  it('a permission that is missing', async () => {
    api.fault = {
      method: 'PUT',
      path: /^\/workers\/scripts/,
      status: 403,
      code: 10000,
      message: 'Authentication error',
    };
    expect(await failing()).toMatchObject({
      name: 'UserError',
      message: expect.stringContaining('Authentication error'),
      hint: expect.stringContaining('edit Workers'),
    });
  });

  it('an API that fails', async () => {
    api.fault = { method: 'PUT', path: /^\/workers\/scripts/, status: 500, code: 10013, message: 'Internal error' };
    expect(await failing()).toMatchObject({
      name: 'UserError',
      hint: expect.stringContaining("Cloudflare's API failed"),
    });
  });

  it('a worker that somebody else changed', async () => {
    await deploy(api, texts);
    api.lastDeployedFrom.value = 'api';
    expect(await failing()).toMatchObject({
      name: 'UserError',
      message: expect.stringContaining('because of conflicts'),
      hint: expect.stringContaining('choose another --name'),
    });
  });

  it('a worker that is too large for the account', async () => {
    api.fault = {
      method: 'PUT',
      path: /^\/workers\/scripts/,
      status: 413,
      code: 10027,
      message: 'workers.api.error.script_too_large',
    };
    expect(await failing()).toMatchObject({
      name: 'UserError',
      hint: expect.stringContaining('keep the artifact in R2'),
    });
  });

  it('R2 that is not switched on', async () => {
    api.fault = {
      method: 'POST',
      path: /^\/r2\/buckets/,
      status: 403,
      code: 10042,
      message: 'Please enable R2 through the Cloudflare Dashboard.',
    };
    expect(await failing({ place: 'bucket' })).toMatchObject({
      name: 'UserError',
      message: expect.stringContaining('wrangler r2 bucket create failed'),
      hint: expect.stringContaining('switched on'),
    });
    expect(api.workers.size).toBe(0);
  });

  it('a network that is down', async () => {
    await api.close();
    const refused = await failing();
    api = await startCloudflareApi(); // to be closed afterwards
    expect(refused).toMatchObject({ name: 'UserError', hint: expect.stringContaining('Check the network') });
  });
});

describe('around wrangler', () => {
  const url = 'https://cats.someone.workers.dev';
  const tmp = join(root, 'tmp');

  beforeAll(() => {
    mkdirSync(tmp);
  });

  /** Deploys with a program that only says that it did; nothing may be left of it. */
  async function deployWith(
    program: string,
    settings: Partial<CloudflareDeployment> = {},
    signal = new AbortController().signal,
  ): Promise<unknown> {
    const { TMPDIR } = process.env;
    process.env.TMPDIR = tmp;
    const io: Io = { stdout: { write: () => undefined }, stderr: { write: () => undefined }, signal };
    try {
      return await deployCloudflare(
        texts,
        { name: 'cats', access: {}, wrangler: program, patienceMs: 400, ...settings },
        io,
      ).catch((error: unknown) => error);
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
      expect(readdirSync(tmp).filter((name) => name.startsWith('slim-'))).toEqual([]);
    }
  }

  const modelOf = async (): Promise<Response> => Response.json({ digest: (await openClassifier(texts)).info.digest });
  const stub = (name: string, script?: string): string => writeStubWrangler(root, name, [url], script);

  it('a worker that answers something else is told, and how to go back', async () => {
    const other: typeof fetch = async (input) =>
      (input as string).endsWith('/v1/model') ? modelOf() : Response.json({ predictions: [{ label: 'a', score: 1 }] });
    expect(await deployWith(stub('other'), { fetch: other })).toMatchObject({
      name: 'UserError',
      message: expect.stringContaining(
        'cats is deployed, but failed its smoke request: it answered [{"label":"a","score":1}]',
      ),
      hint: expect.stringContaining('npx wrangler rollback --name cats'),
    });
  });

  it('a worker that goes on serving another artifact is told, too, and one that is not there', async () => {
    expect(
      await deployWith(stub('before'), { fetch: async () => Response.json({ digest: 'sha256:0' }) }),
    ).toMatchObject({ message: expect.stringMatching(/serves sha256:0, expected sha256:[0-9a-f]{64}/) });
    const gone: typeof fetch = async () => {
      throw new Error('getaddrinfo ENOTFOUND');
    };
    expect(await deployWith(stub('gone'), { fetch: gone })).toMatchObject({
      message: expect.stringContaining('serves getaddrinfo ENOTFOUND'),
    });
  });

  it('a worker whose token nobody gave is not asked', async () => {
    const never: typeof fetch = () => expect.unreachable();
    expect(await deployWith(stub('closed'), { access: { tokenDigest }, fetch: never })).toEqual({
      name: 'cats',
      versionId: 'v1',
      url,
      checked: false,
    });
  });

  it('an interrupt ends wrangler', async () => {
    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort(), 300);
    expect(await deployWith(stub('slow', 'exec sleep 30'), {}, interrupt.signal)).toMatchObject({
      name: 'Interrupted',
    });
  });

  it('a program that is not there', async () => {
    expect(await deployWith(join(root, 'nothing'))).toMatchObject({
      name: 'UserError',
      message: expect.stringContaining('is not there'),
      hint: expect.stringContaining('npm install wrangler'),
    });
  });

  it('a program that writes secrets is not repeated', async () => {
    let stderr = '';
    const io: Io = {
      stdout: { write: () => undefined },
      stderr: { write: (text: string) => (stderr += text) },
      signal: new AbortController().signal,
    };
    const leaky = writeStubWrangler(
      root,
      'leaky',
      [],
      'printf "token: %s \\033]0;title\\007\\033[31mred\\n" "$CLOUDFLARE_API_TOKEN"',
    );
    await deployCloudflare(texts, { name: 'cats', access: {}, wrangler: leaky }, io);
    expect(stderr).toBe('token: *** \uFFFD]0;title\uFFFDred\n');
  });

  it('Node below 22 is told before anything is sent', async () => {
    const found = findWrangler(undefined);
    await (Number(process.versions.node.split('.')[0]) < 22
      ? expect(found).rejects.toMatchObject({
          name: 'UserError',
          message: expect.stringContaining('wrangler needs Node 22'),
        })
      : expect(found).resolves.toBeTruthy());
  });
});

it('an artifact that an isolate has no memory for is refused', async () => {
  const small = await openArtifact(pictures);
  const tensors = new Map(readSafetensors(readFileSync(pictures)).tensors);
  const { digest: _, ...manifest } = small.manifest;
  const large = join(root, 'large.slim');
  writeFileSync(
    large,
    await writeArtifact(
      tensors.set('unused', { dtype: 'U8', shape: [60_000_000], data: new Uint8Array(60_000_000) }),
      manifest,
    ),
  );
  await expect(cloudflareProject(large, { name: 'cats', access: {} })).rejects.toMatchObject({
    name: 'UserError',
    message: expect.stringContaining('too large for a worker, whose memory is 128 MB'),
  });
  // 12 megapixels would take about 180 MB in all.
  expect(pixelsLeft(small, ISOLATE)).toBeGreaterThan(6_000_000);
  expect(pixelsLeft(small, ISOLATE)).toBeLessThan(7_000_000);
  expect(pixelsLeft(await openArtifact(large), ISOLATE)).toBe(0);
});

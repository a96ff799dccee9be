/**
 * The hub's client against a double of the hub on this machine: what comes into the cache, and all that goes wrong on
 * the way.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Interrupted, UserError } from '../../cli/io/errors.ts';
import { hubName, resolveModelFolder } from '../../cli/pretrained/hub.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const NAME = 'acme/tiny-bert';
const COMMIT = 'a'.repeat(40);
const TOKEN = 'hf_secretOfTheTest';

interface Answer {
  /** Instead of the right one. */
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Breaks the connection after so many bytes. */
  readonly dropAfter?: number;
}

const files = new Map<string, string>();
/** By a part of the URL. */
const wrong = new Map<string, Answer>();
const requests: { readonly url: string; readonly authorization: string | undefined; readonly ranged: boolean }[] = [];
let commit = COMMIT;
let hub: Server;
let elsewhere: Server;

const originOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const gitHash = (text: string): string =>
  createHash('sha1')
    .update(`blob ${Buffer.byteLength(text)}\0${text}`)
    .digest('hex');
/** As the hub keeps them: weights by SHA-256 on another host, the rest by git's hash. */
const isLarge = (file: string): boolean => /\.(safetensors|bin)$/.test(file);

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = request.url!;
  const ranged = request.headers.range !== undefined;
  requests.push({ url, authorization: request.headers.authorization, ranged });
  const special = [...wrong].find(([part]) => url.includes(part))?.[1];
  if (special?.status) return void response.writeHead(special.status, special.headers).end(special.body ?? '');
  if (url.startsWith(`/api/models/${NAME}/revision/`)) {
    const body =
      special?.body ??
      JSON.stringify({
        id: NAME,
        _id: '1',
        sha: commit,
        siblings: [...files.keys()].map((rfilename) => ({ rfilename })),
        lastModified: '2024-01-01',
      });
    return void response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  }
  const [, file] = new RegExp(`^/${NAME}/resolve/[^/]+/(.+)$`).exec(url) ?? [];
  const content = file === undefined ? undefined : files.get(file);
  if (content === undefined) return void response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
  if (isLarge(file!)) return void response.writeHead(302, { location: `${originOf(elsewhere)}/${file}` }).end();
  send(request, response, content, `"${gitHash(content)}"`, special);
}

function answerElsewhere(request: IncomingMessage, response: ServerResponse): void {
  const file = request.url!.slice(1);
  requests.push({
    url: `elsewhere ${request.url}`,
    authorization: request.headers.authorization,
    ranged: request.headers.range !== undefined,
  });
  send(request, response, files.get(file)!, `"${sha256(files.get(file)!)}"`, wrong.get(file));
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  content: string,
  etag: string,
  special: Answer | undefined,
): void {
  const bytes = Buffer.from(special?.body ?? content);
  const headers = { etag, ...special?.headers };
  if (request.headers.range)
    return void response
      .writeHead(206, { ...headers, 'content-range': `bytes 0-0/${Buffer.byteLength(content)}`, 'content-length': '1' })
      .end(bytes.subarray(0, 1));
  response.writeHead(200, { ...headers, 'content-length': String(bytes.length) });
  if (special?.dropAfter === undefined) return void response.end(bytes);
  response.write(bytes.subarray(0, special.dropAfter), () => setTimeout(() => response.destroy(), 20));
}

const root = temporaryFolder();
let count = 0;
let home: string;
let cache: string;

beforeAll(async () => {
  [hub, elsewhere] = [createServer(answer), createServer(answerElsewhere)];
  for (const server of [hub, elsewhere]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  for (const server of [hub, elsewhere]) server.close();
});
beforeEach(() => {
  home = join(root, String(count++));
  mkdirSync(home);
  cache = join(home, 'hub', 'models--acme--tiny-bert');
  commit = COMMIT;
  files.clear();
  wrong.clear();
  requests.length = 0;
  for (const [file, content] of [
    ['README.md', '# tiny'],
    ['config.json', '{"model_type": "bert"}'],
    ['tokenizer.json', '{}'],
    ['model.safetensors', 'w'.repeat(70_000)],
    ['pytorch_model.bin', 'PK'],
    ['onnx/model.onnx', 'x'],
  ])
    files.set(file, content);
  for (const name of ['HF_TOKEN', 'HF_TOKEN_PATH', 'HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_HUB_OFFLINE'])
    vi.stubEnv(name, undefined);
  vi.stubEnv('HF_HOME', home);
  vi.stubEnv('HF_ENDPOINT', originOf(hub));
});
afterEach(() => vi.unstubAllEnvs());

async function refusal(run: Promise<unknown>): Promise<UserError> {
  const error = await run.then(
    () => new Error('not refused'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof UserError)) throw error;
  expect(`${error.message} ${error.hint}`).not.toContain(TOKEN);
  return error;
}

/** The files of the cache that hold bytes. */
const blobs = (): string[] => (existsSync(join(cache, 'blobs')) ? readdirSync(join(cache, 'blobs')).sort() : []);

describe('hubName', () => {
  it.each([
    ['google-bert/bert-base-uncased', 'google-bert/bert-base-uncased', 'main'],
    ['a/b@v1.0', 'a/b', 'v1.0'],
    ['a/b@refs/pr/1', 'a/b', 'refs/pr/1'],
    [`a/b@${COMMIT}`, 'a/b', COMMIT],
  ])('reads %s', (text, name, revision) => expect(hubName(text)).toEqual({ name, revision }));

  it.each([
    'bert',
    './a/b',
    '/a/b',
    '../a',
    'a/b/c',
    'a/',
    '/a',
    'a/..',
    '../b',
    'a/.b',
    'a/b@',
    'a/b@../x',
    'a/b@x/../y',
    'a/b@/x',
    'a--b/c',
    'a/b..c',
    'a\\b',
    'a/b c',
    'https://x/y',
    '',
  ])('takes %j for a path', (text) => expect(hubName(text)).toBeNull());
});

describe('a name', () => {
  it('that is a path on this disk is that path, and what no model could be called is left as it is', async () => {
    expect(await resolveModelFolder(home)).toBe(home);
    expect(await resolveModelFolder('./no/such')).toBe('./no/such');
    expect(await resolveModelFolder('bert-tiny')).toBe('bert-tiny');
    expect(await resolveModelFolder('cli/models')).toBe('cli/models');
    expect(requests).toEqual([]);
  });
});

describe('a model of the hub', () => {
  it('comes into the cache with the files that are needed, in the layout of Hugging Face', async () => {
    const folder = await resolveModelFolder(NAME);
    expect(folder).toBe(join(cache, 'snapshots', COMMIT));
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    for (const file of readdirSync(folder))
      expect(readFileSync(join(folder, file), 'utf8'), file).toBe(files.get(file));
    expect(readlinkSync(join(folder, 'model.safetensors'))).toBe(
      `../../blobs/${sha256(files.get('model.safetensors')!)}`,
    );
    expect(readlinkSync(join(folder, 'config.json'))).toBe(`../../blobs/${gitHash(files.get('config.json')!)}`);
    expect(blobs()).toHaveLength(3);
    expect(readFileSync(join(cache, 'refs', 'main'), 'utf8')).toBe(COMMIT);
  });

  it('is looked for at the hub each time, and its files are taken from the cache', async () => {
    const folder = await resolveModelFolder(NAME);
    requests.length = 0;
    expect(await resolveModelFolder(NAME)).toBe(folder);
    expect(requests.map(({ url }) => url.replace(/\?.*/, ''))).toEqual([`/api/models/${NAME}/revision/main`]);
    // A new commit that leaves the weights as they are brings the rest.
    commit = 'b'.repeat(40);
    files.set('config.json', '{"model_type": "bert", "new": true}');
    requests.length = 0;
    const renewed = await resolveModelFolder(NAME);
    expect(renewed).toBe(join(cache, 'snapshots', commit));
    expect(requests.filter(({ url, ranged }) => !ranged && !url.startsWith('/api')).map(({ url }) => url)).toEqual([
      `/${NAME}/resolve/${commit}/config.json`,
    ]);
    expect(readFileSync(join(renewed, 'config.json'), 'utf8')).toContain('new');
    expect(readFileSync(join(cache, 'refs', 'main'), 'utf8')).toBe(commit);
  });

  it('comes at the revision that is asked for', async () => {
    await resolveModelFolder(`${NAME}@v2`);
    expect(requests[0].url).toContain('/revision/v2?');
    expect(readFileSync(join(cache, 'refs', 'v2'), 'utf8')).toBe(COMMIT);
    await resolveModelFolder(`${NAME}@${COMMIT}`);
    expect(readdirSync(join(cache, 'refs'))).toEqual(['v2']);
  });

  it('comes in shards, or as pytorch_model.bin where there is nothing better', async () => {
    files.delete('model.safetensors');
    const binary = await resolveModelFolder(NAME);
    expect(readdirSync(binary).sort()).toEqual(['config.json', 'pytorch_model.bin', 'tokenizer.json']);
    commit = 'c'.repeat(40);
    const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    for (const shard of shards) files.set(shard, shard);
    files.set(
      'model.safetensors.index.json',
      JSON.stringify({ weight_map: { a: shards[0], b: shards[1], c: shards[0] } }),
    );
    expect(readdirSync(await resolveModelFolder(NAME)).sort()).toEqual([
      'config.json',
      ...shards,
      'model.safetensors.index.json',
      'tokenizer.json',
    ]);
  });

  it('tells how far each file is', async () => {
    const told = new Map<string, number[]>();
    await resolveModelFolder(NAME, {
      onProgress: (file, done, total) => told.set(file, [...(told.get(file) ?? []), done, total]),
    });
    expect([...told.keys()]).toEqual(['config.json', 'tokenizer.json', 'model.safetensors']);
    expect(told.get('model.safetensors')!.slice(-2)).toEqual([70_000, 70_000]);
  });

  it('writes nothing to stdout', async () => {
    const written = ['log', 'debug', 'info'].map((method) => vi.spyOn(console, method as 'log'));
    await resolveModelFolder(NAME);
    for (const spy of written) expect(spy).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });
});

describe('offline', () => {
  it('a model comes from the cache, without a request', async () => {
    const folder = await resolveModelFolder(NAME);
    requests.length = 0;
    expect(await resolveModelFolder(NAME, { offline: true })).toBe(folder);
    expect(await resolveModelFolder(`${NAME}@${COMMIT}`, { offline: true })).toBe(folder);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect(await resolveModelFolder(NAME)).toBe(folder);
    expect(requests).toEqual([]);
  });

  it('a model that was never there, or not whole, or at another revision, is refused', async () => {
    const message = `${NAME} is neither a folder here nor whole in the cache ${cache}`;
    expect((await refusal(resolveModelFolder(NAME, { offline: true }))).message).toBe(message);
    const folder = await resolveModelFolder(NAME);
    expect((await refusal(resolveModelFolder(`${NAME}@v2`, { offline: true }))).message).toContain(
      `${NAME}@v2 is neither`,
    );
    rmSync(join(folder, 'model.safetensors'));
    expect((await refusal(resolveModelFolder(NAME, { offline: true }))).message).toBe(message);
    writeFileSync(join(cache, 'refs', 'main'), '../../../../etc');
    expect((await refusal(resolveModelFolder(NAME, { offline: true }))).message).toBe(message);
    expect(requests.filter(({ url }) => url.startsWith('/api'))).toHaveLength(1);
  });
});

describe('a token', () => {
  const authorizations = (where: (url: string) => boolean): Set<string | undefined> =>
    new Set(requests.filter(({ url }) => where(url)).map(({ authorization }) => authorization));
  const atHub = (url: string): boolean => !url.startsWith('elsewhere');

  it('from HF_TOKEN goes to the hub, and not to the host of its files', async () => {
    vi.stubEnv('HF_TOKEN', TOKEN);
    await resolveModelFolder(NAME);
    expect([...authorizations(atHub)]).toEqual([`Bearer ${TOKEN}`]);
    expect([...authorizations((url) => !atHub(url))]).toEqual([undefined]);
  });

  it("does not go to another host where the hub's answer says that it is a part of it", async () => {
    vi.stubEnv('HF_TOKEN', TOKEN);
    wrong.set('model.safetensors', { headers: { 'x-cache': 'Hit from cloudfront' } });
    await resolveModelFolder(NAME);
    expect([...authorizations((url) => !atHub(url))]).toEqual([undefined]);
  });

  it('comes from the usual file, or nowhere', async () => {
    await resolveModelFolder(NAME);
    expect([...authorizations(() => true)]).toEqual([undefined]);
    requests.length = 0;
    writeFileSync(join(home, 'token'), `${TOKEN}\n`);
    await resolveModelFolder(NAME);
    expect([...authorizations(atHub)]).toEqual([`Bearer ${TOKEN}`]);
  });

  it('that is none is refused without being shown', async () => {
    vi.stubEnv('HF_TOKEN', 'my password');
    const { message } = await refusal(resolveModelFolder(NAME));
    expect(message).toBe('the Hugging Face token in HF_TOKEN does not begin with hf_');
    expect(requests).toEqual([]);
  });
});

describe('what goes wrong', () => {
  /** After each of these a second try works: nothing of the first is in the way. */
  async function refusedThenGiven(part: string, special: Answer): Promise<UserError> {
    rmSync(cache, { recursive: true, force: true });
    wrong.set(part, special);
    const error = await refusal(resolveModelFolder(NAME));
    for (const name of blobs()) expect(name).toMatch(/^[0-9a-f]{40,64}$/);
    expect(existsSync(join(cache, 'refs', 'main'))).toBe(false);
    wrong.clear();
    await resolveModelFolder(NAME);
    return error;
  }

  it.each([
    [
      401,
      `${NAME} is no folder here, and HUB has no such model or shows it to others only (401)`,
      'Set HF_TOKEN where it is private.',
    ],
    [403, `HUB does not give ${NAME} to everybody (403)`, `Accept its terms at HUB/${NAME}, and set HF_TOKEN.`],
    [
      404,
      `${NAME} is no folder here, and HUB has no such model or revision (404)`,
      'Check the name; a model on this disk is given by its path.',
    ],
    [429, 'HUB takes no more requests for now (429)', 'Try again later, or set HF_TOKEN.'],
    [
      503,
      `HUB answered 503 when asked for ${NAME}`,
      'Try again later; --offline takes what an earlier run brought into the cache.',
    ],
  ])('is told: status %i', async (status, message, hint) => {
    const error = await refusedThenGiven('/api/models', {
      status,
      headers: { 'content-type': 'application/json' },
      body: '{"error": "\\u001b[31mno"}',
    });
    expect(error).toMatchObject({
      message: message.replace('HUB', originOf(hub)),
      hint: hint.replace('HUB', originOf(hub)),
    });
  });

  it('is told where the files are gated though the model is listed, as on the hub', async () => {
    expect((await refusedThenGiven('/resolve/', { status: 403 })).message).toBe(
      `${originOf(hub)} does not give ${NAME} to everybody (403)`,
    );
  });

  it('is told where the network is closed', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const origin = originOf(closed);
    await new Promise((resolve) => closed.close(resolve));
    vi.stubEnv('HF_ENDPOINT', origin);
    const error = await refusal(resolveModelFolder(NAME));
    expect(error.message).toBe(`can't get ${NAME} from ${origin}: ECONNREFUSED`);
    expect(error.hint).toContain('--offline');
  });

  it('a connection that breaks in a file leaves nothing half-written', async () => {
    const error = await refusedThenGiven('model.safetensors', { dropAfter: 30_000 });
    expect(error.message).toContain(`can't get model.safetensors of ${NAME} from`);
  });

  it('a file that is shorter, longer or other than it should be is refused', async () => {
    expect((await refusedThenGiven('model.safetensors', { body: 'w'.repeat(69_999) })).message).toBe(
      `model.safetensors of ${NAME}: expected 70000 bytes, got 69999`,
    );
    expect((await refusedThenGiven('model.safetensors', { body: 'w'.repeat(80_000) })).message).toBe(
      `model.safetensors of ${NAME}: expected 70000 bytes, got more`,
    );
    expect((await refusedThenGiven('model.safetensors', { body: 'v'.repeat(70_000) })).message).toContain(
      'its bytes are not those of the hash',
    );
    expect((await refusedThenGiven('config.json', { body: '{"model_type": "vits"}' })).message).toContain(
      'its bytes are not those of the hash',
    );
  });

  it('an answer that would become a path elsewhere is refused', async () => {
    for (const sha of ['../../../escape', 'main', 7]) {
      const error = await refusedThenGiven('/api/models', {
        body: JSON.stringify({ sha, siblings: [{ rfilename: 'config.json' }] }),
      });
      expect(error.message).toContain(`expected a commit, got ${JSON.stringify(sha)}`);
    }
    expect((await refusedThenGiven('config.json', { headers: { etag: '"../../escape"' } })).message).toContain(
      'expected a hash as ETag, got "../../escape"',
    );
    rmSync(cache, { recursive: true });
    const index = 'model.safetensors.index.json';
    files.delete('model.safetensors');
    files.set(index, JSON.stringify({ weight_map: { a: '../../../escape.safetensors' } }));
    expect((await refusal(resolveModelFolder(NAME))).message).toContain(
      'expected the name of a .safetensors file in the same folder',
    );
  });

  it('an answer that is no JSON, or says nothing, is refused', async () => {
    expect((await refusedThenGiven('/api/models', { body: '<html>' })).message).toContain(`can't get ${NAME} from`);
    expect((await refusedThenGiven('/api/models', { body: '{}' })).message).toContain(
      'expected a commit, got undefined',
    );
  });

  it('a model without config.json or weights is refused', async () => {
    files.delete('model.safetensors');
    files.delete('pytorch_model.bin');
    expect((await refusal(resolveModelFolder(NAME))).message).toBe(
      `${NAME} has none of model.safetensors, pytorch_model.bin`,
    );
    files.delete('config.json');
    expect((await refusal(resolveModelFolder(NAME))).message).toBe(`${NAME} has no config.json`);
  });

  it('an interruption stops the transfer, and leaves nothing half-written', async () => {
    const controller = new AbortController();
    const run = resolveModelFolder(NAME, {
      signal: controller.signal,
      onProgress: (file) => file === 'model.safetensors' && controller.abort(),
    });
    await expect(run).rejects.toThrow(Interrupted);
    for (const name of blobs()) expect(name).toMatch(/^[0-9a-f]{40,64}$/);
  });
});

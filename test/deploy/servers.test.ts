/** What `slim deploy --to node`, `bun` and `deno` write, run as their Dockerfiles run it. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { writeDeployFolder } from '../../cli/deploy/folder.ts';
import { filesOfServer, type ServerSettings } from '../../cli/deploy/server.ts';
import { SERVER_HOSTS, type ServerHost } from '../../cli/deploy/server-hosts.ts';
import { openClassifier } from '../../cli/io/classifier.ts';
import { NOT_INSTALLED, notInstalled, programs, skipNote, systemProgram } from '../contract/hosts/installed.ts';
import { type Dockerfile, parseDockerfile } from '../support/dockerfile.ts';
import { type Running, startCommand } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { writePictureArtifact, writeTextArtifact } from './artifacts.ts';

const root = temporaryFolder();
const TOKEN = 'a-token-that-nobody-guesses';
const HOSTS = Object.keys(SERVER_HOSTS) as ServerHost[];
const PROGRAMS: Readonly<Record<ServerHost, string | null>> = {
  node: programs.node24,
  bun: programs.bun,
  deno: programs.deno,
};

let pictures: string;
let texts: string;

beforeAll(async () => {
  [pictures, texts] = await Promise.all([writePictureArtifact(root), writeTextArtifact(root)]);
});

const settings: ServerSettings = {
  name: 'cats',
  access: {
    tokenDigest: createHash('sha256').update(TOKEN).digest('hex'),
    corsOrigins: ['https://a.example', 'https://b.example'],
  },
};
const open: ServerSettings = { name: 'cats', access: {} };

let count = 0;

/** Writes a deployment's folder, and what its Dockerfile copies into another that nobody may write to. */
async function build(
  host: ServerHost,
  artifact: string,
  of: ServerSettings,
): Promise<{ folder: string; app: string; dockerfile: Dockerfile }> {
  const folder = join(root, `${host}-${count++}`);
  await writeDeployFolder(folder, host, await filesOfServer(host, artifact, of), false);
  const dockerfile = parseDockerfile(readFileSync(join(folder, 'Dockerfile'), 'utf8'));
  const app = `${folder}-app`;
  mkdirSync(app);
  for (const name of dockerfile.copied) copyFileSync(join(folder, name), join(app, name));
  chmodSync(app, 0o555);
  onTestFinished(() => chmodSync(app, 0o755)); // so that it can be removed
  return { folder, app, dockerfile };
}

/** Runs a command of the image in it, at any free port. */
function runIn(
  app: string,
  [program, ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
): Running {
  return startCommand(PROGRAMS[program as ServerHost]!, args, {
    cwd: app,
    env: { ...environment, HOME: '/nonexistent', PATH: process.env.PATH },
  });
}

async function serve(
  app: string,
  { command, environment }: Dockerfile,
): Promise<Running & { url: string; port: string }> {
  const running = runIn(app, command, { ...environment, PORT: '0', WORKERS: '2' });
  onTestFinished(async () => {
    running.child.kill('SIGKILL');
    await running.exit;
  });
  const [, port] = await running.saw(/"message":"listening","url":"http:\/\/0\.0\.0\.0:(\d+)"/);
  await running.saw(/"message":"ready"/);
  return { ...running, port, url: `http://127.0.0.1:${port}` };
}

const predictionsHere = async (artifact: string, body: Uint8Array): Promise<unknown> => {
  const classifier = await openClassifier(artifact);
  const { predictions } = await classifier.classify(classifier.input.ofBytes(body), 5);
  return predictions.map(({ label, score }) => ({ label, score: expect.closeTo(score, 12) as number }));
};

describe.each(HOSTS)('a folder for %s', (host) => {
  const absent = PROGRAMS[host] === null ? NOT_INSTALLED : null;

  it('has the same bytes for the same input', async () => {
    const [first, second] = await Promise.all([build(host, pictures, settings), build(host, pictures, settings)]);
    const names = readdirSync(first.folder);
    expect(readdirSync(second.folder)).toEqual(names);
    for (const name of names)
      expect(readFileSync(join(second.folder, name)).equals(readFileSync(join(first.folder, name))), name).toBe(true);
  });

  it('has a Dockerfile that installs nothing and runs as nobody special', async () => {
    const { folder, dockerfile } = await build(host, pictures, settings);
    expect(dockerfile.from).toMatch(/^[a-z/]+:\d/);
    expect(dockerfile).toMatchObject({
      workdir: '/app',
      exposed: 8080,
      entrypoint: [],
      user: expect.not.stringMatching(/^(root|0)$/) as string,
    });
    expect(dockerfile.environment).toEqual({
      NODE_ENV: 'production',
      PORT: '8080',
      HOST: '0.0.0.0',
      SLIM_TOKEN_SHA256: settings.access.tokenDigest,
      SLIM_CORS_ORIGINS: 'https://a.example https://b.example',
    });
    expect(readdirSync(folder)).toEqual(expect.arrayContaining([...dockerfile.copied]));
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain(dockerfile.command.join(' '));
  });

  it.skipIf(absent !== null)(`answers as this machine does, and ends in order${skipNote(absent)}`, async () => {
    const { app, dockerfile } = await build(host, pictures, settings);
    const server = await serve(app, dockerfile);
    const picture = new Uint8Array(
      await sharp({ create: { width: 40, height: 30, channels: 3, background: '#a04020' } })
        .jpeg()
        .toBuffer(),
    );
    const ask = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${server.url}/v1/predict`, {
        method: 'POST',
        headers: { 'content-type': 'image/jpeg', ...headers },
        body: picture,
      });
    expect((await ask({})).status).toBe(401);
    expect(await (await ask({ authorization: `Bearer ${TOKEN}` })).json()).toEqual({
      predictions: await predictionsHere(pictures, picture),
      latencyMs: expect.any(Number),
    });
    expect(await (await fetch(server.url)).text()).toContain('<!doctype html>');
    expect(
      await (await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })).text(),
    ).toMatch(/^process_resident_memory_bytes \d{7,}$/m);

    const check = (): Promise<number | null> =>
      runIn(app, dockerfile.healthcheck, { PORT: server.port }).exit.then(({ code }) => code);
    expect(await check()).toBe(0);
    server.child.kill('SIGTERM');
    const { code, stdout, stderr } = await server.exit;
    expect([code, stderr]).toEqual([0, '']);
    for (const line of stdout.trim().split('\n'))
      expect(JSON.parse(line)).toMatchObject({ time: expect.any(String), level: 'info' });
    expect(await check()).toBe(1);
  });

  it.skipIf(absent !== null)(`lets a running request finish when it is asked to stop${skipNote(absent)}`, async () => {
    const { app, dockerfile } = await build(host, pictures, open);
    const server = await serve(app, dockerfile);
    const large = new Uint8Array(
      await sharp({ create: { width: 5000, height: 4000, channels: 3, background: '#204080' } })
        .png()
        .toBuffer(),
    );
    const answering = fetch(`${server.url}/v1/predict`, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: large,
    });
    await new Promise((resolve) => setTimeout(resolve, 100)); // decoding takes several times that
    server.child.kill('SIGTERM');
    expect((await answering).status).toBe(200);
    expect((await server.exit).code).toBe(0);
  });

  it.skipIf(absent !== null)(`for texts carries no codecs, and answers${skipNote(absent)}`, async () => {
    const { app, dockerfile } = await build(host, texts, open);
    expect(dockerfile.copied.filter((name) => name.startsWith('codec'))).toEqual([]);
    const { url } = await serve(app, dockerfile);
    const text = new TextEncoder().encode('not a good film');
    const response = await fetch(`${url}/v1/predict`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: text,
    });
    expect(await response.json()).toEqual({
      predictions: await predictionsHere(texts, text),
      latencyMs: expect.any(Number),
    });
  });

  it.skipIf(absent !== null)(`ends with 1 and a sentence where it can't serve${skipNote(absent)}`, async () => {
    const {
      app,
      dockerfile: { command },
    } = await build(host, pictures, open);
    const failing = async (environment: Record<string, string>): Promise<unknown> => {
      const { code, stdout } = await runIn(app, command, environment).exit;
      return [code, (JSON.parse(stdout.trim().split('\n').at(-1)!) as { message: string }).message];
    };
    expect(await failing({ PORT: '8o8o' })).toEqual([1, 'PORT: expected a whole number from 0 to 65535, got "8o8o"']);
    expect(await failing({ PORT: '0', SLIM_RATE_LIMIT: 'many' })).toEqual([
      1,
      'SLIM_RATE_LIMIT: expected a whole number above 0, got "many"',
    ]);
    chmodSync(join(app, 'model.slim'), 0o644);
    const spoiled = readFileSync(join(app, 'model.slim'));
    spoiled[spoiled.length - 9] ^= 1;
    writeFileSync(join(app, 'model.slim'), spoiled);
    expect(await failing({ PORT: '0' })).toEqual([1, 'the tensors were changed after packing']);
  });
});

const analyze = systemProgram('systemd-analyze');

it.skipIf(analyze === null).each(HOSTS)(
  `systemd accepts the unit for %s, and finds it hardened${skipNote(analyze === null ? notInstalled('apt-get install systemd') : null)}`,
  async (host) => {
    const { folder } = await build(host, pictures, {
      ...settings,
      access: { ...settings.access, corsOrigins: ['https://100%.example'] },
    });
    const run = (...args: string[]): Promise<string> =>
      new Promise((resolve, reject) => {
        execFile(analyze!, args, { cwd: folder }, (error, stdout, stderr) =>
          error ? reject(new Error(`${stdout}${stderr}`)) : resolve(stderr),
        );
      });
    expect(await run('verify', './cats.service')).toBe('');
    // 2.0 of 10; a service without any of it has 9.6.
    await run('security', '--offline=true', '--threshold=20', '--no-pager', './cats.service');
    expect(readFileSync(join(folder, 'cats.service'), 'utf8')).toContain(
      'Environment="SLIM_CORS_ORIGINS=https://100%%.example"',
    );
  },
);

/** Packages that come on first use. A stand-in plays npm: what the real one brings, `npm run test:package` sees. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { expectBuild } from '../../cli/engines/onnx/native.ts';
import { PACKAGE_SETS } from '../../cli/setup/packages.ts';
import manifest from '../../package.json' with { type: 'json' };
import lock from '../../package-lock.json' with { type: 'json' };
import { smallTextArtifact } from '../runtime/text/small-tokenizer.ts';
import { projectFolder } from '../support/imports.ts';
import { layOutInstallation } from '../support/installation.ts';
import { type Running, startCommand } from '../support/process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
const calls = join(folder, 'calls');
const version = manifest.devDependencies['onnxruntime-node'];
const name = `onnxruntime-${version}`;

const installation = join(folder, 'installation');
const installed = layOutInstallation(installation);

/** What the stand-in leaves is all that the build counted. */
const PACKAGE = `{ "version": "${version}" }`;
const content = join(installation, 'dist/packages/onnxruntime/content.json');
const expectContent = (...files: string[]): void =>
  writeFileSync(content, JSON.stringify({ files: files.length, bytes: files.join('').length }));

/** Writes what `npm ci` would leave; says how it was called. */
const BRINGS = `
  import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
  appendFileSync(${JSON.stringify(calls)}, process.argv.slice(2).join(' ') + '\\n');
  const place = 'node_modules/onnxruntime-node';
  mkdirSync(place, { recursive: true });
  mkdirSync('node_modules/.bin', { recursive: true });
  writeFileSync('node_modules/.package-lock.json', 'of npm itself');
  writeFileSync(place + '/package.json', '${PACKAGE}');
`;

function start(npm: string, ...args: string[]): Running {
  const script = join(folder, 'npm-cli.js');
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(script, npm);
  return startCommand(process.execPath, [installed, ...args], {
    env: { ...process.env, npm_execpath: script, SLIM_CACHE: cache },
  });
}

const inCache = (): string[] => (existsSync(join(cache, 'packages')) ? readdirSync(join(cache, 'packages')) : []);

beforeEach(() => {
  for (const path of [cache, calls]) rmSync(path, { recursive: true, force: true });
  expectContent(PACKAGE);
});

describe('slim setup onnxruntime', () => {
  it('brings it once, from its lock file and without install scripts', async () => {
    const { code, stdout, stderr } = await start(BRINGS, 'setup', 'onnxruntime', '--json').exit;
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      { version: 1, packages: ['onnxruntime-node'], folder: join(cache, 'packages', name) },
    ]);
    expect(stderr).toBe(
      `bringing onnxruntime-node@${version} (about 110 MB, once) into ${join(cache, 'packages', name)}\n`,
    );
    expect(readFileSync(calls, 'utf8')).toMatch(/^ci --ignore-scripts .*--no-workspaces/);
    expect(statSync(join(cache, 'packages', name)).mode & 0o777).toBe(0o777 & ~process.umask());
    expect(inCache()).toEqual([name]);
    const again = await start(BRINGS, 'setup', 'onnxruntime').exit;
    expect([again.code, again.stderr, again.stdout]).toEqual([
      0,
      '',
      `onnxruntime is in ${join(cache, 'packages', name)}\n`,
    ]);
    expect(readFileSync(calls, 'utf8').split('\n')).toHaveLength(2);
  });

  it('may be asked for by several at a time', async () => {
    const runs = [1, 2, 3].map(() => start(BRINGS, 'setup', 'onnxruntime').exit);
    expect((await Promise.all(runs)).map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(inCache()).toEqual([name]);
  });

  it('says what npm complains of, what to do, and leaves nothing', async () => {
    const complaint = ['code ENOTFOUND', 'network is down', 'A complete log of this run'];
    const npm = `for (const line of ${JSON.stringify(complaint)}) console.error('npm error', line);
      process.exit(1);`;
    const { code, stderr } = await start(npm, 'setup', 'onnxruntime').exit;
    expect(code).toBe(1);
    expect(stderr.split('\n').slice(1)).toEqual([
      `error: can't bring onnxruntime-node@1.30.0: code ENOTFOUND; network is down`,
      'hint: Check the network and run slim setup onnxruntime; or install it beside slim: ' +
        'npm install --ignore-scripts onnxruntime-node@1.30.0',
      '',
    ]);
    expect(inCache()).toEqual([]);
  });

  it('ends with Ctrl-C, and leaves nothing, whatever npm still does', async () => {
    const npm = `${BRINGS}
      process.on('SIGTERM', () => undefined);
      setInterval(() => writeFileSync(place + '/' + Math.random(), 'x'), 1);
      console.error('npm warn started');`;
    const running = start(npm, 'setup', 'onnxruntime');
    await running.saw(/bringing/);
    await vi.waitFor(() => expect(existsSync(calls)).toBe(true), { timeout: 20_000 });
    running.child.kill('SIGINT');
    const { code } = await running.exit;
    expect([code, inCache()]).toEqual([130, []]);
  });

  it.each([
    ['leaves nothing', 'process.exit(0);'],
    ['leaves half of it', BRINGS.replace(PACKAGE, PACKAGE.slice(0, 9))],
  ])('does not believe an npm that ends with 0 and %s', async (_, npm) => {
    const { code, stderr } = await start(npm, 'setup', 'onnxruntime').exit;
    expect(code).toBe(1);
    expect(stderr).toContain('not all of it has come, or files were cut short\nhint: Is the disk full?');
    expect(inCache()).toEqual([]);
  });

  it('brings again what is not whole any more, and clears what a killed run has left', async () => {
    await start(BRINGS, 'setup', 'onnxruntime').exit;
    writeFileSync(join(cache, 'packages', name, 'node_modules/onnxruntime-node/package.json'), '{}');
    const old = join(cache, 'packages', `${name}.ABcd12`);
    mkdirSync(old);
    utimesSync(old, 0, 0);
    const { code, stderr } = await start(BRINGS, 'setup', 'onnxruntime').exit;
    expect(code).toBe(0);
    expect(stderr).toMatch(/^\S+ is not whole\nbringing onnxruntime-node/);
    expect(inCache()).toEqual([name]);
    expect((await start('process.exit(9)', 'setup', 'onnxruntime').exit).code).toBe(0);
  });

  it('a file in the place of its folder gives way', async () => {
    mkdirSync(join(cache, 'packages'), { recursive: true });
    writeFileSync(join(cache, 'packages', name), '');
    expect((await start(BRINGS, 'setup', 'onnxruntime').exit).code).toBe(0);
    expect(inCache()).toEqual([name]);
  });

  it('says what to do where nothing may be written', async () => {
    writeFileSync(cache, 'a file');
    const { code, stderr } = await start(BRINGS, 'setup', 'onnxruntime').exit;
    expect(code).toBe(1);
    expect(stderr).toContain('hint: Set SLIM_CACHE to a folder that you may write.');
  });
});

it('what needs it brings it: a run trains with what npm brought', async () => {
  const main = 'throw new Error("the stand-in was loaded")';
  expectContent(PACKAGE, main);
  const broken = `${BRINGS} writeFileSync(place + '/index.js', '${main}');`;
  const { stderr } = await start(broken, 'bench', 'train-step', '--model', 'vit-pico', '--steps', '1').exit;
  expect(stderr).toContain('bringing onnxruntime-node');
  expect(stderr).toContain('the stand-in was loaded');
});

describe('what serves needs none of it', () => {
  const none = 'process.exit(9);';
  const artifact = join(folder, 'texts.slim');
  beforeAll(async () => writeFileSync(artifact, await smallTextArtifact()));

  it.each([
    ['predict', '--text', 'hug the pug'],
    ['inspect'],
    ['deploy', '--to', 'node', '--name', 'pug', '--emit', join(folder, 'emitted')],
  ])('slim %s', async (command, ...args) => {
    const { code, stderr } = await start(none, command, artifact, ...args).exit;
    expect([code, inCache(), stderr.includes('bringing')]).toEqual([0, [], false]);
  });

  it('slim serve', async () => {
    const server = start(none, 'serve', artifact, '--port', '0', '--workers', '1');
    const [, url] = await server.saw(/listening on (\S+)/);
    const answer = await fetch(`${url}/v1/predict`, {
      method: 'POST',
      body: 'hug the pug',
      headers: { 'content-type': 'text/plain' },
    });
    server.child.kill('SIGTERM');
    expect([answer.status, (await server.exit).code, inCache()]).toEqual([200, 0, []]);
  });
});

describe('the sets', () => {
  const read = (set: string, file: string) =>
    JSON.parse(readFileSync(`${projectFolder}dist/packages/${set}/${file}`, 'utf8'));

  it('are what the build writes locks for', () => {
    expect(readdirSync(`${projectFolder}dist/packages`).sort()).toEqual(Object.keys(PACKAGE_SETS).sort());
    for (const [set, { packages }] of Object.entries(PACKAGE_SETS))
      expect(Object.keys(read(set, 'package.json').dependencies)).toEqual([...packages]);
  });

  it.each(Object.keys(PACKAGE_SETS))('%s: its lock has the hash of every package that it needs', (set) => {
    const { packages } = read(set, 'package-lock.json') as { packages: Record<string, Locked> };
    const { '': root, ...others } = packages;
    expect(root.dependencies).toEqual(read(set, 'package.json').dependencies);
    const all: Record<string, Locked> = lock.packages;
    for (const [place, { version, integrity, dependencies = {} }] of Object.entries(others)) {
      expect([version, integrity]).toEqual([all[place].version, all[place].integrity]);
      expect(integrity).toMatch(/^sha512-/);
      for (const needed of Object.keys(dependencies))
        expect(Object.keys(others).some((other) => other.endsWith(`node_modules/${needed}`))).toBe(true);
    }
  });
});

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

describe('platforms without onnxruntime', () => {
  it.each([
    [
      { name: 'linux-x64', musl: true },
      'onnxruntime has no build for musl, the C library of this Linux (Alpine?): it needs glibc',
    ],
    [
      { name: 'linux-riscv64', musl: false },
      'onnxruntime has no build for linux-riscv64: it has linux-x64, linux-arm64, darwin-arm64, win32-x64, win32-arm64',
    ],
    [
      { name: 'darwin-x64', musl: false },
      'onnxruntime has no build for darwin-x64: it has linux-x64, linux-arm64, darwin-arm64, win32-x64, win32-arm64',
    ],
  ])('%o: one sentence, and what works', (platform, message) => {
    expect(() => expectBuild(platform)).toThrow(
      expect.objectContaining({ message, hint: expect.stringContaining('slim predict, serve and deploy') }),
    );
  });

  it('the others pass, and are those that onnxruntime-node has binaries for', () => {
    const binaries = join(projectFolder, 'node_modules/onnxruntime-node/bin/napi-v6');
    const names = readdirSync(binaries).flatMap((system) =>
      readdirSync(join(binaries, system)).map((processor) => `${system}-${processor}`),
    );
    for (const name of names) expect(() => expectBuild({ name, musl: false })).not.toThrow();
    expect(names).toHaveLength(5);
  });
});

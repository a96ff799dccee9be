/**
 * The package as users get it: `npm pack`, installed from the tarball in an empty folder by plain `npm install`, used on
 * the command line and from TypeScript on three versions of Node.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { NOT_INSTALLED, programs, skipNote } from '../contract/hosts/installed.ts';
import { smallTextArtifact } from '../runtime/text/small-tokenizer.ts';
import { projectFolder } from '../support/imports.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MB = 1e6;
const folder = temporaryFolder();
const user = join(folder, 'user');
const installed = join(user, 'node_modules', manifest.name);
/** No settings of this project, such as .npmrc's, and a cache that nothing has come into yet. */
const environment = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|SLIM_|NODE_)/i.test(name))),
  SLIM_CACHE: join(folder, 'cache'),
};

const NODES = [
  ['Node 20', process.execPath],
  ['Node 22', programs.node22],
  ['Node 24', programs.node24],
] as const;

let tarball: string;
let files: string[];

beforeAll(async () => {
  const [{ filename, files: packed }] = JSON.parse(
    run(projectFolder, 'npm', ['pack', '--json', '--pack-destination', folder]),
  ) as [{ filename: string; files: { path: string }[] }];
  tarball = join(folder, filename);
  files = packed.map(({ path }) => path).sort();
  cpSync(fileURLToPath(new URL('consumer', import.meta.url)), user, { recursive: true });
  writeFileSync(join(user, 'package.json'), '{ "type": "module", "private": true }\n');
  // What a Hono app is mounted in comes from the user, as do the compiler and Node's types.
  const { hono } = manifest.dependencies;
  const { typescript, '@types/node': nodeTypes } = manifest.devDependencies;
  run(user, 'npm', ['install', tarball, `hono@${hono}`]);
  run(user, 'npm', ['install', '--save-dev', `typescript@${typescript}`, `@types/node@${nodeTypes}`]);
  writeFileSync(join(user, 'texts.slim'), await smallTextArtifact());
  writeFileSync(join(user, 'picture.png'), await picture());
});

/** Runs a program that must succeed; its stdout. `node` is the version that `env node` finds. */
function run(cwd: string, file: string, args: readonly string[], node: string = process.execPath): string {
  const PATH = `${nodeFolder(node)}:${process.env.PATH}`;
  return execFileSync(file, args, { cwd, env: { ...environment, PATH }, encoding: 'utf8', stdio: 'pipe' });
}

/** A folder in which `node` is this one, and nothing else is. */
function nodeFolder(node: string): string {
  const place = join(folder, 'nodes', Buffer.from(node).toString('hex').slice(-60));
  mkdirSync(place, { recursive: true });
  if (!readdirSync(place).includes('node')) symlinkSync(node, join(place, 'node'));
  return place;
}

function picture(): Promise<Buffer> {
  const pixels = Buffer.from(Array.from({ length: 40 * 40 * 3 }, (_, i) => (i * 37) % 256));
  return sharp(pixels, { raw: { width: 40, height: 40, channels: 3 } })
    .png()
    .toBuffer();
}

describe('the tarball', () => {
  it('holds what users need and nothing else', () => {
    const places = [...new Set(files.map((file) => file.replace(/^(dist\/[\w-]+)\/.*$/, '$1/').replace(/[^/]*$/, '')))];
    expect(places.sort()).toEqual([
      '',
      'cli/',
      'dist/',
      ...['bun', 'deno', 'edge-worker', 'lambda', 'lib', 'node', 'packages', 'tensorflow', 'types'].map(
        (name) => `dist/${name}/`,
      ),
      'infra/package/',
    ]);
    expect(files.filter((file) => !file.includes('/'))).toEqual(['LICENSE', 'README.md', 'package.json']);
    expect(files.filter((file) => /\btest|\.map$|\.meta\.json$|(?<!\.d)\.ts$/.test(file))).toEqual([]);
  });

  it('is at most 2.5 MB', () => {
    expect(statSync(tarball).size).toBeLessThanOrEqual(2.5 * MB);
  });
});

describe('its installation', () => {
  it('brings no package that only tests and builds need, and none that few commands need', () => {
    const { dependencies } = JSON.parse(run(user, 'npm', ['ls', '--omit=dev', '--all', '--json'])) as Tree;
    const names = namesIn(dependencies);
    expect(names).toContain('sharp');
    expect(Object.keys(manifest.devDependencies).filter((name) => names.has(name))).toEqual([]);
  });

  it('has entries that import nothing of Node, but for the one that is for it', () => {
    for (const name of ['edge.mjs', 'edge-text.mjs']) {
      expect(importsOf(join(installed, 'dist', name))).toEqual([]);
    }
    for (const name of ['app', 'artifact', 'decoders']) {
      const reached = reachedFrom(join(installed, 'dist/lib', `${name}.mjs`));
      expect(reached.filter((specifier) => !specifier.startsWith('hono'))).toEqual([]);
    }
    expect(reachedFrom(join(installed, 'dist/lib/node.mjs'))).toContain('node:worker_threads');
  });
});

interface Tree {
  readonly dependencies?: Readonly<Record<string, Tree>>;
}

function namesIn(tree: Tree['dependencies'] = {}): Set<string> {
  return new Set(Object.entries(tree).flatMap(([name, { dependencies }]) => [name, ...namesIn(dependencies)]));
}

function importsOf(file: string): string[] {
  return ts.preProcessFile(readFileSync(file, 'utf8'), true).importedFiles.map(({ fileName }) => fileName);
}

/** The packages that a module and its pieces import. */
function reachedFrom(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  return importsOf(file).flatMap((specifier) =>
    specifier.startsWith('.') ? reachedFrom(join(dirname(file), specifier), seen) : [specifier],
  );
}

it.each(['nodenext', 'bundler', 'node'])('its types are right with tsconfig.%s.json', (kind) => {
  expect(run(user, 'npx', ['tsc', '--project', `tsconfig.${kind}.json`])).toBe('');
});

describe.each(NODES)('on %s', (name, node) => {
  const absent = node === null ? ' (skipped: not installed: npm run hosts)' : '';

  it.skipIf(node === null)(`slim demo works, with nothing to build${absent}`, () => {
    const { stages, requests, file } = JSON.parse(run(user, 'npx', ['slim', 'demo', '--json'], node!)) as {
      stages: { name: string; accuracy: number }[];
      requests: { expected: string; predicted: string }[];
      file: string;
    };
    expect(stages.map(({ name }) => name)).toEqual(['teacher', 'PC-LoRA', 'int8']);
    for (const { accuracy } of stages) expect(accuracy).toBeGreaterThan(0.9);
    expect(requests.filter(({ expected, predicted }) => expected === predicted).length).toBeGreaterThan(2);
    expect(readdirSync(dirname(join(user, file)))).toContain('demo.slim');
  });

  it.skipIf(node === null)(`every entry gives the command line's answer${absent}`, () => {
    const models = ['runs/demo/demo.slim', 'picture.png', 'texts.slim', 'hug the pug'];
    const { artifact, pictures, texts } = JSON.parse(run(user, node!, ['built/main.js', ...models])) as {
      artifact: Record<string, unknown>;
      pictures: Record<string, unknown>;
      texts: Record<string, unknown>;
    };
    expect(artifact).toMatchObject({
      task: 'image-classification',
      precision: 'int8',
      refused: 'header',
      broken: 'unsupported-format',
    });
    const predict = (...args: string[]): unknown =>
      JSON.parse(run(user, 'npx', ['slim', 'predict', ...args, '--top-k', '3', '--json'], node!));
    const told = predict('runs/demo/demo.slim', 'picture.png') as { predictions: unknown };
    expect(Object.values(pictures)).toEqual(Array(4).fill(told.predictions));
    expect(new Set(Object.values(texts).map((answer) => JSON.stringify(answer))).size, name).toBe(1);
  });
});

it.skipIf(programs.node18 === null)(
  `says that Node 18 is too old${skipNote(programs.node18 === null ? NOT_INSTALLED : null)}`,
  () => {
    const refused = (): string => run(user, 'npx', ['slim', '--version'], programs.node18!);
    expect(refused).toThrow(
      /error: Node 18\.20\.8 is too old: slim needs 20\.19 or later\nhint: Install a current one from .*\n/,
    );
  },
);

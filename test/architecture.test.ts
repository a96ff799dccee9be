/**
 * Imports go down, and packages stay where they belong: told from the sources. Imports of types count like any other.
 */
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { describe, expect, it } from 'vitest';
import { cyclesAmong, type Import, importsOf, packageOf, projectFolder, sourcesIn } from './support/imports.ts';
import { silentSkips } from './support/skips.ts';

/** The kernels are AssemblyScript: another language, with imports of its own. */
const isKernel = (file: string): boolean => file.startsWith('runtime/kernels/assembly/');
const runtime = sourcesIn('runtime').filter((file) => !isKernel(file));
const cli = sourcesIn('cli');
const infra = sourcesIn('infra');
const imports = new Map<string, Import[]>([...runtime, ...cli, ...infra].map((file) => [file, importsOf(file)]));

const folderOf = (file: string): string => file.split('/').slice(0, -1).join('/');
const within = (file: string, place: string): boolean => file === place || file.startsWith(`${place}/`);

/** `a imports b` for every import that breaks a rule; a test expects none. */
function broken(files: readonly string[], breaks: (file: string, imported: Import) => boolean): string[] {
  return files.flatMap((file) =>
    imports
      .get(file)!
      .filter((imported) => breaks(file, imported))
      .map(({ specifier }) => `${file} imports ${specifier}`),
  );
}

it('finds the sources', () => {
  expect(runtime.length).toBeGreaterThan(20);
  expect(cli.length).toBeGreaterThan(50);
  expect(imports.get('cli/engines/create.ts')).toContainEqual({
    specifier: './tfjs/engine.ts',
    file: 'cli/engines/tfjs/engine.ts',
    typeOnly: false,
  });
  expect(imports.get('cli/graph/targets.ts')).toEqual([{ specifier: '@tensorflow/tfjs', file: null, typeOnly: true }]);
});

describe('cli → runtime ← infra', () => {
  it('runtime imports nothing of ours above it', () => {
    expect(broken(runtime, (_, { file }) => file !== null && !within(file, 'runtime'))).toEqual([]);
  });

  it('cli and infra import themselves and runtime', () => {
    expect(
      broken(
        cli,
        (_, { file }) => file !== null && !['cli', 'runtime', 'package.json'].some((place) => within(file, place)),
      ),
    ).toEqual([]);
    expect(
      broken(infra, (_, { file }) => file !== null && !['infra', 'runtime'].some((place) => within(file, place))),
    ).toEqual([]);
  });

  it('nobody imports a kernel, but as a built module', () => {
    expect(broken([...imports.keys()], (_, { file }) => file !== null && isKernel(file))).toEqual([]);
  });
});

describe('runtime', () => {
  it('knows Node in its host entries only', () => {
    const isNode = (specifier: string): boolean => specifier.startsWith('node:') || builtinModules.includes(specifier);
    expect(broken(runtime, (file, { specifier }) => isNode(specifier) && folderOf(file) !== 'runtime/hosts')).toEqual(
      [],
    );
    const ofNode = /\b(process\.\w|Buffer\.|__dirname|require\()/;
    expect(runtime.filter((file) => folderOf(file) !== 'runtime/hosts' && ofNode.test(codeOf(file)))).toEqual([]);
  });

  it('makes no code from text, which edge hosts forbid', () => {
    expect(runtime.filter((file) => /\beval\(|new Function\(/.test(codeOf(file)))).toEqual([]);
  });

  it('goes down: hosts → page → http → text → preprocess → engine → kernels → artifact', () => {
    const order = [
      'runtime/artifact',
      'runtime/kernels',
      'runtime/engine',
      'runtime/preprocess',
      'runtime/text',
      'runtime/http',
      'runtime/page',
      'runtime/hosts',
    ];
    const level = (file: string): number => order.indexOf(folderOf(file)); // -1: runtime/random.ts, below all
    expect([...new Set(runtime.map(folderOf))].sort()).toEqual([...order, 'runtime'].sort());
    expect(broken(runtime, (file, imported) => imported.file !== null && level(imported.file) > level(file))).toEqual(
      [],
    );
  });
});

function textOf(file: string): string {
  return readFileSync(`${projectFolder}${file}`, 'utf8');
}

/** A file as code: comments, which may say what code may not, are left out. */
function codeOf(file: string): string {
  return textOf(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}

describe('cli', () => {
  it('a graph knows nothing of what runs it or is made of it', () => {
    expect(
      broken(
        cli.filter((file) => within(file, 'cli/graph')),
        (_, { file }) => file !== null && !within(file, 'cli/graph'),
      ),
    ).toEqual([]);
  });

  it('commands are known to the command line only', () => {
    const below = cli.filter((file) => !within(file, 'cli/commands') && file !== 'cli/main.ts');
    expect(broken(below, (_, { file }) => file !== null && within(file, 'cli/commands'))).toEqual([]);
  });
});

it('has no files that import each other in circles, but for the derivative rules', () => {
  const cycles = cyclesAmong([...imports.keys()], (file) =>
    imports
      .get(file)!
      .flatMap((imported) => (imported.file !== null && imports.has(imported.file) ? [imported.file] : [])),
  );
  // The derivative of a sum is a broadcast and the other way round: they call each other when a gradient is built,
  // never when loaded.
  expect(cycles).toEqual([['binary', 'broadcast', 'reduce', 'unary'].map((name) => `cli/graph/ops/${name}.ts`)]);
});

it('has no barrels', () => {
  // runtime/kernels/assembly/index.ts is AssemblyScript's entry: what it exports is what the module exports.
  expect([...runtime, ...cli, ...infra].filter((file) => file.endsWith('/index.ts'))).toEqual([]);
  expect([...imports.keys()].filter((file) => /^export \* from/m.test(codeOf(file)))).toEqual([]);
});

describe('tests', () => {
  const sources = sourcesIn('test');

  it('read data beside the project through their helper only, which lets none be read while files are collected', () => {
    expect(sources.length).toBeGreaterThan(200);
    const beside = /SLIM_(SHARED|GOLDEN)|\.\.\/shared|['"`]shared['"`]/;
    const readers = [...sources, ...imports.keys()].filter((file) => beside.test(textOf(file)));
    expect(readers).toEqual(['test/support/shared.ts']);
  });

  it('that may be skipped say why in their titles', () => {
    expect(sources.flatMap((file) => silentSkips(textOf(file)).map((title) => `${file}: ${title}`))).toEqual([]);
    const silent = "it.skip('a', f); describe.skipIf(x).each(all)('b', f); describe.skipIf(x)\n.sequential('c', f);";
    const told = "it('d', f); it.skipIf(x)(`e${why}`, f); it.each(all)('f', f); context.skip('g'); it.skipIf(x);";
    expect(silentSkips(`${silent} ${told}`)).toEqual(['a', 'b', 'c']);
  });
});

describe('packages', () => {
  /** Who may import what. */
  const PLACES: Readonly<Record<string, readonly string[]>> = {
    autocannon: ['cli/bench/serve.ts'],
    hono: ['runtime/http', 'infra/aws-lambda/handler.ts', 'cli/report/html.ts'],
    'd3-scale': ['cli/report/chart.ts'],
    'd3-shape': ['cli/report/chart.ts'],
    '@aws-sdk/client-cloudformation': ['cli/deploy/lambda'],
    '@aws-sdk/client-lambda': ['cli/deploy/lambda'],
    '@aws-sdk/client-s3': ['cli/deploy/lambda', 'infra/aws-lambda/s3-artifact.ts'],
    '@aws-sdk/client-sts': ['cli/deploy/lambda'],
    '@aws-sdk/lib-storage': ['cli/deploy/lambda/upload.ts'],
    fflate: ['cli/deploy'],
    '@hono/node-server': ['runtime/hosts'],
    '@huggingface/tokenizers': ['runtime/text/byte-level.ts'],
    '@jsquash/jpeg': ['runtime/preprocess/jsquash-decoders.ts'],
    '@jsquash/webp': ['runtime/preprocess/jsquash-decoders.ts'],
    '@huggingface/hub': ['cli/pretrained/hub.ts'],
    'csv-parse': ['cli/data/text/delimited.ts'],
    hyparquet: ['cli/data/text/parquet-reader.ts'],
    'hyparquet-compressors': ['cli/data/text/parquet-reader.ts'],
    'hyparquet-writer': ['cli/predict/parquet-output.ts'],
    picomatch: ['cli/predict/walk.ts'],
    commander: ['cli/main.ts', 'cli/args.ts', 'cli/commands'],
    'onnxruntime-node': ['cli/engines/onnx'],
    'onnxruntime-web': ['cli/engines/onnx/session.ts'],
    koffi: ['cli/engines/xla/pjrt', 'cli/engines/end-at-once.ts'],
    protobufjs: ['cli/engines/onnx/schema.ts', 'cli/engines/xla/pjrt/compile-options.ts', 'cli/train/event-file.ts'],
    '@tensorflow/tfjs': ['cli/engines/tfjs', 'cli/graph/targets.ts'],
    '@tensorflow/tfjs-backend-wasm': ['cli/engines/tfjs'],
    sharp: ['cli/data/sharp-decoders.ts', 'cli/bench/jpeg-folder.ts', 'cli/commands/demo.ts', 'cli/deploy/smoke.ts'],
  };
  /** Loaded where somebody installed them, or brought on first use: no dependencies. */
  const OPTIONAL = ['onnxruntime-web', 'onnxruntime-node', '@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'];
  const isPackage = ({ specifier, file }: Import): boolean => file === null && !specifier.startsWith('node:');

  it('are imported where they belong', () => {
    const allowed = (file: string, { specifier }: Import): boolean =>
      (PLACES[packageOf(specifier)] ?? []).some((place) => within(file, place));
    expect(broken([...imports.keys()], (file, imported) => isPackage(imported) && !allowed(file, imported))).toEqual(
      [],
    );
  });

  it('are the dependencies of package.json, all of them used', () => {
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(`${projectFolder}package.json`, 'utf8')) as {
      dependencies: Record<string, string>;
      optionalDependencies: Record<string, string>;
    };
    const imported = [...imports.values()]
      .flat()
      .filter(isPackage)
      .map(({ specifier }) => packageOf(specifier));
    const known = [...Object.keys(dependencies), ...Object.keys(optionalDependencies), ...OPTIONAL].sort();
    expect([...new Set(imported)].sort()).toEqual(known);
    expect(Object.keys(PLACES).sort()).toEqual(known);
  });

  it('leave a graph free of tfjs but for its types', () => {
    expect(
      broken(
        cli.filter((file) => within(file, 'cli/graph')),
        (_, imported) => isPackage(imported) && !imported.typeOnly,
      ),
    ).toEqual([]);
  });
});

describe('cyclesAmong', () => {
  const edges: Record<string, string[]> = {
    a: ['b'],
    b: ['c'],
    c: ['a', 'd'],
    d: ['e'],
    e: [],
    f: ['f'],
    g: ['d', 'f'],
  };
  it('finds circles, files that import themselves, and nothing else', () => {
    expect(cyclesAmong(Object.keys(edges), (file) => edges[file])).toEqual([['a', 'b', 'c'], ['f']]);
  });
});

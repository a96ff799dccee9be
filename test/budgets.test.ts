/** Smallness, held: what an edge host has to load beside the weights. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packageOf, projectFolder } from './support/imports.ts';

const KB = 1024;

const built = (name: string): Buffer => readFileSync(`${projectFolder}dist/${name}`);

describe.each([
  // Handler, reader, engine, preprocessing; no weights, no decoders. Of each, int4 is 1.1 KB (0.4 gzipped).
  { name: 'edge', what: 'pictures', bytes: 29.5 * KB, gzipped: 12.25 * KB, rest: 12.5 * KB, packages: [] },
  // Tokenizers instead of preprocessing. BPE of @huggingface/tokenizers is 2 KB of it gzipped; all of that package
  // would be 11.
  {
    name: 'edge-text',
    what: 'texts',
    bytes: 44.25 * KB,
    gzipped: 17.5 * KB,
    rest: 27 * KB,
    packages: ['@huggingface/tokenizers'],
  },
  // Unigram and SentencePiece's rules beside these.
  {
    name: 'edge-unigram',
    what: 'texts, Unigram among them',
    bytes: 49 * KB,
    gzipped: 19.5 * KB,
    rest: 32 * KB,
    packages: ['@huggingface/tokenizers'],
  },
])('the edge bundle for $what', ({ name, bytes, gzipped, rest, packages }) => {
  const bundle = built(`${name}.mjs`);
  const { bytesInOutput, imports } = readMetafile(name);

  it(`is at most ${bytes / KB} KB`, () => {
    expect(bundle.length, tally(bytesInOutput)).toBeLessThanOrEqual(bytes);
  });

  it(`is at most ${gzipped / KB} KB gzipped`, () => {
    expect(gzipSync(bundle, { level: 9 }).length, tally(bytesInOutput)).toBeLessThanOrEqual(gzipped);
  });

  it('keeps to its share, all but artifact and engine', () => {
    const theirs = ['runtime/artifact', 'runtime/engine', 'runtime/kernels'];
    const others = [...bytesInOutput]
      .filter(([place]) => !theirs.includes(place))
      .reduce((sum, [, size]) => sum + size, 0);
    expect(others, tally(bytesInOutput)).toBeLessThanOrEqual(rest);
  });

  it('imports nothing: no node: module, no file beside it', () => {
    expect(imports).toEqual([]);
    expect(bundle.toString()).not.toMatch(/\brequire\(|\bimport\(|import\.meta|node:/);
  });

  it('holds no codec, and of packages only what it needs', () => {
    // An entry that only names what others export adds no byte.
    const places = [...bytesInOutput].flatMap(([place, size]) =>
      size === 0 || place.startsWith('runtime/') ? [] : [place],
    );
    expect(places.sort()).toEqual(packages);
  });
});

it('the page is at most 24 KB, 9 KB gzipped', () => {
  const page = built('page.html');
  expect(page.length).toBeLessThanOrEqual(24 * KB);
  expect(gzipSync(page, { level: 9 }).length).toBeLessThanOrEqual(9 * KB);
});

describe.each(['from-module', 'from-bucket'])('the worker for Cloudflare, its artifact %s', (name) => {
  const { bytesInOutput, imports } = readMetafile(`edge-worker/${name}`);

  it('is at most 49 KB gzipped, without WebAssembly', () => {
    // Half of it is glue of the codecs (22 KB), then tokenizers and Hono.
    expect(gzipSync(built(`edge-worker/${name}.mjs`), { level: 9 }).length, tally(bytesInOutput)).toBeLessThanOrEqual(
      49 * KB,
    );
  });

  it('imports modules of the worker, and nothing else', () => {
    const paths = imports.map(({ path }) => path).sort();
    expect(paths).toEqual([
      './codec-jpeg.wasm',
      './codec-png.wasm',
      './codec-webp.wasm',
      './kernels-relaxed-pairs.wasm',
      ...(name === 'from-module' ? ['./model.slim'] : []),
      './page.html',
    ]);
  });
});

it('the codecs of pictures are at most 200 KB gzipped', () => {
  const sizes = ['jpeg', 'png', 'webp'].map((format) => gzipSync(built(`codec-${format}.wasm`), { level: 9 }).length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(200 * KB);
});

it.each(['node', 'bun', 'deno'])('the code of a server for %s is at most 400 KB, not minified', (host) => {
  const sizes = ['server.mjs', 'classifier-worker.mjs', 'healthcheck.mjs'].map(
    (name) => built(`${host}/${name}`).length,
  );
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(400 * KB);
});

it('the kernels of all builds are at most 64 KB', () => {
  const files = ['kernels.wasm', 'kernels-relaxed.wasm', 'kernels-relaxed-pairs.wasm'];
  expect(files.reduce((sum, name) => sum + built(name).length, 0)).toBeLessThanOrEqual(64 * KB);
});

/** What esbuild tells of a bundle: bytes by folder or package, and what it still imports. */
function readMetafile(name: string): {
  bytesInOutput: Map<string, number>;
  imports: readonly { readonly path: string }[];
} {
  const { outputs } = JSON.parse(built(`${name}.meta.json`).toString()) as {
    outputs: Record<string, { imports: { path: string }[]; inputs: Record<string, { bytesInOutput: number }> }>;
  };
  const { imports, inputs } = outputs[`dist/${name}.mjs`];
  const bytesInOutput = new Map<string, number>();
  for (const [file, { bytesInOutput: bytes }] of Object.entries(inputs)) {
    const [, inPackage] = file.split('node_modules/');
    const place = inPackage === undefined ? file.split('/').slice(0, 2).join('/') : packageOf(inPackage);
    bytesInOutput.set(place, (bytesInOutput.get(place) ?? 0) + bytes);
  }
  return { bytesInOutput, imports };
}

function tally(bytesInOutput: ReadonlyMap<string, number>): string {
  return [...bytesInOutput]
    .sort(([, a], [, b]) => b - a)
    .map(([place, bytes]) => `${place} ${bytes}`)
    .join(', ');
}

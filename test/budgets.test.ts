/** Smallness, held: what an edge host has to load beside the weights. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packageOf, projectFolder } from './support/imports.ts';

const KB = 1024;

const built = (name: string): Buffer => readFileSync(`${projectFolder}dist/${name}`);

describe('the edge bundle (app, reader, engine, preprocessing; no weights, no decoders)', () => {
  const bundle = built('edge.mjs');
  const { bytesInOutput, imports } = readMetafile();

  it('is at most 32 KB', () => {
    expect(bundle.length, tally(bytesInOutput)).toBeLessThanOrEqual(32 * KB);
  });

  it('is at most 12 KB gzipped', () => {
    expect(gzipSync(bundle, { level: 9 }).length, tally(bytesInOutput)).toBeLessThanOrEqual(12 * KB);
  });

  it('keeps to its share, all but artifact and engine', () => {
    const theirs = ['runtime/artifact', 'runtime/engine', 'runtime/kernels'];
    const rest = [...bytesInOutput].filter(([place]) => !theirs.includes(place)).reduce((sum, [, bytes]) => sum + bytes, 0);
    expect(rest, tally(bytesInOutput)).toBeLessThanOrEqual(19 * KB);
  });

  it('imports nothing: no node: module, no file beside it', () => {
    expect(imports).toEqual([]);
    expect(bundle.toString()).not.toMatch(/\brequire\(|\bimport\(|import\.meta|node:/);
  });

  it('holds no codec, and of packages only Hono', () => {
    const places = [...bytesInOutput.keys()].filter((place) => !place.startsWith('runtime/'));
    expect(places).toEqual(['hono']);
  });
});

it('the kernels of all builds are at most 64 KB', () => {
  const files = ['kernels.wasm', 'kernels-relaxed.wasm', 'kernels-relaxed-pairs.wasm'];
  expect(files.reduce((sum, name) => sum + built(name).length, 0)).toBeLessThanOrEqual(64 * KB);
});

/** What esbuild tells of the bundle: bytes by folder or package, and what it still imports. */
function readMetafile(): { bytesInOutput: Map<string, number>; imports: readonly unknown[] } {
  const { outputs } = JSON.parse(built('edge.meta.json').toString()) as {
    outputs: Record<string, { imports: unknown[]; inputs: Record<string, { bytesInOutput: number }> }>;
  };
  const { imports, inputs } = outputs['dist/edge.mjs'];
  const bytesInOutput = new Map<string, number>();
  for (const [file, { bytesInOutput: bytes }] of Object.entries(inputs)) {
    const [, inPackage] = file.split('node_modules/');
    const place = inPackage === undefined ? file.split('/').slice(0, 2).join('/') : packageOf(inPackage);
    bytesInOutput.set(place, (bytesInOutput.get(place) ?? 0) + bytes);
  }
  return { bytesInOutput, imports };
}

function tally(bytesInOutput: ReadonlyMap<string, number>): string {
  return [...bytesInOutput].sort(([, a], [, b]) => b - a).map(([place, bytes]) => `${place} ${bytes}`).join(', ');
}

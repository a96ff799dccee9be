/** Smallness, held: what an edge host has to load beside the weights. */
import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { projectFolder } from './support/imports.ts';

const KB = 1024;

const built = (name: string): Buffer => readFileSync(`${projectFolder}dist/${name}`);

describe('the edge bundle (app, reader, engine, preprocessing; no weights, no decoders)', () => {
  const bundle = built('edge.mjs');

  it('is at most 32 KB', () => {
    expect(bundle.length).toBeLessThanOrEqual(32 * KB);
  });

  it('is at most 12 KB gzipped', () => {
    expect(gzipSync(bundle, { level: 9 }).length).toBeLessThanOrEqual(12 * KB);
  });

  it('imports nothing: no node: module, no file beside it', () => {
    // A bundler leaves what it can't bundle as an import. import.meta would need a host that has files.
    expect(bundle.toString().match(/\bimport\b.{0,40}|\brequire\(.{0,40}|\bfrom".{0,40}|node:.{0,20}/g)).toBeNull();
  });
});

it('the kernels of all builds are at most 64 KB', () => {
  const files = ['kernels.wasm', 'kernels-relaxed.wasm'].filter((name) => existsSync(`${projectFolder}dist/${name}`));
  expect(files.reduce((sum, name) => sum + built(name).length, 0)).toBeLessThanOrEqual(64 * KB);
});

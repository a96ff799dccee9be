// Makes dist/edge-worker/: the modules of a worker for Cloudflare, but for the artifact; one main module for each place
// that it may come from.
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { buildEdge } from './edge-bundle.mjs';
import { CODEC_FILES } from './wasm.mjs';

/**
 * Replaces dist/edge-worker/, with esbuild's account of what each main module imports beside it. Kernels, codecs and
 * the page have to be in dist/ before.
 */
export async function buildWorkers() {
  rmSync('dist/edge-worker', { recursive: true, force: true });
  mkdirSync('dist/edge-worker', { recursive: true });
  for (const name of ['from-module', 'from-bucket']) {
    const { metafile } = await buildEdge(`infra/edge/${name}.ts`, `dist/edge-worker/${name}.mjs`, {
      mainFields: ['module', 'main'],
      external: ['*.wasm', '*.slim', '*.html'],
    });
    writeFileSync(`dist/edge-worker/${name}.meta.json`, JSON.stringify(metafile));
  }
  for (const name of ['kernels-relaxed-pairs.wasm', ...CODEC_FILES, 'page.html'])
    copyFileSync(`dist/${name}`, `dist/edge-worker/${name}`);
}

// Builds into dist/: the command line and its workers, the smallest web API, WebAssembly, the page, and what
// `slim deploy` puts on each kind of host. Quiet when all is well; a few seconds.
import './project-folder.mjs';

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';
import { buildEdge, EDGE_ENTRIES } from './edge-bundle.mjs';
import { buildLambda } from './lambda-bundle.mjs';
import { buildLibrary } from './library.mjs';
import { copyTensorflowLock, writePackageLocks } from './package-locks.mjs';
import { buildPage } from './page.mjs';
import { buildServers } from './server-bundles.mjs';
import { buildKernels, copyCodecs } from './wasm.mjs';
import { buildWorkers } from './worker-bundles.mjs';

mkdirSync('dist', { recursive: true });

const { metafile } = await build({
  entryPoints: {
    slim: 'cli/slim.ts',
    'picture-worker': 'cli/data/picture-worker.ts',
    'parquet-reader': 'cli/data/text/parquet-reader.ts',
    'classifier-worker': 'runtime/hosts/classifier-worker.ts',
    'load-probe': 'cli/bench/load-probe.ts',
    'compare-probe': 'cli/bench/compare/probe.ts',
    'tensorflow-probe': 'cli/engines/tfjs/tensorflow-probe.ts',
  },
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  // What a command does not need (onnxruntime, sharp, the HTTP server) is not loaded when it starts.
  splitting: true,
  metafile: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  // One class of it is needed, and by every command that may read texts: bundled, it costs no time to load.
  alias: { '@huggingface/tokenizers': './node_modules/@huggingface/tokenizers/dist/tokenizers.mjs' },
  sourcemap: true,
  logLevel: 'warning',
});

// Pieces of earlier builds, whose names were other hashes.
for (const name of readdirSync('dist')) {
  if (/\.mjs(\.map)?$/.test(name) && !(`dist/${name}` in metafile.outputs)) rmSync(`dist/${name}`);
}

for (const name of EDGE_ENTRIES) {
  const { metafile } = await buildEdge(`infra/package/${name}.ts`, `dist/${name}.mjs`);
  writeFileSync(`dist/${name}.meta.json`, JSON.stringify(metafile)); // what it is made of: esbuild.github.io/analyze
}

copyCodecs();
await buildKernels();
writePackageLocks();
copyTensorflowLock();
await buildLibrary();
await buildPage('dist/page.html');
await buildLambda();
await buildServers();
await buildWorkers();

// Builds into dist/: the command line and its workers, the web API for edge hosts, the page (esbuild), the kernels (AssemblyScript).
// Quiet when all is well; a few seconds.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { build } from 'esbuild';
import { buildEdge } from './edge-bundle.mjs';
import { buildLambda } from './lambda-bundle.mjs';
import { buildPage } from './page.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
mkdirSync('dist', { recursive: true });

const { metafile } = await build({
  entryPoints: {
    slim: 'cli/slim.ts',
    'picture-worker': 'cli/data/picture-worker.ts',
    'parquet-reader': 'cli/data/text/parquet-reader.ts',
    'classifier-worker': 'runtime/hosts/classifier-worker.ts',
    'load-probe': 'cli/bench/load-probe.ts',
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

for (const name of ['edge', 'edge-text']) {
  const { metafile } = await buildEdge(`runtime/hosts/${name}.ts`, `dist/${name}.mjs`);
  writeFileSync(`dist/${name}.meta.json`, JSON.stringify(metafile)); // what it is made of: esbuild.github.io/analyze
}

// The codecs of pictures, for hosts that read them from files.
const CODECS = { jpeg: 'jpeg/codec/dec/mozjpeg_dec.wasm', png: 'png/codec/pkg/squoosh_png_bg.wasm', webp: 'webp/codec/dec/webp_dec.wasm' };
for (const [format, file] of Object.entries(CODECS)) copyFileSync(`node_modules/@jsquash/${file}`, `dist/codec-${format}.wasm`);
await buildPage('dist/page.html');

await buildPage('dist/page.html');

// The kernels: with SIMD128, which every host runs, and with relaxed SIMD, which adds up products in one of two ways. Their constants lie from
// address 16 on.
const RELAXED = ['--enable', 'relaxed-simd'];
const BUILDS = { kernels: [], 'kernels-relaxed': RELAXED, 'kernels-relaxed-pairs': [...RELAXED, '--use', 'ADD_IN_PAIRS=memory'] };
for (const [name, features] of Object.entries(BUILDS)) {
  const { error, stderr } = await asc.main([
    'runtime/kernels/assembly/index.ts',
    '--outFile', `dist/${name}.wasm`,
    '-O3', '--noAssert', '--runtime', 'stub', '--use', 'abort=', '--memoryBase', '16', '--enable', 'simd', ...features,
    '--importMemory', '--noExportMemory',
  ]);
  if (error) {
    process.stderr.write(stderr.toString());
    throw error;
  }
}

await buildLambda();

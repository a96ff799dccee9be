// Makes dist/gpu-bundle/: all that a GPU machine with neither Node nor a network needs to test and time Slim
// there, in one folder of at most 60 MB. `bash run.sh` in it runs what `npm run bench:gpu` runs.
import './project-folder.mjs';

import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const SOURCES = 'test/benchmarks/gpu';
const BUNDLE = 'dist/gpu-bundle';
const MOST_BYTES = 60e6;
/** Of Node's modules these have machine code beside them, for Linux on x64; all others are bundled. */
const NATIVE = [
  'koffi',
  '@koromix/koffi-linux-x64',
  'sharp',
  '@img/colour',
  '@img/sharp-linux-x64',
  '@img/sharp-libvips-linux-x64',
  'detect-libc',
  'semver',
];
/** The suites that run on a device, of those in test/. */
const SUITES = ['contract/engines.test', 'golden/pclora-step.test', 'engines/xla.test', 'gpu/gpu.test'];

const settings = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  outExtension: { '.js': '.mjs' },
  splitting: true,
  external: ['koffi', 'sharp', 'onnxruntime-node', 'onnxruntime-web', '@tensorflow/*'],
  // CommonJS packages ask for Node's modules by require.
  banner: {
    js: "import { createRequire as slimRequire } from 'node:module'; const require = slimRequire(import.meta.url);",
  },
  alias: { '@huggingface/tokenizers': './node_modules/@huggingface/tokenizers/dist/tokenizers.mjs' },
  legalComments: 'none',
  logLevel: 'warning',
};

const withNode = !process.argv.includes('--without-node');
rmSync(BUNDLE, { recursive: true, force: true });
mkdirSync(`${BUNDLE}/slim/dist`, { recursive: true });

await build({
  ...settings,
  entryPoints: {
    slim: 'cli/slim.ts',
    'picture-worker': 'cli/data/picture-worker.ts',
    'parquet-reader': 'cli/data/text/parquet-reader.ts',
  },
  outdir: `${BUNDLE}/slim/dist`,
});
for (const name of readdirSync('dist').filter((name) => name.endsWith('.wasm')))
  copyFileSync(`dist/${name}`, `${BUNDLE}/slim/dist/${name}`);
copyFileSync('package.json', `${BUNDLE}/slim/package.json`);

await build({
  ...settings,
  entryPoints: Object.fromEntries(SUITES.map((name) => [name, `test/${name}.ts`])),
  outdir: `${BUNDLE}/tests`,
  // A test finds its fixtures from its own place.
  chunkNames: '[name]-[hash]',
  alias: { ...settings.alias, vitest: `./${SOURCES}/vitest-on-node.ts` },
});
cpSync('test/golden/fixtures', `${BUNDLE}/tests/golden/fixtures`, { recursive: true });

// One folder up from both, where Node looks for packages from either.
for (const name of NATIVE) {
  cpSync(`node_modules/${name}`, `${BUNDLE}/node_modules/${name}`, {
    recursive: true,
    filter: (path) =>
      !/(\/(vendor|doc|node_modules|musl_x64)|\.(cc|hh|h|S|asm|txt))$/.test(path.slice(`node_modules/${name}`.length)),
  });
}
for (const name of readdirSync(SOURCES).filter((name) =>
  /^(run\.sh|(bench|untested)\.mjs|reference.*\.py)$/.test(name),
))
  copyFileSync(`${SOURCES}/${name}`, `${BUNDLE}/${name}`);
if (withNode) packNode(`${BUNDLE}/node`);

const bytes = sizeOf(BUNDLE);
process.stdout.write(`${BUNDLE}: ${(bytes / 1e6).toFixed(1)} MB\n`);
if (bytes > MOST_BYTES) throw new Error(`${BUNDLE} has ${bytes} bytes, expected at most ${MOST_BYTES}`);

/** Node itself, without its symbols, as PATH.xz. */
function packNode(path) {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('the bundle is for Linux on x64, and carries the Node that makes it: make it there');
  copyFileSync(process.execPath, path);
  execFileSync('strip', [path]);
  execFileSync('xz', ['-9', '--threads=0', path]);
}

function sizeOf(path) {
  const facts = statSync(path);
  if (!facts.isDirectory()) return facts.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Build } from './program.ts';

const WASM_FILES: Readonly<Record<Build, string>> = {
  simd128: 'kernels.wasm',
  relaxed: 'kernels-relaxed.wasm',
  relaxedPairs: 'kernels-relaxed-pairs.wasm',
};

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * Bundles the program for each kind of host into a folder, beside the kernels. Returns the builds of the kernels that
 * exist.
 */
export async function buildPrograms(folder: string): Promise<Build[]> {
  await build({
    entryPoints: ['command-line', 'worker', 'page', 'edge-app'].map((name) => here(`./${name}.ts`)),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    external: ['node:*'],
    logLevel: 'warning',
  });
  const builds = (Object.keys(WASM_FILES) as Build[]).filter((name) =>
    existsSync(here(`../../../dist/${WASM_FILES[name]}`)),
  );
  for (const name of builds) copyFileSync(here(`../../../dist/${WASM_FILES[name]}`), join(folder, `${name}.wasm`));
  return builds;
}

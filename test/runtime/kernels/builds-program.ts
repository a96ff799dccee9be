/**
 * Runs every case on builds of the kernels and prints the digests of what they wrote, as JSON: {"digests": [[of a case,
 * …], of a build, …], …]}. builds.test.ts bundles it, since the host that has relaxed SIMD reads no TypeScript.
 * Arguments: files of builds.
 */
import { readFileSync } from 'node:fs';
import { supportsRelaxedSimd } from '../../../runtime/kernels/select.ts';
import { ALL_CASES } from './all.cases.ts';
import { compiledSide, digestOf } from './harness.ts';

const sides = process.argv.slice(2).map((file) => compiledSide(new WebAssembly.Module(readFileSync(file))));
const digests = sides.map((side) => ALL_CASES.map((kernelCase) => digestOf(side.run(kernelCase))));
process.stdout.write(JSON.stringify({ supportsRelaxedSimd: supportsRelaxedSimd(), digests }));

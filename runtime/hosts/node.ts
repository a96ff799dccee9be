/** What Node does for the runtime: reading files. Other hosts have their own ways; nothing else in runtime/ imports `node:`. */
import { readFile } from 'node:fs/promises';
import { readArtifact, type Artifact } from '../artifact/artifact.ts';
import type { Limits } from '../artifact/plan.ts';
import { supportsRelaxedSimd } from '../kernels/select.ts';
import { fastestOf } from '../kernels/tune.ts';

/** The builds of the kernels. */
export interface KernelFiles {
  readonly simd128: string | URL;
  /** With relaxed SIMD, adding up products at once, and in pairs. */
  readonly relaxed: string | URL;
  readonly relaxedPairs: string | URL;
}

/** Compiles the build of the kernels that is the fastest on this host. */
export async function loadKernels({ simd128, relaxed, relaxedPairs }: KernelFiles): Promise<WebAssembly.Module> {
  const files = supportsRelaxedSimd() ? [relaxed, relaxedPairs] : [simd128];
  const builds = await Promise.all(files.map(async (file) => WebAssembly.compile(await readFile(file))));
  return builds.length === 1 ? builds[0] : fastestOf(builds);
}

/** Reads and checks an artifact. @throws ArtifactError, or the system's error when the file can't be read. */
export async function loadArtifact(file: string | URL, limits?: Limits): Promise<Artifact> {
  return readArtifact(await readFile(file), limits);
}

/** What Node does for the runtime: reading files. Other hosts have their own ways; nothing else in runtime/ imports `node:`. */
import { readFile } from 'node:fs/promises';
import { readArtifact, type Artifact } from '../artifact/artifact.ts';
import type { Limits } from '../artifact/plan.ts';
import { supportsRelaxedSimd } from '../kernels/select.ts';

/** The two builds of the kernels. */
export interface KernelFiles {
  readonly simd128: string | URL;
  readonly relaxed: string | URL;
}

/** Compiles the build of the kernels that this host runs. */
export async function loadKernels({ simd128, relaxed }: KernelFiles): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(supportsRelaxedSimd() ? relaxed : simd128));
}

/** Reads and checks an artifact. @throws ArtifactError, or the system's error when the file can't be read. */
export async function loadArtifact(file: string | URL, limits?: Limits): Promise<Artifact> {
  return readArtifact(await readFile(file), limits);
}

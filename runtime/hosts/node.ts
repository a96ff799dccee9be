/** What Node does for the runtime: reading files. Other hosts have their own ways; nothing else in runtime/ imports `node:`. */
import { readFile } from 'node:fs/promises';
import { readArtifact, type Artifact } from '../artifact/artifact.ts';
import type { Limits } from '../artifact/plan.ts';

/** Compiles the kernels (dist/kernels.wasm) from a file. */
export async function loadKernels(file: string | URL): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(file));
}

/** Reads and checks an artifact. @throws ArtifactError, or the system's error when the file can't be read. */
export async function loadArtifact(file: string | URL, limits?: Limits): Promise<Artifact> {
  return readArtifact(await readFile(file), limits);
}

/** What Node does for the runtime: reading files. Nothing in runtime/ outside this folder imports `node:`. */
import { readFile } from 'node:fs/promises';
import { type Artifact, readArtifact } from '../artifact/artifact.ts';
import type { Limits } from '../artifact/plan.ts';
import { supportsRelaxedSimd } from '../kernels/select.ts';

/** The builds of the kernels: SIMD128, and with relaxed SIMD, adding up products at once and in pairs. */
export const KERNEL_FILES = {
  simd128: 'kernels.wasm',
  relaxed: 'kernels-relaxed.wasm',
  relaxedPairs: 'kernels-relaxed-pairs.wasm',
} as const;

/**
 * Compiles the build of the kernels that is the fastest on this host, from the folder that holds all. All compute the
 * same bits. @throws Error where the host has no SIMD.
 */
export async function loadKernels(folder: URL): Promise<WebAssembly.Module> {
  const build = !supportsRelaxedSimd() ? 'simd128' : (await hasDotProduct()) ? 'relaxed' : 'relaxedPairs';
  const bytes = await readFile(new URL(KERNEL_FILES[build], folder));
  if (!WebAssembly.validate(bytes))
    throw new Error(
      `no WebAssembly SIMD here (${process.platform}-${process.arch}, Node ${process.versions.node}): ` +
        'the kernels need an x86 with SSE4.1 or an ARM64',
    );
  return WebAssembly.compile(bytes);
}

/**
 * Whether the processor has an instruction for relaxed SIMD's dot product: ARM's SDOT, x86's AVX-VNNI (not AVX-512's,
 * which V8 does not use). Without, V8 takes five. Only Linux tells; elsewhere an x86 counts as one without, which costs
 * less where it is wrong.
 */
async function hasDotProduct(): Promise<boolean> {
  if (process.arch !== 'x64') return true;
  const processors = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  return /\bavx_vnni\b/.test(processors);
}

/** Reads and checks an artifact. @throws ArtifactError, or the system's error when the file can't be read. */
export async function loadArtifact(file: string | URL, limits?: Limits): Promise<Artifact> {
  return readArtifact(await readFile(file), limits);
}

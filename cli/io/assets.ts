import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadKernels } from '../../runtime/hosts/node.ts';

/**
 * The URL of a file that `npm run build` made (kernels.wasm, a worker). The bundled command line lies beside them in dist/;
 * sources run by the tests find them two folders up.
 */
export function builtAsset(name: string): URL {
  const here = dirname(fileURLToPath(import.meta.url));
  return new URL(basename(here) === 'dist' ? name : `../../dist/${name}`, import.meta.url);
}

/** The builds of the kernels: SIMD128, relaxed, relaxed in pairs. */
export const KERNEL_FILES = ['kernels.wasm', 'kernels-relaxed.wasm', 'kernels-relaxed-pairs.wasm'] as const;

/** Compiles the kernels for this host. */
export function builtKernels(): Promise<WebAssembly.Module> {
  const [simd128, relaxed, relaxedPairs] = KERNEL_FILES.map(builtAsset);
  return loadKernels({ simd128, relaxed, relaxedPairs });
}

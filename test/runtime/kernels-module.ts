import { fileURLToPath } from 'node:url';
import { loadKernels } from '../../runtime/hosts/node.ts';

/** The kernels that `npm run build` compiled. */
export function kernelsModule(): Promise<WebAssembly.Module> {
  return loadKernels(fileURLToPath(new URL('../../dist/kernels.wasm', import.meta.url)));
}

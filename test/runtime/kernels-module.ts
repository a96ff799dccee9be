import { readFile } from 'node:fs/promises';
import { supportsRelaxedSimd } from '../../runtime/kernels/select.ts';

/** The builds of the kernels that `npm run build` made and this host runs. */
export const BUILDS = [
  'kernels',
  ...(supportsRelaxedSimd() ? ['kernels-relaxed', 'kernels-relaxed-pairs'] : []),
] as const;

export async function kernelsModule(build: string = BUILDS[BUILDS.length - 1]): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(new URL(`../../dist/${build}.wasm`, import.meta.url)));
}

import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadKernels } from '../../runtime/hosts/node.ts';
import { messageOf, UserError } from './errors.ts';

/**
 * The URL of a file that `npm run build` made (kernels.wasm, a worker). The bundled command line lies beside them in
 * dist/; sources run by the tests find them two folders up.
 */
export function builtAsset(name: string): URL {
  const here = dirname(fileURLToPath(import.meta.url));
  return new URL(basename(here) === 'dist' ? name : `../../dist/${name}`, import.meta.url);
}

/** The folder of them. */
export const builtFolder = (): URL => new URL('.', builtAsset('slim.mjs'));

/** Compiles the kernels for this host. @throws UserError where they are not there, or the host can't run them. */
export function builtKernels(): Promise<WebAssembly.Module> {
  return loadKernels(builtFolder()).catch((error: unknown) => {
    throw new UserError(messageOf(error));
  });
}

/** How many bytes have to be there for each engine to run, on this platform, beside the model. */
import { readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtAsset } from '../../io/assets.ts';
import type { Installed } from './peers.ts';

/** The server that `slim deploy` puts on a host with Node: its bundle, kernels, codecs and page. */
export async function slimInstalled(): Promise<Installed> {
  return { bytes: await bytesOf(fileURLToPath(builtAsset('node')), () => true), what: 'server, kernels and codecs' };
}

/** onnxruntime-node's binary for this platform and its JavaScript. */
export async function nativeInstalled(require: NodeJS.Require): Promise<Installed> {
  const platform = join(process.platform, process.arch);
  const own = await bytesOf(packageFolder(require, 'onnxruntime-node'), (path) =>
    path.startsWith(`bin${sep}`) ? path.includes(platform) : isScript(path),
  );
  return { bytes: own + (await commonBytes(require)), what: `onnxruntime-node for ${platform}` };
}

/** The one WebAssembly file that onnxruntime-web loads on the CPU, and the scripts that Node loads. */
export async function webInstalled(require: NodeJS.Require): Promise<Installed> {
  const used = /^dist[\\/]ort(\.node\.min\.js|-wasm-simd-threaded\.(wasm|mjs))$/;
  const own = await bytesOf(packageFolder(require, 'onnxruntime-web'), (path) => used.test(path));
  return { bytes: own + (await commonBytes(require)), what: 'onnxruntime-web: one .wasm and its scripts' };
}

function commonBytes(require: NodeJS.Require): Promise<number> {
  return bytesOf(
    packageFolder(require, 'onnxruntime-common'),
    (path) => path.startsWith(`dist${sep}cjs`) && isScript(path),
  );
}

const isScript = (path: string): boolean => /\.[cm]?js$/.test(path) && !path.startsWith('script');

/** The folder of an installed package; its exports need not name its package.json. */
function packageFolder(require: NodeJS.Require, name: string): string {
  const entry = require.resolve(name);
  const end = join('node_modules', ...name.split('/'));
  const at = entry.lastIndexOf(end);
  return at === -1 ? dirname(entry) : entry.slice(0, at + end.length);
}

/** Of the files below a folder that are wanted, by their paths in it. */
async function bytesOf(folder: string, wanted: (path: string) => boolean): Promise<number> {
  const paths = (await readdir(folder, { recursive: true })).filter(wanted);
  const found = await Promise.all(paths.map((path) => stat(join(folder, path))));
  return found.reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
}

/** For packages beside Slim. */
export const besideSlim = (): NodeJS.Require => createRequire(import.meta.url);

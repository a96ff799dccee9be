/**
 * npm packages that only some commands need, and that are too large to come with every installation: onnxruntime (290 MB,
 * and its install script fetches 300 MB more, which Slim does not use, from a host that many networks close) and tfjs
 * (290 MB). Who only serves, predicts or embeds the runtime needs neither. Where one is not installed beside Slim it is
 * brought on first use, or by `slim setup`, into Slim's cache: by npm, without install scripts, and just the files whose
 * hashes stand in a lock file that comes with Slim.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import manifest from '../../package.json' with { type: 'json' };
import { builtAsset } from '../io/assets.ts';
import { cacheFolder } from '../io/cache-folder.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { errorCode, exists, writeError } from '../io/files.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';

/** What is brought together, by the name that `slim setup` has for it: the packages, and about how much comes. */
export const PACKAGE_SETS = {
  onnxruntime: { packages: ['onnxruntime-node'], download: '110 MB' },
  tfjs: { packages: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'], download: '50 MB' },
} as const satisfies Record<
  string,
  { packages: readonly (keyof typeof manifest.peerDependencies)[]; download: string }
>;

/** The name of a set. */
export type PackageSet = keyof typeof PACKAGE_SETS;

/** Where bringing is told of, and what ends it. */
export type BringingIo = Pick<Io, 'stderr' | 'signal'>;

/** The version that Slim was built and tested with, the only one that it takes. */
const versionOf = (name: keyof typeof manifest.peerDependencies): string => manifest.peerDependencies[name];

/**
 * A `require` that finds the packages of a set: beside Slim where they are installed there, else in the cache, into
 * which they are brought where that has none.
 * @throws UserError where they can't be brought; Interrupted
 */
export async function requireFrom(set: PackageSet, io: BringingIo): Promise<NodeJS.Require> {
  const beside = createRequire(import.meta.url);
  if (isInstalled(set, beside)) return beside;
  const folder = setFolder(set);
  if (!(await exists(folder))) await bring(set, folder, io);
  return createRequire(join(folder, 'package.json'));
}

/** The folder that holds the packages of a set: that of Slim's own installation, or the cache's; null where neither does. */
export async function installedIn(set: PackageSet): Promise<string | null> {
  const beside = createRequire(import.meta.url);
  if (isInstalled(set, beside)) return dirname(fileURLToPath(builtAsset('slim.mjs')));
  return (await exists(setFolder(set))) ? setFolder(set) : null;
}

/** The version of a set: that of its first package. */
export function packageVersion(set: PackageSet): string {
  return versionOf(PACKAGE_SETS[set].packages[0]);
}

/** Named by versions: another version of Slim brings its own. */
function setFolder(set: PackageSet): string {
  return join(resolve(cacheFolder()), 'packages', `${set}-${packageVersion(set)}`);
}

/** Whether all are there, in the versions that Slim takes; one of another version is as good as none. */
function isInstalled(set: PackageSet, require: NodeJS.Require): boolean {
  return PACKAGE_SETS[set].packages.every((name) => {
    try {
      return (require(`${name}/package.json`) as { version: string }).version === versionOf(name);
    } catch {
      return false; // Not there. One that is there but broken is an error when it is loaded.
    }
  });
}

/** Into a folder of its own first, so that a set is whole or absent, whoever else brings it at the same time. */
async function bring(set: PackageSet, folder: string, { stderr, signal }: BringingIo): Promise<void> {
  const { packages, download } = PACKAGE_SETS[set];
  const what = packages.map((name) => `${name} ${versionOf(name)}`).join(', ');
  const specifiers = packages.map((name) => `${name}@${versionOf(name)}`).join(' ');
  stderr.write(`bringing ${what} (about ${download}, once) into ${folder}\n`);
  let temporary: string | undefined;
  try {
    await mkdir(dirname(folder), { recursive: true });
    temporary = await mkdtemp(`${folder}.`);
    for (const name of ['package.json', 'package-lock.json'])
      await copyFile(new URL(`packages/${set}/${name}`, builtAsset('')), join(temporary, name));
    await npmInstall(temporary, signal);
    await rename(temporary, folder);
  } catch (error) {
    throwIfInterrupted(signal);
    // Somebody else was faster.
    if (['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(errorCode(error)) && (await exists(folder))) return;
    if (errorCode(error) !== '' && errorCode(error) !== 'ENOENT') throw writeError(folder, error);
    throw new UserError(
      `can't bring ${what}: ${messageOf(error)}`,
      `Check the network and run slim setup ${set}; or install it beside slim: ` +
        `npm install --ignore-scripts ${specifiers}`,
    );
  } finally {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  }
}

/** Rejects with what npm said last. */
function npmInstall(folder: string, signal: AbortSignal): Promise<void> {
  const npm = npmProgram();
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  return new Promise((resolve, reject) => {
    const child = spawn(npm.file, [...npm.args, ...args], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      signal,
      // npm's settings for the project that slim was started in, such as a workspace, are not for this folder.
      env: { ...process.env, npm_config_global: '', npm_config_prefix: undefined, npm_config_workspace: undefined },
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(npmComplaint(said) || `npm ended with ${code}`));
    });
  });
}

/** The first lines of what npm complains of, without its prefix and the way to its log. */
function npmComplaint(said: string): string {
  return said
    .split('\n')
    .map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim())
    .filter((line) => line !== '' && !/complete log|_logs/.test(line))
    .slice(0, 4)
    .join('; ');
}

/**
 * npm as a script for this very Node: that which slim was started by, else that beside Node, for on Windows `npm` is no
 * program. Else what is called so on the path.
 */
function npmProgram(): { file: string; args: readonly string[] } {
  const node = dirname(process.execPath);
  const scripts = [
    process.env.npm_execpath ?? '',
    join(node, '../lib/node_modules/npm/bin/npm-cli.js'),
    join(node, 'node_modules/npm/bin/npm-cli.js'),
  ];
  const script = scripts.find((path) => path.endsWith('npm-cli.js') && existsSync(path));
  return script === undefined ? { file: 'npm', args: [] } : { file: process.execPath, args: [script] };
}

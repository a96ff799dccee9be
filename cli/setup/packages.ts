/**
 * npm packages that only some commands need, and that are too large to come with every installation: onnxruntime
 * (290 MB, and its install script fetches 300 MB more, which Slim does not use, from a host that many networks close)
 * and tfjs (310 MB). Who only serves, predicts or embeds the runtime needs neither. Where one is not installed beside
 * Slim it is brought on first use, or by `slim setup`, into Slim's cache: by npm, without install scripts, and just the
 * files whose hashes stand in a lock file that comes with Slim.
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import manifest from '../../package.json' with { type: 'json' };
import { builtAsset, builtFolder } from '../io/assets.ts';
import { cacheFolder } from '../io/cache-folder.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { errorCode } from '../io/files.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { openToOthers } from './folders.ts';
import { npmCi } from './npm.ts';

/** Slim's own development has them all, in the versions that its tests ran with. */
type Name = keyof typeof manifest.devDependencies;

/** What is brought together, by the name that `slim setup` has for it: the packages, and about how much comes. */
export const PACKAGE_SETS = {
  onnxruntime: { packages: ['onnxruntime-node'], download: '110 MB' },
  tfjs: { packages: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'], download: '50 MB' },
} as const satisfies Record<string, { packages: readonly Name[]; download: string }>;

/** The name of a set. */
export type PackageSet = keyof typeof PACKAGE_SETS;

/** Where bringing is told of, and what ends it. */
export type BringingIo = Pick<Io, 'stderr' | 'signal'>;

/** The only version that it takes. */
const versionOf = (name: Name): string => manifest.devDependencies[name];

/**
 * A `require` that finds the packages of a set: beside Slim where they are installed there, else in the cache, into
 * which they are brought where it has none, or none that is whole.
 * @throws UserError where they can't be brought; Interrupted
 */
export async function requireFrom(set: PackageSet, io: BringingIo): Promise<NodeJS.Require> {
  const beside = createRequire(import.meta.url);
  if (isInstalled(set, beside)) return beside;
  const folder = setFolder(set);
  const found = await stateOf(set, folder);
  if (found === 'damaged') io.stderr.write(`${folder} is not whole\n`);
  if (found !== 'whole') await bring(set, folder, io);
  return createRequire(join(folder, 'package.json'));
}

/** The folder that holds the packages of a set: Slim's own, or the cache's; null where neither does. */
export async function installedIn(set: PackageSet): Promise<string | null> {
  if (isInstalled(set, createRequire(import.meta.url))) return dirname(fileURLToPath(builtFolder()));
  return (await stateOf(set, setFolder(set))) === 'whole' ? setFolder(set) : null;
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

/** How many files a set has, and their bytes: what the build counted of what the tests ran with. */
interface Content {
  readonly files: number;
  readonly bytes: number;
}

/** npm may leave half of a package without a word (a full disk), and a library that was cut short ends the process. */
async function stateOf(set: PackageSet, folder: string): Promise<'absent' | 'damaged' | 'whole'> {
  try {
    await stat(folder);
  } catch {
    return 'absent';
  }
  const expected = JSON.parse(await readFile(builtAsset(`packages/${set}/content.json`), 'utf8')) as Content;
  const { files, bytes } = await contentOf(join(folder, 'node_modules'));
  return files === expected.files && bytes === expected.bytes ? 'whole' : 'damaged';
}

async function contentOf(folder: string): Promise<Content> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  // npm's own notes begin with a dot: .bin, .package-lock.json.
  const files = entries.filter(
    (entry) => entry.isFile() && !(entry.parentPath === folder && entry.name.startsWith('.')),
  );
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size));
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Into a folder of its own first, so that a set is whole or absent, whoever else brings it at the same time. */
async function bring(set: PackageSet, folder: string, { stderr, signal }: BringingIo): Promise<void> {
  const { packages, download } = PACKAGE_SETS[set];
  const what = packages.map((name) => `${name} ${versionOf(name)}`).join(', ');
  let temporary: string | undefined;
  try {
    await mkdir(dirname(folder), { recursive: true });
    await removeLeftovers(folder);
    stderr.write(`bringing ${what} (about ${download}, once) into ${folder}\n`);
    temporary = await mkdtemp(`${folder}.`);
    for (const name of ['package.json', 'package-lock.json'])
      await copyFile(builtAsset(`packages/${set}/${name}`), join(temporary, name));
    await npmCi(temporary, signal);
    if ((await stateOf(set, temporary)) !== 'whole')
      throw new UserError('npm says that it is done, but files are missing or cut short', ROOM);
    await openToOthers(temporary);
    await replace(temporary, folder, async () => (await stateOf(set, folder)) === 'whole');
  } catch (error) {
    throwIfInterrupted(signal);
    const specifiers = packages.map((name) => `${name}@${versionOf(name)}`).join(' ');
    throw new UserError(
      `can't bring ${what}: ${messageOf(error)}`,
      error instanceof UserError && error.hint !== ''
        ? error.hint
        : (HINTS[errorCode(error)] ??
            `Check the network and run slim setup ${set}; or install it beside slim: ` +
              `npm install --ignore-scripts ${specifiers}`),
    );
  } finally {
    if (temporary !== undefined) await removed(temporary);
  }
}

const ROOM = 'Is the disk full? Free some space, or set SLIM_CACHE to a folder on another.';
const PLACE = 'Set SLIM_CACHE to a folder that you may write.';
const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: ROOM,
  EDQUOT: ROOM,
  EACCES: PLACE,
  EPERM: PLACE,
  EROFS: PLACE,
  ENOTDIR: PLACE,
  EEXIST: PLACE,
};

/** Puts a folder where another may be: one that is not whole goes, one that somebody else was faster with stays. */
async function replace(from: string, to: string, isWhole: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await rename(from, to);
    } catch (error) {
      if (tries === 3 || !['ENOTEMPTY', 'EEXIST', 'EPERM', 'ENOTDIR'].includes(errorCode(error))) throw error;
      if (await isWhole()) return;
      await removed(to);
    }
  }
}

/** What a process that was killed has left: after an hour nobody works on it any more. */
async function removeLeftovers(folder: string): Promise<void> {
  const stale = Date.now() - 3_600_000;
  for (const name of await readdir(dirname(folder))) {
    const path = join(dirname(folder), name);
    const isTemporary = name.startsWith(`${basename(folder)}.`) && name.length === basename(folder).length + 7;
    if (isTemporary && (await stat(path)).mtimeMs < stale) await removed(path);
  }
}

/** What can't be removed now is a leftover, removed some other time: the user has to hear of the job, not of this. */
async function removed(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }).catch(() => undefined);
}

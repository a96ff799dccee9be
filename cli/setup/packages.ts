/**
 * npm packages that only some commands need, and that are too large to come with every installation: onnxruntime
 * (290 MB, and its install script fetches 300 MB more, which Slim does not use, from a host that many networks close)
 * and tfjs (310 MB). Who only serves, predicts or embeds the runtime needs neither. Where one is not installed beside
 * Slim it is brought on first use, or by `slim setup`, into Slim's cache: by npm, without install scripts, and just the
 * files whose hashes stand in a lock file that comes with Slim.
 */
import { copyFile, readdir, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import manifest from '../../package.json' with { type: 'json' };
import { builtAsset, builtFolder } from '../io/assets.ts';
import { cacheFolder } from '../io/cache-folder.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { errorCode, exists } from '../io/files.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { npmCi } from './npm.ts';
import sets from './package-sets.json' with { type: 'json' };
import { CACHE_HINTS, makeWhole } from './whole-folder.ts';

/** The name of a set of packages that are brought together, as `slim setup` calls it. */
export type PackageSet = keyof typeof sets;

/** What is brought together, and about how much comes. The build writes a lock file for each. */
export const PACKAGE_SETS: Readonly<
  Record<PackageSet, { readonly packages: readonly string[]; readonly download: string }>
> = sets;

/** Where bringing is told of, and what ends it. */
export type BringingIo = Pick<Io, 'stderr' | 'signal'>;

/** The packages of a set, where they were found. */
export interface FoundPackages {
  readonly folder: string;
  readonly require: NodeJS.Require;
}

/** Slim's own development has them all; in the versions that its tests ran with, the only ones that it takes. */
const versions: Readonly<Record<string, string>> = manifest.devDependencies;

/** `NAME@VERSION`, as npm takes it, of each package of a set. */
const specifiers = (set: PackageSet): string[] => PACKAGE_SETS[set].packages.map((name) => `${name}@${versions[name]}`);

/**
 * The packages of a set: beside Slim where they are installed there, else in the cache, into which they are brought
 * where it has none, or none that is whole.
 * @throws UserError where they can't be brought; Interrupted
 */
export async function requirePackages(set: PackageSet, io: BringingIo): Promise<FoundPackages> {
  const found = await findPackages(set);
  if (found !== null) return found;
  const folder = setFolder(set);
  if (await exists(folder)) io.stderr.write(`${folder} is not whole\n`);
  await bring(set, folder, io);
  return foundIn(folder);
}

/** The packages of a set, where they are all there; null where they would have to be brought. */
export async function findPackages(set: PackageSet): Promise<FoundPackages | null> {
  const beside = createRequire(import.meta.url);
  if (isInstalled(set, beside)) return { folder: dirname(fileURLToPath(builtFolder())), require: beside };
  const folder = setFolder(set);
  return (await isWhole(set, folder)) ? foundIn(folder) : null;
}

/** The version of a set: that of its first package. */
export function packageVersion(set: PackageSet): string {
  return versions[PACKAGE_SETS[set].packages[0]];
}

/** Named by versions: another version of Slim brings its own. */
function setFolder(set: PackageSet): string {
  return join(resolve(cacheFolder()), 'packages', `${set}-${packageVersion(set)}`);
}

function foundIn(folder: string): FoundPackages {
  return { folder, require: createRequire(join(folder, 'package.json')) };
}

/** Whether all are there, in the versions that Slim takes; one of another version is as good as none. */
function isInstalled(set: PackageSet, require: NodeJS.Require): boolean {
  return PACKAGE_SETS[set].packages.every((name) => {
    try {
      return (require(`${name}/package.json`) as { version: string }).version === versions[name];
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
async function isWhole(set: PackageSet, folder: string): Promise<boolean> {
  if (!(await exists(folder))) return false;
  const expected = JSON.parse(await readFile(builtAsset(`packages/${set}/content.json`), 'utf8')) as Content;
  const { files, bytes } = await contentOf(join(folder, 'node_modules'));
  return files === expected.files && bytes === expected.bytes;
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

async function bring(set: PackageSet, folder: string, { stderr, signal }: BringingIo): Promise<void> {
  const what = specifiers(set).join(', ');
  stderr.write(`bringing ${what} (about ${PACKAGE_SETS[set].download}, once) into ${folder}\n`);
  try {
    await makeWhole(folder, {
      isWhole: (made) => isWhole(set, made),
      async fill(made) {
        for (const name of ['package.json', 'package-lock.json'])
          await copyFile(builtAsset(`packages/${set}/${name}`), join(made, name));
        await npmCi(made, signal);
      },
    });
  } catch (error) {
    throwIfInterrupted(signal);
    const own = error instanceof UserError ? error.hint : CACHE_HINTS[errorCode(error)];
    throw new UserError(
      `can't bring ${what}: ${messageOf(error)}`,
      own ??
        `Check the network and run slim setup ${set}; or install it beside slim: ` +
          `npm install --ignore-scripts ${specifiers(set).join(' ')}`,
    );
  }
}

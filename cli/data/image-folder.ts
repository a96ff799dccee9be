/**
 * A folder a class, as torchvision's ImageFolder: train/CLASS/*.jpg and val/CLASS/*.jpg, or CLASS/*.jpg split by seed.
 */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { checkPicture } from '../../runtime/preprocess/decode.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { random, shuffled } from '../../runtime/random.ts';
import { UserError } from '../io/errors.ts';
import { mapAtOnce } from './at-once.ts';
import { contentsHash, judgesWhole, seenNotices } from './contents.ts';
import type { PictureFile } from './file-split.ts';
import { fileSplit } from './file-split.ts';
import { readPicture, unreadablePicture } from './picture-source.ts';
import type { DatasetOptions, PictureDataset } from './split.ts';

const testFolders = ['val', 'validation', 'test'];
const pictureName = /\.(jpe?g|png|webp)$/i;

interface ClassFolder {
  readonly name: string;
  readonly paths: readonly string[];
}

/** Opens the image folder `folder` whose subfolders are `folders`. */
export async function openImageFolder(
  folder: string,
  folders: readonly string[],
  options: DatasetOptions,
): Promise<PictureDataset> {
  const hasSplit = folders.includes('train');
  if (!hasSplit && options.judging) {
    const whole = await wholeFolder(folder, folders, options);
    if (whole !== null) return whole;
  }
  const { labels, train, test } = await (hasSplit ? readSplits(folder, folders) : divide(folder, folders, options));
  const readable = { train: await checkFiles(train, options), test: await checkFiles(test, options) };
  const kept = readable.train.length + readable.test.length;
  if (readable.train.length === 0 || readable.test.length === 0) {
    throw new UserError(
      `${folder} has ${readable.train.length} readable training pictures and ${readable.test.length} for testing: ` +
        'both need some',
    );
  }
  if (labels.length < 2) {
    throw new UserError(
      `${folder} has one class only (${labels.join()}): there is nothing to tell apart`,
      'A class is a folder of pictures; give the folder that holds the class folders.',
    );
  }
  const whole = await realpath(folder);
  const { seed, validationFraction } = options;
  const place = (part: string) => ({
    folder,
    origin: JSON.stringify(hasSplit ? { folder: whole, part } : { folder: whole, part, seed, validationFraction }),
  });
  return {
    kind: 'image',
    problemType: 'single_label_classification',
    name: folder,
    labels,
    train: fileSplit(readable.train, place('train')),
    test: fileSplit(readable.test, place('test')),
    skipped: train.length + test.length - kept,
    contents: {
      digest: await digestOf([...readable.train, ...(hasSplit ? [] : readable.test)], labels),
      heldOut: !hasSplit,
    },
    notices: [],
  };
}

/**
 * All pictures of a folder that is only to judge a model, or of its part for testing where it has no other; null where
 * the model was trained on a share of them.
 */
async function wholeFolder(
  folder: string,
  folders: readonly string[],
  options: DatasetOptions,
): Promise<PictureDataset | null> {
  const part = folders.every((name) => testFolders.includes(name))
    ? testFolders.find((name) => folders.includes(name))
    : undefined;
  const classes = await (part === undefined ? readClasses(folder, folders) : readClasses(join(folder, part)));
  const labels = classes.map(({ name }) => name);
  const files = labelled(classes, labels);
  const readable = await checkFiles(files, options);
  const digest = await digestOf(readable, labels);
  if (!judgesWhole(options.judging, digest)) return null;
  if (readable.length === 0) throw new UserError(`${folder} has no readable pictures to judge a model by`);
  const origin = JSON.stringify({ folder: await realpath(folder), part: 'whole' });
  return {
    kind: 'image',
    problemType: 'single_label_classification',
    name: folder,
    labels,
    train: fileSplit([], { folder, origin }),
    test: fileSplit(readable, { folder, origin }),
    skipped: files.length - readable.length,
    contents: { digest, heldOut: false },
    notices: [
      ...seenNotices(options.judging, digest, folder),
      `The model is judged on all ${readable.length} pictures.`,
    ],
  };
}

/** Of the files' classes, names and sizes: their contents are too many bytes to go over for that. */
async function digestOf(files: readonly PictureFile[], labels: readonly string[]): Promise<string> {
  const lines = await mapAtOnce(
    files,
    async ({ path, label }) => [labels[label as number], basename(path), String((await stat(path)).size)] as const,
  );
  const hash = contentsHash();
  for (const line of lines.sort((a, b) => (a.join('/') < b.join('/') ? -1 : 1))) hash.add(...line);
  return hash.digest();
}

interface LabelledFiles {
  readonly labels: readonly string[];
  readonly train: readonly PictureFile[];
  readonly test: readonly PictureFile[];
}

async function readSplits(folder: string, folders: readonly string[]): Promise<LabelledFiles> {
  const testFolder = testFolders.find((name) => folders.includes(name));
  if (testFolder === undefined) {
    throw new UserError(
      `${folder} has train/ but none of ${testFolders.map((name) => `${name}/`).join(', ')}`,
      'Hold out some pictures of each class there.',
    );
  }
  const train = await readClasses(join(folder, 'train'));
  const test = await readClasses(join(folder, testFolder));
  const labels = train.map(({ name }) => name);
  const unknown = test.filter(({ name }) => !labels.includes(name)).map(({ name }) => name);
  if (unknown.length > 0) {
    throw new UserError(
      `${join(folder, testFolder)} has classes that train/ lacks: ${unknown.join(', ')}`,
      `Classes in train/: ${labels.join(', ')}.`,
    );
  }
  return { labels, train: labelled(train, labels), test: labelled(test, labels) };
}

/** Holds out the same share of each class. */
async function divide(folder: string, folders: readonly string[], options: DatasetOptions): Promise<LabelledFiles> {
  const { seed, validationFraction = 0.2 } = options;
  const classes = await readClasses(folder, folders);
  const labels = classes.map(({ name }) => name);
  const parts = classes.map(({ name, paths }, index) => {
    if (paths.length < 2)
      throw new UserError(
        `the class folder ${join(folder, name)} has 1 picture: at least 2 are needed to hold one out`,
      );
    const order = [...shuffled(paths.length, random(seed, index))].map((i) => paths[i]);
    const held = Math.min(paths.length - 1, Math.max(1, Math.round(paths.length * validationFraction)));
    return { train: { name, paths: order.slice(held) }, test: { name, paths: order.slice(0, held) } };
  });
  return {
    labels,
    train: labelled(
      parts.map(({ train }) => train),
      labels,
    ),
    test: labelled(
      parts.map(({ test }) => test),
      labels,
    ),
  };
}

function labelled(classes: readonly ClassFolder[], labels: readonly string[]): readonly PictureFile[] {
  return classes.flatMap(({ name, paths }) => paths.map((path) => ({ path, label: labels.indexOf(name) })));
}

async function readClasses(folder: string, names?: readonly string[]): Promise<readonly ClassFolder[]> {
  const folders = names ?? (await subfolders(folder));
  if (folders.length === 0)
    throw new UserError(`${folder} has no class folders`, 'Put the pictures of each class in a folder named after it.');
  return Promise.all(folders.map(async (name) => ({ name, paths: await readClass(join(folder, name)) })));
}

async function subfolders(folder: string): Promise<readonly string[]> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).sort();
  const isFolder = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).isDirectory()));
  return names.filter((_, i) => isFolder[i]);
}

async function readClass(folder: string): Promise<readonly string[]> {
  const names = (await readdir(folder)).filter((name) => pictureName.test(name) && !name.startsWith('.')).sort();
  if (names.length === 0) {
    throw new UserError(
      `the class folder ${folder} has no pictures (.jpg, .jpeg, .png, .webp)`,
      'Add some, or remove the folder.',
    );
  }
  return names.map((name) => join(folder, name));
}

/**
 * Every file is read once, so that a bad one is found before an hour of training: its header, size and completeness
 * always; with skipBad the picture is decoded too, so that the number of samples is final. Without it, damage inside
 * the data is found when the picture is first used.
 */
async function checkFiles(
  files: readonly PictureFile[],
  { skipBad = false }: DatasetOptions,
): Promise<readonly PictureFile[]> {
  const readable = await mapAtOnce(files, ({ path }) => isReadable(path, skipBad));
  return files.filter((_, i) => readable[i]);
}

async function isReadable(path: string, skipBad: boolean): Promise<boolean> {
  try {
    if (skipBad) await readPicture(path);
    else checkPicture(await readFile(path));
    return true;
  } catch (error) {
    if (skipBad && error instanceof UserError) return false;
    throw error instanceof PreprocessError ? unreadablePicture(path, error) : error;
  }
}

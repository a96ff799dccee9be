/** Pictures in a folder a class, as torchvision's ImageFolder; what has no part to judge by is split by seed. */

import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { random, shuffled } from '../../runtime/random.ts';
import { UserError } from '../io/errors.ts';
import { counted } from '../io/words.ts';
import { mapAtOnce } from './at-once.ts';
import { contentsHash, judgesWhole, partNotice, seenNotices } from './contents.ts';
import { contentDigest, duplicateNotices } from './duplicates.ts';
import type { PictureFile } from './file-split.ts';
import { fileSplit } from './file-split.ts';
import { listFolder } from './list-folder.ts';
import { JUDGING_PARTS, partNamed } from './parts.ts';
import { type ClassFolder, type PictureLayout, pictureLayout } from './picture-layout.ts';
import { checkBytes, decodeBytes, unreadablePicture } from './picture-source.ts';
import type { DatasetOptions, PictureDataset } from './split.ts';

/** Opens the pictures in `folder`. UserErrors say what is wrong with it. */
export async function openImageFolder(folder: string, options: DatasetOptions): Promise<PictureDataset> {
  const layout = await pictureLayout(options.judging ? await judgingFolder(folder) : folder);
  const labels = layout.train.map(({ label }) => label);
  const digest = await contentsOf(layout.train);
  if (layout.test === null && judgesWhole(options.judging, digest)) return wholeFolder(folder, layout, digest, options);
  const { train, test, notices } =
    layout.test === null ? divide(layout.train, options) : inParts(folder, layout.train, layout.test);
  const checked = { train: await checkFiles(train, labels, options), test: await checkFiles(test, labels, options) };
  if (checked.train.files.length === 0 || checked.test.files.length === 0) {
    throw new UserError(
      `${folder} has ${counted(checked.train.files.length, 'readable training picture')} and ` +
        `${checked.test.files.length} for testing: both need some`,
    );
  }
  if (labels.length < 2) {
    throw new UserError(
      `${folder} has one class only (${labels.join()}): there is nothing to tell apart`,
      'A class is a folder of pictures; give the folder that holds the class folders.',
    );
  }
  const whole = await realpath(folder);
  const isDivided = layout.test === null && train !== test;
  const { seed, validationFraction } = options;
  const split = layout.test === null ? { seed, validationFraction } : {};
  const place = (part: string) => ({ folder, origin: JSON.stringify({ folder: whole, part, ...split }) });
  return {
    kind: 'image',
    problemType: 'single_label_classification',
    name: folder,
    labels,
    train: fileSplit(checked.train.files, place('train')),
    test: fileSplit(checked.test.files, place('test')),
    skipped: checked.train.skipped + checked.test.skipped,
    contents: { digest, heldOut: isDivided },
    notices: [
      ...layout.notices,
      ...(layout.judging === null ? [] : [partNotice(options.judging, digest, folder, layout.judging)]),
      ...notices,
      ...(train === test ? [] : duplicateNotices(checked.train.digests, checked.test.digests, 'picture')),
    ],
  };
}

/** All pictures of a folder that is only to judge a model, or of its part for testing where it has no other. */
async function wholeFolder(
  folder: string,
  layout: PictureLayout,
  digest: string,
  options: DatasetOptions,
): Promise<PictureDataset> {
  const labels = layout.train.map(({ label }) => label);
  const { files, skipped } = await checkFiles(layout.train, labels, options);
  if (files.length === 0) throw new UserError(`${folder} has no readable pictures to judge a model by`);
  const origin = JSON.stringify({ folder: await realpath(folder), part: 'whole' });
  return {
    kind: 'image',
    problemType: 'single_label_classification',
    name: folder,
    labels,
    train: fileSplit([], { folder, origin }),
    test: fileSplit(files, { folder, origin }),
    skipped,
    contents: { digest, heldOut: false },
    notices: [
      ...layout.notices,
      ...seenNotices(options.judging, digest, folder),
      `The model is judged on all ${counted(files.length, 'picture')}.`,
    ],
  };
}

/** The part that judges, of a folder that has no other; else the folder itself. */
async function judgingFolder(folder: string): Promise<string> {
  const { folders } = await listFolder(folder);
  const parts = folders.map(partNamed);
  const judging = JUDGING_PARTS.find((part) => parts.includes(part));
  const isAlone = judging !== undefined && parts.every((part) => part !== null && part !== 'train');
  return isAlone ? join(folder, folders[parts.indexOf(judging)]) : folder;
}

/** Of the files' classes, names and sizes: their contents are too many bytes to go over for that. */
async function contentsOf(classes: readonly ClassFolder[]): Promise<string> {
  const files = classes.flatMap(({ label, paths }) => paths.map((path) => ({ label, path })));
  const lines = await mapAtOnce(
    files,
    async ({ label, path }) => [label, basename(path), String((await stat(path)).size)] as const,
  );
  const hash = contentsHash();
  for (const line of lines.sort((a, b) => (a.join('/') < b.join('/') ? -1 : 1))) hash.add(...line);
  return hash.digest();
}

interface LabelledFolders {
  readonly train: readonly ClassFolder[];
  readonly test: readonly ClassFolder[];
  readonly notices: readonly string[];
}

function inParts(folder: string, train: readonly ClassFolder[], test: readonly ClassFolder[]): LabelledFolders {
  const labels = train.map(({ label }) => label);
  const unknown = test.filter(({ label }) => !labels.includes(label)).map(({ label }) => label);
  if (unknown.length > 0) {
    throw new UserError(
      `what judges in ${folder} has classes that its training part lacks: ${unknown.join(', ')}`,
      `Classes to train on: ${labels.join(', ')}.`,
    );
  }
  return { train, test, notices: [] };
}

/** Holds out the same share of each class; a class of one picture has none to spare. */
function divide(classes: readonly ClassFolder[], options: DatasetOptions): LabelledFolders {
  const { seed, validationFraction = 0.2 } = options;
  const parts = classes.map(({ label, paths }, index) => {
    const order = [...shuffled(paths.length, random(seed, index))].map((i) => paths[i]);
    const held = Math.min(paths.length - 1, Math.max(1, Math.round(paths.length * validationFraction)));
    return { train: { label, paths: order.slice(held) }, test: { label, paths: order.slice(0, held) } };
  });
  const count = (which: 'train' | 'test'): number => parts.reduce((sum, part) => sum + part[which].paths.length, 0);
  const train = parts.map((part) => part.train);
  if (count('test') === 0)
    return {
      train,
      test: train,
      notices: [
        'No class has two pictures, so none can be held out: models are judged on the training pictures themselves.',
      ],
    };
  const single = parts.filter(({ test }) => test.paths.length === 0).map(({ train: { label } }) => label);
  return {
    train,
    test: parts.map((part) => part.test),
    notices: [
      `Models are judged on ${count('test')} of the ${counted(count('train') + count('test'), 'picture')}, which are held out.`,
      ...(single.length === 0 ? [] : [`Of one picture only, none of which is held out: ${single.join(', ')}.`]),
    ],
  };
}

interface CheckedFiles {
  readonly files: readonly PictureFile[];
  /** By file. */
  readonly digests: readonly number[];
  readonly skipped: number;
}

/**
 * Every file is read once, so that a bad one is found before an hour of training: its header, size and completeness
 * always; with skipBad the picture is decoded too, so that the number of samples is final. Without it, damage inside
 * the data is found when the picture is first used.
 */
async function checkFiles(
  classes: readonly ClassFolder[],
  labels: readonly string[],
  { skipBad = false }: DatasetOptions,
): Promise<CheckedFiles> {
  const files = classes.flatMap(({ label, paths }) => paths.map((path) => ({ path, label: labels.indexOf(label) })));
  const digests = await digestsOf(
    files.map(({ path }) => path),
    skipBad,
  );
  return {
    files: files.filter((_, i) => digests[i] !== null),
    digests: digests.filter((digest) => digest !== null),
    skipped: digests.filter((digest) => digest === null).length,
  };
}

/** The pictures that can be read, checked as those of a data set. UserError for another, unless those are left out. */
export async function readablePictures(paths: readonly string[], skipBad: boolean): Promise<readonly string[]> {
  const digests = await digestsOf(paths, skipBad);
  return paths.filter((_, i) => digests[i] !== null);
}

function digestsOf(paths: readonly string[], skipBad: boolean): Promise<readonly (number | null)[]> {
  return mapAtOnce(paths, (path) => digestOf(path, skipBad));
}

/** Of a picture that can be read; null for another where those are left out. */
async function digestOf(path: string, skipBad: boolean): Promise<number | null> {
  try {
    const bytes = await readFile(path);
    if (skipBad) await decodeBytes(bytes);
    else await checkBytes(bytes);
    return contentDigest(bytes);
  } catch (error) {
    if (skipBad && error instanceof PreprocessError) return null;
    throw unreadablePicture(path, error);
  }
}

/**
 * Which pictures a folder holds, by class: train/CLASS/*.jpg with val/ or test/ beside it, or CLASS/*.jpg. Folders
 * below a class's belong to it, as in torchvision's ImageFolder.
 */

import { realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { UserError } from '../io/errors.ts';
import { counted, plural } from '../io/words.ts';
import { createLeftOut, type LeftOut } from './left-out.ts';
import { type FolderContent, listFolder } from './list-folder.ts';
import { JUDGING_PARTS, type PartName, partNamed, partWithin } from './parts.ts';
import { PICTURE_ENDINGS, PICTURE_NAME } from './picture-formats.ts';

/** A folder of pictures, whose name is their label. */
export interface ClassFolder {
  readonly label: string;
  readonly paths: readonly string[];
}

/** The pictures of a folder. */
export interface PictureLayout {
  readonly train: readonly ClassFolder[];
  /** Null where a share of the training part is to be held out. */
  readonly test: readonly ClassFolder[] | null;
  /** What the folder of `test` is called, `val/`. */
  readonly judging: string | null;
  /** How they were found, and what was left out, in sentences for the user. */
  readonly notices: readonly string[];
}

/** Whether class folders of pictures lie in a folder, in parts or not: what lies beside them is no data then. */
export async function holdsClassFolders(folder: string): Promise<boolean> {
  const content = await listFolder(folder);
  const parts = await partFolders(folder, content);
  if (parts !== null) return true;
  let classes = 0;
  for (const name of content.folders) {
    if (await holdsPicture(join(folder, name))) {
      // Pictures in train/ itself have no classes, but they tell what the table beside them is about.
      if (++classes === 2 || partNamed(name) !== null) return true;
    }
  }
  return false;
}

/** Finds the pictures. UserErrors say what is missing. */
export async function pictureLayout(given: string): Promise<PictureLayout> {
  const folder = await unwrapped(given);
  const found = folder === given ? [] : [`The pictures are in ${folder}.`];
  const content = await listFolder(folder);
  const left = createLeftOut();
  const place: Place = { root: given, left, nested: new Map() };
  for (const name of content.hidden) left.hidden(relative(given, join(folder, name)));
  for (const name of content.files) left.file(relative(given, join(folder, name)));
  const parts = await partFolders(folder, content);
  const layout =
    parts === null
      ? { train: await classesOf(folder, content, place), test: null, judging: null, notices: [] }
      : await partsOf(folder, content, parts, place);
  return { ...layout, notices: [...found, ...layout.notices, ...nestedNotices(place), ...left.notices()] };
}

interface Place {
  readonly root: string;
  readonly left: LeftOut;
  /** How many pictures lie in a folder below their class's, by that folder. */
  readonly nested: Map<string, number>;
}

type Parts = ReadonlyMap<PartName, string>;

/**
 * Archives often hold one folder that holds everything: that one, where it has class folders; else the folder itself.
 */
async function unwrapped(folder: string): Promise<string> {
  let inner = folder;
  for (let depth = 0; depth < MAX_WRAPPERS; depth++) {
    const { files, folders } = await listFolder(inner);
    if (folders.length === 0 || files.some((name) => PICTURE_NAME.test(name))) return folder;
    if (folders.length > 1 || partNamed(folders[0]) === 'train') return inner;
    inner = join(inner, folders[0]);
  }
  return folder;
}

/** More folders of one folder each than that are links in a circle. */
const MAX_WRAPPERS = 16;

/** The folders of parts, where there is a training part with class folders; null where the folders are classes. */
async function partFolders(folder: string, { folders }: FolderContent): Promise<Parts | null> {
  for (const partOf of [partNamed, partWithin]) {
    const parts = new Map<PartName, string>();
    for (const name of folders) {
      const part = partOf(name);
      if (part !== null && !parts.has(part)) parts.set(part, name);
    }
    const train = parts.get('train');
    // A name that only speaks of a part (train_station) may as well be a class's.
    const sure = partOf === partNamed || parts.size > 1;
    if (train !== undefined && sure && (await holdsClasses(join(folder, train)))) return parts;
  }
  return null;
}

async function holdsClasses(folder: string): Promise<boolean> {
  for (const name of (await listFolder(folder)).folders) if (await holdsPicture(join(folder, name))) return true;
  return false;
}

async function holdsPicture(folder: string, seen: readonly string[] = []): Promise<boolean> {
  const { files, folders } = await listFolder(folder);
  if (files.some((name) => PICTURE_NAME.test(name))) return true;
  const real = await realpath(folder);
  if (seen.includes(real)) return false;
  for (const name of folders) if (await holdsPicture(join(folder, name), [...seen, real])) return true;
  return false;
}

async function partsOf(folder: string, content: FolderContent, parts: Parts, place: Place): Promise<PictureLayout> {
  const { root, left } = place;
  const trainFolder = await unwrapped(join(folder, parts.get('train')!));
  const train = await classesOf(trainFolder, await listFolder(trainFolder), place);
  let test: readonly ClassFolder[] | null = null;
  let judging = '';
  const notices: string[] = [];
  for (const part of JUDGING_PARTS) {
    const name = parts.get(part);
    if (name === undefined) continue;
    const inside = await unwrapped(join(folder, name));
    if (!(await holdsClasses(inside))) notices.push(`${name}/ has no class folders with pictures, and is left out.`);
    else if (test !== null) notices.push(`${name}/ is left out: models are judged on ${judging}/.`);
    else [test, judging] = [await classesOf(inside, await listFolder(inside), place, { emptyToo: true }), name];
  }
  for (const name of content.folders)
    if (![...parts.values()].includes(name)) left.folder(relative(root, join(folder, name)));
  if (test === null)
    notices.push(`${folder} has ${parts.get('train')}/ and no part to judge by: a share of it is held out.`);
  return { train, test, judging: test && `${judging}/`, notices };
}

/** The class folders in a folder. UserError where one has no pictures, unless such may be. */
async function classesOf(
  folder: string,
  { folders, files }: FolderContent,
  place: Place,
  { emptyToo = false } = {},
): Promise<readonly ClassFolder[]> {
  const pictures = files.filter((name) => PICTURE_NAME.test(name));
  if (folders.length === 0) {
    const loose = pictures.length > 0 ? `, but ${counted(pictures.length, 'picture')} (${pictures[0]} ...)` : '';
    throw new UserError(
      `${folder} has no class folders${loose}`,
      `Put the pictures of each class in a folder named after it.${tableHint(files)}`,
    );
  }
  const classes: ClassFolder[] = [];
  for (const name of folders) {
    const path = join(folder, name);
    const paths = await picturesIn(path, path, place);
    if (paths.length === 0 && !emptyToo)
      throw new UserError(
        `the class folder ${path} has no pictures (${PICTURE_ENDINGS})`,
        ['Add some, or remove the folder.', ...place.left.notices()].join(' '),
      );
    if (partNamed(name) !== null && folders.length === 1)
      throw new UserError(
        `${path} holds pictures and no class folders`,
        `Put the pictures of each class in a folder named after it: ${join(path, 'CLASS')}.${tableHint(files)}`,
      );
    // One name may be written with its accents apart, as macOS's archives do.
    if (paths.length > 0) classes.push({ label: name.normalize('NFC'), paths });
  }
  const labels = [...new Set(classes.map(({ label }) => label))];
  return labels.map((label) => ({
    label,
    paths: classes.filter((one) => one.label === label).flatMap(({ paths }) => paths),
  }));
}

function tableHint(files: readonly string[]): string {
  const table = files.find((name) => /\.(csv|tsv|jsonl?|parquet|txt|xlsx?)$/i.test(name));
  return table === undefined ? '' : ` Labels are taken from folders, not from ${table}.`;
}

/** All pictures in a class's folder and below; `seen` are the folders above, so that links in a circle end. */
async function picturesIn(
  folder: string,
  top: string,
  place: Place,
  seen: readonly string[] = [],
): Promise<readonly string[]> {
  const real = await realpath(folder);
  if (seen.includes(real)) return [];
  const { files, folders, hidden } = await listFolder(folder);
  const shown = (name: string): string => relative(place.root, join(folder, name));
  for (const name of hidden) place.left.hidden(shown(name));
  const paths: string[] = [];
  for (const name of files) {
    if (PICTURE_NAME.test(name)) paths.push(join(folder, name));
    else place.left.file(shown(name));
  }
  if (folder !== top && paths.length > 0) place.nested.set(relative(place.root, folder), paths.length);
  for (const name of folders) paths.push(...(await picturesIn(join(folder, name), top, place, [...seen, real])));
  return paths;
}

function nestedNotices({ nested }: Place): readonly string[] {
  if (nested.size === 0) return [];
  const count = [...nested.values()].reduce((sum, one) => sum + one, 0);
  const [first] = nested.keys();
  return [
    `${counted(count, 'picture')} ${plural(count, 'lies', 'lie')} in ` +
      `${nested.size === 1 ? 'a folder' : `${nested.size} folders`} below their class's ` +
      `(${first}${nested.size > 1 ? ' ...' : ''}) and ${plural(count, 'is', 'are')} of that class.`,
  ];
}

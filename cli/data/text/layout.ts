/** What a path to text data holds: which files are for training, and which for judging. */
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { messageOf, UserError } from '../../io/errors.ts';
import { kindOf } from '../../io/files.ts';
import { jsonlFile } from './jsonl.ts';
import { parquetFile } from './parquet.ts';
import type { TableFile } from './rows.ts';

/** Readers by extension; what needs a package is loaded where there is such a file. */
const FORMATS: Readonly<Record<string, (path: string) => TableFile | Promise<TableFile>>> = {
  jsonl: jsonlFile,
  ndjson: jsonlFile,
  csv: async (path) => (await import('./delimited.ts')).csvFile(path),
  tsv: async (path) => (await import('./delimited.ts')).tsvFile(path),
  parquet: parquetFile,
};

const EXTENSION = new RegExp(`\\.(${Object.keys(FORMATS).join('|')})$`, 'i');

/** Names of the part that judges, the first that is there: a test part is often without labels. */
const TEST_PARTS = ['validation', 'valid', 'val', 'dev', 'test'];

/** A part's name, alone or numbered: train.csv, train-00000-of-00002.parquet, train_1.jsonl. */
const SHARD = /^([a-z]+)(?:[-_.]?\d+(?:-of-\d+)?)?\.[a-z]+$/i;

/** A folder of texts, whose name is their label. */
export interface TextClass {
  readonly label: string;
  readonly paths: readonly string[];
}

/** `test` is null where a share of the training part is to be held out. */
export type TextLayout =
  | { readonly kind: 'tables'; readonly train: readonly TableFile[]; readonly test: readonly TableFile[] | null }
  | {
      readonly kind: 'folders';
      readonly train: readonly TextClass[];
      readonly test: readonly TextClass[] | null;
      readonly left: readonly string[];
    };

/** aclImdb's folder of texts that nobody labelled. */
const UNLABELLED = 'unsup';

/**
 * How texts lie at this path; null where there are none, so that it may hold pictures. With `judges`, a part that judges
 * is enough. UserError where files can't be told apart.
 */
export async function textLayout(path: string, judges = false): Promise<TextLayout | null> {
  const kind = await kindOf(path);
  if (EXTENSION.test(path) && kind !== 'folder') {
    if (kind === 'absent') throw new UserError(`there is no file ${path}`, 'Check --data.');
    return { kind: 'tables', train: [await tableFile(path)], test: null };
  }
  if (kind !== 'folder') return null;
  const { files, folders } = await list(path);
  const tables = files.filter((name) => EXTENSION.test(name));
  return tables.length > 0 ? tableParts(path, tables, judges) : folderParts(path, folders, judges);
}

async function tableFile(path: string): Promise<TableFile> {
  const [, extension] = EXTENSION.exec(path) as RegExpExecArray;
  return FORMATS[extension.toLowerCase()](path);
}

async function tableParts(folder: string, names: readonly string[], judges: boolean): Promise<TextLayout> {
  const namesOf = (part: string): string[] => names.filter((name) => SHARD.exec(name)?.[1].toLowerCase() === part);
  const filesOf = async (found: readonly string[]): Promise<TableFile[]> => {
    const formats = new Set(found.map((name) => extname(name).toLowerCase()));
    if (formats.size > 1)
      throw new UserError(
        `${folder} has ${found.slice(0, 4).join(' and ')}: one part in several formats`,
        'Are they the same rows? Keep one of them.',
      );
    return Promise.all(found.map((name) => tableFile(join(folder, name))));
  };
  const train = namesOf('train');
  const test = TEST_PARTS.map(namesOf).find((found) => found.length > 0) ?? null;
  if (train.length > 0) return { kind: 'tables', train: await filesOf(train), test: test && (await filesOf(test)) };
  if (judges && test !== null) return { kind: 'tables', train: await filesOf(test), test: null };
  if (names.length === 1 && test === null) return { kind: 'tables', train: await filesOf(names), test: null };
  throw new UserError(
    `${folder} has no training file (${names.slice(0, 4).join(', ')}${names.length > 4 ? ' ...' : ''})`,
    'Name one train.jsonl (or .csv, .tsv, .parquet) and the other validation, dev or test; ' +
      'or give one file alone, of which a share is held out.',
  );
}

async function folderParts(folder: string, folders: readonly string[], judges: boolean): Promise<TextLayout | null> {
  const alone = judges && folders.every((name) => TEST_PARTS.includes(name));
  const only = alone ? TEST_PARTS.find((name) => folders.includes(name)) : undefined;
  if (only !== undefined) {
    const { classes, left } = await textClasses(join(folder, only));
    return classes.length === 0 ? null : { kind: 'folders', train: classes, test: null, left };
  }
  if (!folders.includes('train')) {
    const { classes, left } = await textClasses(folder, folders);
    return classes.length === 0 ? null : { kind: 'folders', train: classes, test: null, left };
  }
  const train = await textClasses(join(folder, 'train'));
  if (train.classes.length === 0) return null;
  const part = TEST_PARTS.find((name) => folders.includes(name));
  const test = part === undefined ? null : await textClasses(join(folder, part));
  return {
    kind: 'folders',
    train: train.classes,
    test: test?.classes ?? null,
    left: [...train.left, ...(test?.left ?? [])],
  };
}

/**
 * The folders of .txt files in a folder; none where all hold other files, as pictures with notes. UserError where only
 * some do.
 */
async function textClasses(
  folder: string,
  names?: readonly string[],
): Promise<{ readonly classes: readonly TextClass[]; readonly left: readonly string[] }> {
  const classes: TextClass[] = [];
  const mixed: string[] = [];
  const left: string[] = [];
  for (const label of names ?? (await list(folder)).folders) {
    const { files } = await list(join(folder, label));
    const other = files.find((name) => !/\.txt$/i.test(name));
    if (files.length === 0 || other !== undefined)
      mixed.push(`${join(folder, label)} ${other === undefined ? 'has no .txt files' : `holds ${other}`}`);
    else if (label === UNLABELLED) left.push(join(basename(folder), label));
    else classes.push({ label, paths: files.map((name) => join(folder, label, name)) });
  }
  if (classes.length > 0 && mixed.length > 0)
    throw new UserError(
      `the class folder ${mixed[0]}, where others hold texts`,
      'A class is a folder of .txt files and nothing else: mend it, or move it away.',
    );
  return { classes, left };
}

/** What a folder holds, by name; what is hidden is left out. Links to folders are folders. */
async function list(
  folder: string,
): Promise<{ readonly files: readonly string[]; readonly folders: readonly string[] }> {
  try {
    const entries = (await readdir(folder, { withFileTypes: true }))
      .filter(({ name }) => !name.startsWith('.'))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const files: string[] = [];
    const folders: string[] = [];
    for (const entry of entries) {
      const kind = entry.isSymbolicLink() ? await stat(join(folder, entry.name)) : entry;
      if (kind.isDirectory()) folders.push(entry.name);
      else if (kind.isFile()) files.push(entry.name);
      else throw new UserError(`${join(folder, entry.name)} is neither a file nor a folder`, 'Move it away.');
    }
    return { files, folders };
  } catch (error) {
    throw error instanceof UserError
      ? error
      : new UserError(`can't read the data folder ${folder}: ${messageOf(error)}`);
  }
}

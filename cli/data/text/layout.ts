/** What a path to text data holds: which files are for training, and which for judging. */
import { basename, join } from 'node:path';
import { UserError } from '../../io/errors.ts';
import { kindOf } from '../../io/files.ts';
import { listFolder } from '../list-folder.ts';
import { JUDGING_PARTS, type PartName, partNamed, partWithin } from '../parts.ts';
import { holdsClassFolders } from '../picture-layout.ts';
import { type ClassNames, classNamesBeside } from './dataset-card.ts';
import { jsonFile } from './json.ts';
import { jsonlFile } from './jsonl.ts';
import { parquetFile } from './parquet.ts';
import type { TableFile } from './rows.ts';
import type { ParseJson } from './written-numbers.ts';

/** Readers by extension, which .gz may follow; what needs a package is loaded where there is such a file. */
const FORMATS: Readonly<Record<string, (path: string, parse: ParseJson) => TableFile | Promise<TableFile>>> = {
  jsonl: jsonlFile,
  ndjson: jsonlFile,
  json: jsonFile,
  csv: async (path) => (await import('./delimited.ts')).csvFile(path),
  tsv: async (path) => (await import('./delimited.ts')).tsvFile(path),
  parquet: (path) => parquetFile(path),
};

const EXTENSION = new RegExp(`\\.(?:(parquet)|(${Object.keys(FORMATS).join('|')})(?:\\.gz)?)$`, 'i');

/** What of a name numbers a shard: train-00000-of-00002, train_1, train-00000-of-00001-b42a775f407cee45. */
const NUMBERED = /[-_.]?\d+(?:-of-\d+(?:-[0-9a-f]+)?)?$/i;

/** Names of one part, the first that is there. */
const ORDER = ['train', 'training', 'validation', 'valid', 'val', 'dev', 'test', 'testing'];

function placeOf(name: string): number {
  const place = ORDER.indexOf(name.toLowerCase());
  return place < 0 ? ORDER.length : place;
}

/** Tables that may judge. */
export interface JudgingPart {
  readonly part: PartName;
  readonly files: readonly TableFile[];
}

/** A folder of texts, whose name is their label. */
export interface TextClass {
  readonly label: string;
  readonly paths: readonly string[];
}

/** `test` is null, or `tests` is empty, where a share of the training part is to be held out; `left` is left out. */
export type TextLayout =
  | {
      readonly kind: 'tables';
      readonly train: readonly TableFile[];
      readonly tests: readonly JudgingPart[];
      readonly left: readonly string[];
    }
  | {
      readonly kind: 'folders';
      readonly train: readonly TextClass[];
      readonly test: readonly TextClass[] | null;
      /** What the folder of `test` is called, `test/`. */
      readonly judging: string | null;
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
    return { kind: 'tables', train: [await tableFile(path)], tests: [], left: [] };
  }
  if (kind !== 'folder') return null;
  const { files, folders } = await listFolder(path);
  const tables = files.filter(isTable);
  if (tables.length === 0) return (await folderParts(path, folders, judges)) ?? nestedTables(path, folders, judges);
  return (await holdsClassFolders(path)) ? null : tableParts(path, tables, await classNamesBeside(path), judges);
}

/** Whether a file of this name is a table: a text a row, whatever it holds. Any other file is one text. */
export function hasTableName(path: string): boolean {
  return EXTENSION.test(path);
}

/** JSON is what settings and notes are written in, too: a name has to speak of a part. */
function isTable(name: string): boolean {
  return EXTENSION.test(name) && (!/\.json(\.gz)?$/i.test(name) || partOfFile(name) !== null);
}

/**
 * The reader of a file whose name says that it is a table, where the names of its classes are found, and what makes
 * values of its JSON.
 */
export async function tableFile(
  path: string,
  names: ClassNames = () => null,
  parse: ParseJson = JSON.parse,
): Promise<TableFile> {
  const [, parquet, extension] = EXTENSION.exec(path) as RegExpExecArray;
  const file = await FORMATS[(parquet ?? extension).toLowerCase()](path, parse);
  return { ...file, namesOf: async (column) => (await file.namesOf?.(column)) ?? names(column) };
}

/** The part of a file by its name without number and extension, or by what that speaks of. */
function partOfFile(name: string): { readonly part: PartName; readonly stem: string; readonly exact: boolean } | null {
  const stem = name.replace(EXTENSION, '').replace(NUMBERED, '').toLowerCase();
  const exact = partNamed(stem);
  const part = exact ?? partWithin(stem);
  return part && { part, stem, exact: exact !== null };
}

/** The files of each part: those of one name, as exact as there is one; others are left out. */
function filesByPart(names: readonly string[]): ReadonlyMap<PartName, readonly string[]> {
  const byPart = new Map<PartName, readonly string[]>();
  for (const part of ['train', ...JUDGING_PARTS] as const) {
    const found = names.flatMap((name) => {
      const named = partOfFile(name);
      return named?.part === part ? [{ ...named, name }] : [];
    });
    const rank = ({ stem, exact }: { readonly stem: string; readonly exact: boolean }): number =>
      exact ? placeOf(stem) : ORDER.length + 1;
    const [first] = [...found].sort((a, b) => rank(a) - rank(b) || (a.stem < b.stem ? -1 : 1));
    if (first !== undefined)
      byPart.set(
        part,
        found.filter(({ stem }) => stem === first.stem).map(({ name }) => name),
      );
  }
  return byPart;
}

async function tableParts(
  folder: string,
  tables: readonly string[],
  classes: ClassNames,
  judges: boolean,
): Promise<TextLayout> {
  const byPart = filesByPart(tables);
  const filesOf = async (found: readonly string[]): Promise<TableFile[]> => {
    const formats = new Set(found.map((name) => EXTENSION.exec(name)?.[0].toLowerCase().replace('.gz', '')));
    if (formats.size > 1)
      throw new UserError(
        `${folder} has ${found.slice(0, 4).join(' and ')}: one part in several formats`,
        'Are they the same rows? Keep one of them.',
      );
    return Promise.all(found.map((name) => tableFile(join(folder, name), classes)));
  };
  const train = byPart.get('train');
  if (train !== undefined) {
    const judging = JUDGING_PARTS.filter((part) => byPart.has(part));
    const used = new Set([...byPart.values()].flat());
    return {
      kind: 'tables',
      train: await filesOf(train),
      tests: await Promise.all(judging.map(async (part) => ({ part, files: await filesOf(byPart.get(part)!) }))),
      left: tables.filter((name) => !used.has(name)),
    };
  }
  const judging = judges ? JUDGING_PARTS.find((part) => byPart.has(part)) : undefined;
  if (judging !== undefined) {
    const used = byPart.get(judging)!;
    return {
      kind: 'tables',
      train: await filesOf(used),
      tests: [],
      left: tables.filter((name) => !used.includes(name)),
    };
  }
  if (tables.length === 1 && byPart.size === 0)
    return { kind: 'tables', train: await filesOf(tables), tests: [], left: [] };
  throw new UserError(
    `${folder} has no training file (${tables.slice(0, 4).join(', ')}${tables.length > 4 ? ' ...' : ''})`,
    'Name one train.jsonl (or .csv, .tsv, .json, .parquet) and the other validation, dev or test; ' +
      'or give one file alone, of which a share is held out.',
  );
}

/**
 * Tables in folders: train/0000.parquet with test/, or, as clones of the hub have them, in data/ or in the one folder
 * of a configuration. Null where there are none, or pictures.
 */
async function nestedTables(path: string, folders: readonly string[], judges: boolean): Promise<TextLayout | null> {
  const inside = new Map<string, readonly string[]>();
  for (const name of folders) {
    const tables = (await listFolder(join(path, name))).files.filter((file) => EXTENSION.test(file));
    if (tables.length > 0) inside.set(name, tables);
  }
  if (inside.size === 0 || (await holdsClassFolders(path))) return null;
  const classes = await classNamesBeside(path);
  const byPart = new Map([...inside.keys()].map((name) => [partNamed(name), name] as const));
  const only = judges ? JUDGING_PARTS.map((part) => byPart.get(part)).find((name) => name !== undefined) : undefined;
  const train = byPart.get('train') ?? only;
  if (train !== undefined) {
    const filesIn = (folder: string): Promise<TableFile[]> =>
      Promise.all(inside.get(folder)!.map((name) => tableFile(join(path, folder, name), classes)));
    // Where no part is for training, one judges whole.
    const judging = train === only ? [] : JUDGING_PARTS.filter((part) => byPart.has(part));
    const used = new Set([train, ...judging.map((part) => byPart.get(part)!)]);
    return {
      kind: 'tables',
      train: await filesIn(train),
      tests: await Promise.all(judging.map(async (part) => ({ part, files: await filesIn(byPart.get(part)!) }))),
      left: [...inside.keys()].filter((name) => !used.has(name)).map((name) => `${name}/`),
    };
  }
  const [folder, ...others] = inside.keys();
  if (others.length > 0)
    throw new UserError(
      `${path} has tables in several folders (${[folder, ...others].slice(0, 6).join(', ')})`,
      `Give one of them: ${join(path, folder)}.`,
    );
  return tableParts(join(path, folder), inside.get(folder)!.filter(isTable), classes, judges);
}

async function folderParts(folder: string, folders: readonly string[], judges: boolean): Promise<TextLayout | null> {
  const parts = folders.map(partNamed);
  const only =
    judges && parts.every((part) => part !== null && part !== 'train')
      ? JUDGING_PARTS.map((part) => folders[parts.indexOf(part)]).find(Boolean)
      : undefined;
  if (only !== undefined) {
    const { classes, left } = await textClasses(join(folder, only));
    return classes.length === 0 ? null : { kind: 'folders', train: classes, test: null, judging: null, left };
  }
  const trainFolder = folders.find((name) => partNamed(name) === 'train');
  if (trainFolder === undefined) {
    const { classes, left } = await textClasses(folder, folders);
    return classes.length === 0 ? null : { kind: 'folders', train: classes, test: null, judging: null, left };
  }
  const train = await textClasses(join(folder, trainFolder));
  if (train.classes.length === 0) return null;
  const [part] = folders
    .filter((name) => JUDGING_PARTS.some((judging) => partNamed(name) === judging))
    .sort((a, b) => placeOf(a) - placeOf(b));
  const test = part === undefined ? null : await textClasses(join(folder, part));
  return {
    kind: 'folders',
    train: train.classes,
    test: test?.classes ?? null,
    judging: part === undefined ? null : `${part}/`,
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
  for (const label of names ?? (await listFolder(folder)).folders) {
    const { files } = await listFolder(join(folder, label));
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

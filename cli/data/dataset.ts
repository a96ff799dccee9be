import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { looksLikeCifar10, openCifar10 } from './cifar10.ts';
import { openGlyphs } from './glyphs.ts';
import { openImageFolder } from './image-folder.ts';
import type { DatasetOptions, PictureDataset } from './split.ts';
import { openTexts, type TextDataset, type TextDatasetOptions } from './text/dataset.ts';

export type { DatasetOptions, PictureDataset, Split } from './split.ts';

/** What a `--data` names, told apart by `kind`. */
export type Dataset = PictureDataset | TextDataset;

const layouts = `Known layouts of pictures: train/CLASS/*.jpg with val/ (or validation/, test/), CLASS/*.jpg, \
CIFAR-10 binary (train.bin or data_batch_*.bin, test.bin, batches.meta.txt), or the name glyphs.
Of texts: a .jsonl, .csv, .tsv or .parquet file, a folder with train.csv and validation.csv (or dev, test), \
or train/CLASS/*.txt with test/.`;

/**
 * Opens a data set of texts or of pictures, whichever the path holds.
 * Throws a UserError that says what is wrong with it.
 */
export async function openDataset(path: string, options: TextDatasetOptions): Promise<Dataset> {
  const data = (await openTexts(path, options)) ?? (await openPictures(path, options));
  if (options.task !== undefined && data.problemType !== options.task)
    throw new UserError(
      `${path} has one label for each ${data.kind === 'image' ? 'picture' : 'text'}, and ${ASKED[options.task]} asked for`,
      'Folders name one class a sample: any number of labels, or numbers, stand in a table.',
    );
  return data;
}

const ASKED: Readonly<Record<ProblemType, string>> = {
  single_label_classification: 'one label is',
  multi_label_classification: 'any number of labels is',
  regression: 'numbers are',
};

/**
 * Opens a data set of pictures: an image folder, CIFAR-10's binary records, or `glyphs` (drawn, needs no files;
 * `glyphs:N` for N training pictures). Throws a UserError that says what is wrong with the folder.
 */
export async function openPictures(path: string, options: DatasetOptions): Promise<PictureDataset> {
  const glyphs = openGlyphs(path);
  if (glyphs !== null) return glyphs;
  const { files, folders } = await listFolder(path);
  if (looksLikeCifar10(files)) return openCifar10(path, files);
  if (folders.length > 0) return openImageFolder(path, folders, options);
  const found =
    files.length === 0 ? 'is empty' : `holds no data set that is known (${files.slice(0, 3).join(', ')} ...)`;
  throw new UserError(`the data folder ${path} ${found}`, layouts);
}

async function listFolder(
  path: string,
): Promise<{ readonly files: readonly string[]; readonly folders: readonly string[] }> {
  try {
    if (!(await stat(path)).isDirectory()) throw new UserError(`${path} is a file of no type that is known`, layouts);
    const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
    // stat rather than the directory entry: links to folders are folders.
    const isFolder = await Promise.all(names.map(async (name) => (await stat(join(path, name))).isDirectory()));
    return { files: names.filter((_, i) => !isFolder[i]), folders: names.filter((_, i) => isFolder[i]) };
  } catch (error) {
    if (error instanceof UserError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new UserError(
        `there is no data folder ${path}`,
        'Check --data, or use --data glyphs: drawn pictures that need no download.',
      );
    }
    throw new UserError(`can't read the data folder ${path}: ${messageOf(error)}`);
  }
}

import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import { UserError } from '../io/errors.ts';
import { kindOf } from '../io/files.ts';
import { counted } from '../io/words.ts';
import { looksLikeCifar10, openCifar10 } from './cifar10.ts';
import { openGlyphs } from './glyphs.ts';
import { openImageFolder } from './image-folder.ts';
import { listFolder } from './list-folder.ts';
import { openParquetPictures, pictureColumn } from './parquet-pictures.ts';
import { PICTURE_NAME } from './picture-formats.ts';
import type { DatasetOptions, PictureDataset } from './split.ts';
import { openLaidOut, type TextDataset, type TextDatasetOptions } from './text/dataset.ts';
import { textLayout } from './text/layout.ts';

export type { DatasetOptions, PictureDataset, Split } from './split.ts';

/** What a `--data` names, told apart by `kind`. */
export type Dataset = PictureDataset | TextDataset;

const layouts = `Known layouts of pictures: train/CLASS/*.jpg with val/ (or validation/, test/), CLASS/*.jpg, \
a .parquet file of pictures, CIFAR-10 binary (train.bin or data_batch_*.bin, test.bin, batches.meta.txt), or the name \
glyphs.
Of texts: a .jsonl, .json, .csv, .tsv (or .gz of these) or .parquet file, a folder with train.csv and validation.csv \
(or dev, test), or train/CLASS/*.txt with test/.`;

/**
 * Opens a data set of texts or of pictures, whichever the path holds.
 * Throws a UserError that says what is wrong with it.
 */
export async function openDataset(path: string, options: TextDatasetOptions): Promise<Dataset> {
  const data = await openAny(path, options);
  if (options.task !== undefined && data.problemType !== options.task)
    throw new UserError(
      `${path} has one label for each ${data.kind === 'image' ? 'picture' : 'text'}, and ${ASKED[options.task]} asked for`,
      'Folders name one class a sample: any number of labels, or numbers, stand in a table.',
    );
  return data;
}

async function openAny(path: string, options: TextDatasetOptions): Promise<Dataset> {
  const layout = await textLayout(path, options.judging !== undefined);
  if (layout === null) return openPictures(path, options);
  const image = layout.kind === 'tables' ? await pictureColumn(layout) : null;
  return layout.kind === 'tables' && image !== null
    ? openParquetPictures(path, layout, image, options)
    : openLaidOut(path, layout, options);
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
  await expectFolder(path, options);
  const { files, folders } = await listFolder(path);
  if (looksLikeCifar10(files)) return openCifar10(path, files);
  if (folders.length > 0) return openImageFolder(path, options);
  const pictures = files.filter((name) => PICTURE_NAME.test(name));
  if (pictures.length > 0)
    throw new UserError(
      `${path} holds ${counted(pictures.length, 'picture')} (${pictures[0]} ...) and no class folders`,
      'Put the pictures of each class in a folder named after it.',
    );
  const found =
    files.length === 0 ? 'is empty' : `holds no data set that is known (${files.slice(0, 3).join(', ')} ...)`;
  throw new UserError(`the data folder ${path} ${found}`, layouts);
}

async function expectFolder(path: string, { takes }: DatasetOptions): Promise<void> {
  const kind = await kindOf(path);
  if (kind === 'file') throw new UserError(`${path} is a file of no type that is known`, layouts);
  if (kind === 'absent')
    throw new UserError(
      `there is no data folder ${path}`,
      (await takes?.()) === 'text'
        ? 'Check --data.'
        : 'Check --data, or use --data glyphs: drawn pictures that need no download.',
    );
}

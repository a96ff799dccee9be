/** Samples without labels, which distillation takes beside those that have some (`--unlabelled`). */
import type { TextInput } from '../../runtime/http/text-input.ts';
import { looksLikeCifar10, openCifar10 } from '../data/cifar10.ts';
import type { Dataset, PictureDataset, Split } from '../data/dataset.ts';
import { contentDigest } from '../data/duplicates.ts';
import { fileSplit } from '../data/file-split.ts';
import { readablePictures } from '../data/image-folder.ts';
import { listFolder } from '../data/list-folder.ts';
import type { Target } from '../data/target.ts';
import type { TextDataset, TextRow, TextRows } from '../data/text/dataset.ts';
import { UserError } from '../io/errors.ts';
import { kindOf } from '../io/files.ts';
import { counted, plural } from '../io/words.ts';
import type { CellFlags } from '../predict/cells.ts';
import { openInputs } from '../predict/inputs.ts';
import type { RowSource } from '../predict/row.ts';

/** How they are read. */
export interface UnlabelledOptions extends CellFlags {
  /** Leaves out what can't be read and counts it, instead of stopping at the first. */
  readonly skipBad: boolean;
  /** Told of each text that is counted. May throw to stop. */
  readonly onRow: (done: number) => void;
}

/**
 * All texts or pictures of a path, as the training part of a data set like `data` whose targets are zeros: inputs as
 * those of `slim predict`, or CIFAR-10's training pictures. What judges is `data`'s alone, so there is no other part.
 * UserError where there are none, where one can't be read, and where texts are pairs in one of the two only.
 */
export async function openUnlabelled(path: string, data: Dataset, options: UnlabelledOptions): Promise<Dataset> {
  return data.kind === 'text' ? unlabelledTexts(path, data, options) : unlabelledPictures(path, data, options);
}

function blankTarget({ problemType, labels }: Dataset): Target {
  return problemType === 'single_label_classification' ? 0 : new Float32Array(labels.length);
}

async function unlabelledTexts(path: string, data: TextDataset, options: UnlabelledOptions): Promise<Dataset> {
  const { textColumn, textPairColumn, skipBad, onRow } = options;
  const { source, notices } = await openInputs([path], 'text-classification', { textColumn, textPairColumn });
  const judging = new Set<number>();
  for await (const row of data.test.rows()) judging.add(digestOf(row));
  const label = blankTarget(data);
  let [size, skipped, judges] = [0, 0, 0];
  for await (const row of textsOf(source, data, label, skipBad)) {
    if (row === null) skipped++;
    else size++;
    if (row !== null && judging.has(digestOf(row))) judges++;
    onRow(size + skipped);
  }
  if (size === 0) throw new UserError(`${path} has no texts`);
  const train: TextRows = {
    size,
    counts: null,
    async *rows() {
      for await (const row of textsOf(source, data, label, skipBad)) if (row !== null) yield row;
    },
  };
  return {
    ...data,
    name: path,
    train,
    test: { size: 0, counts: null, rows: async function* () {} },
    skipped,
    notices: [...notices, ...leftOutNotices(path, counted(skipped, 'text'), skipped), ...judgingNotices(path, judges)],
  };
}

function digestOf({ text, pair }: TextRow): number {
  return contentDigest(JSON.stringify([text, pair]));
}

function leftOutNotices(path: string, what: string, skipped: number): readonly string[] {
  return skipped === 0 ? [] : [`Left out of ${path}: ${what} that can't be read.`];
}

function judgingNotices(path: string, judges: number): readonly string[] {
  if (judges === 0) return [];
  return [
    `${counted(judges, 'text')} of ${path} ${plural(judges, 'is', 'are')} among those that judge, too: the student ` +
      'learns what the teacher says of them, and accuracy looks better than it is on new ones.',
  ];
}

/** Of each row the sample; null of one that is left out. */
async function* textsOf(
  source: RowSource,
  { pairs, name }: TextDataset,
  label: Target,
  skipBad: boolean,
): AsyncGenerator<TextRow | null> {
  for await (const { place, load } of source.rows()) {
    const loaded = await load();
    if ('problem' in loaded) {
      if (!skipBad)
        throw new UserError(`${place}: ${loaded.problem}`, 'Mend it, or leave out what is bad: --skip-bad.');
      yield null;
      continue;
    }
    const { text, pair } = loaded.input as TextInput;
    if ((pair !== null) !== pairs)
      throw new UserError(
        `${place} is ${pair === null ? 'one text' : 'two texts'}, and a sample of ${name} is ${pairs ? 'two' : 'one'}`,
        'Expected samples of the same kind, labelled or not.',
      );
    yield { where: place, text, pair, label };
  }
}

async function unlabelledPictures(path: string, data: PictureDataset, options: UnlabelledOptions): Promise<Dataset> {
  const { split, skipped, notices } = await picturesAt(path, options);
  const label = blankTarget(data);
  const train: Split = { ...split, label: () => label };
  return { ...data, name: path, train, test: fileSplit([], { folder: path, origin: '' }), skipped, notices };
}

interface OpenedPictures {
  readonly split: Split;
  readonly skipped: number;
  readonly notices: readonly string[];
}

async function picturesAt(path: string, { skipBad }: UnlabelledOptions): Promise<OpenedPictures> {
  if ((await kindOf(path)) === 'folder') {
    const { files } = await listFolder(path);
    if (looksLikeCifar10(files)) return { split: (await openCifar10(path, files)).train, skipped: 0, notices: [] };
  }
  const { source, notices } = await openInputs([path], 'image-classification', {});
  if (source.reads.imageColumn !== null)
    throw new UserError(
      `${path} is a table of pictures, which --unlabelled does not read`,
      'Expected a folder of pictures, or a pattern such as "photos/**/*.jpg".',
    );
  const paths: string[] = [];
  for await (const { place } of source.rows()) paths.push(place);
  const readable = await readablePictures(paths, skipBad);
  const skipped = paths.length - readable.length;
  if (readable.length === 0) throw new UserError(`${path} has no readable pictures`);
  return {
    split: fileSplit(
      readable.map((file) => ({ path: file, label: 0 })),
      { folder: path, origin: JSON.stringify({ unlabelled: path }) },
    ),
    skipped,
    notices: [...notices, ...leftOutNotices(path, counted(skipped, 'picture'), skipped)],
  };
}

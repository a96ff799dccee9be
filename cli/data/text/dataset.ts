/**
 * Labelled texts: one look at every row tells how many there are and which labels; after that rows are read again as
 * they are needed.
 */
import { random, shuffled } from '../../../runtime/random.ts';
import { UserError } from '../../io/errors.ts';
import type { DatasetOptions } from '../split.ts';
import { type Columns, chooseColumns, type TextColumns } from './columns.ts';
import { type TextClass, type TextLayout, textLayout } from './layout.ts';
import { short, type TableFile } from './rows.ts';
import {
  badRow,
  type Found,
  fileSource,
  type LabelledText,
  namesOfFiles,
  type TextSource,
  tableSource,
} from './source.ts';

/** A sample. */
export interface TextRow {
  readonly text: string;
  /** The second half, such as a hypothesis; null where there is none. */
  readonly pair: string | null;
  /** Index into the data set's labels. */
  readonly label: number;
}

/** The samples of one part, which are read from disk anew for each pass. */
export interface TextRows {
  readonly size: number;
  /** Reads them, in the same order each time. */
  rows(): AsyncIterable<TextRow>;
}

/** Labelled texts in two parts. */
export interface TextDataset {
  readonly kind: 'text';
  readonly name: string;
  /**
   * Of the training part: in the data's own order where it tells one, by number where all are numbers, else by name.
   */
  readonly labels: readonly string[];
  readonly train: TextRows;
  readonly test: TextRows;
  /** Rows left out (--skip-bad). */
  readonly skipped: number;
  /** What was guessed or left out, in sentences for the user. */
  readonly notices: readonly string[];
}

/** How texts are opened: as all data, and which columns to read. */
export type TextDatasetOptions = DatasetOptions & TextColumns;

/** More than that many are no classes: the column is another one. */
const MAX_LABELS = 10_000;

/** Opens texts; null where the path holds none, so that it may hold pictures. UserErrors name file and row. */
export async function openTexts(path: string, options: TextDatasetOptions): Promise<TextDataset | null> {
  const layout = await textLayout(path);
  if (layout === null) return null;
  const { train: source, test: testSource, notices } = await sourcesOf(layout, options);

  const train = await scan(source, null, options, testSource === null ? 1 : 0.5);
  const labels = inOrder([...new Set(train.labels)], await source.order());
  if (labels.length < 2) {
    const found = labels.length === 0 ? 'no rows' : `one label only (${short(labels[0])})`;
    throw new UserError(
      `${path} has ${found}: there is nothing to tell apart`,
      'Expected rows of at least two labels.',
    );
  }
  const rowsOf = (
    from: TextSource,
    size: number,
    known: ReadonlySet<string> | null,
    wanted?: (row: number) => boolean,
  ): TextRows => ({
    size,
    rows: () => labelledRows(readable(from, known, options), labels, size, wanted),
  });
  if (testSource === null) {
    const held = heldOut(train.labels, options);
    const count = held.reduce((sum, one) => sum + one, 0);
    if (count === 0)
      throw new UserError(
        `${path} has as many labels as rows (${held.length}), so none can be held out`,
        'Does another column hold the label? Say which: --label-column NAME.',
      );
    return {
      kind: 'text',
      name: path,
      labels,
      skipped: train.skipped,
      notices: [...notices, `Accuracy is told on ${count} of the ${held.length} rows, which are held out.`],
      train: rowsOf(source, held.length - count, null, (row) => held[row] === 0),
      test: rowsOf(source, count, null, (row) => held[row] === 1),
    };
  }
  const known = new Set(labels);
  const test = await scan(testSource, known, options, 0.5, 0.5);
  if (test.labels.length === 0)
    throw new UserError(
      `${path} has no rows to judge a model by`,
      'Expected some in its validation, dev or test part.',
    );
  return {
    kind: 'text',
    name: path,
    labels,
    skipped: train.skipped + test.skipped,
    notices,
    train: rowsOf(source, train.labels.length, null),
    test: rowsOf(testSource, test.labels.length, known),
  };
}

interface Sources {
  readonly train: TextSource;
  readonly test: TextSource | null;
  readonly notices: readonly string[];
}

async function sourcesOf(layout: TextLayout, options: TextDatasetOptions): Promise<Sources> {
  if (layout.kind === 'folders') {
    const given = (['textColumn', 'textPairColumn', 'labelColumn'] as const).find(
      (name) => options[name] !== undefined,
    );
    if (given !== undefined)
      throw new UserError(
        'columns are named, and the data is folders of .txt files, which have none',
        'A text is a file, its label the name of its folder.',
      );
    const sourceOf = (classes: readonly TextClass[]): TextSource =>
      fileSource(classes.flatMap(({ label, paths }) => paths.map((path) => ({ path, label }))));
    return {
      train: sourceOf(layout.train),
      test: layout.test && sourceOf(layout.test),
      notices: layout.left.length === 0 ? [] : [`${layout.left.join(' and ')}: texts without labels are left out.`],
    };
  }
  const { train, test } = layout;
  const columns = chooseColumns(train[0].path, await train[0].columns(), options);
  const guessed = options.textColumn === undefined || options.labelColumn === undefined;
  return {
    train: tableSource(await withColumns(train, columns), columns),
    test: test && tableSource(await withColumns(test, columns), columns),
    notices: [
      ...(guessed
        ? [
            `The text is in ${columns.text}${columns.pair === null ? '' : ` and ${columns.pair}`}, ` +
              `the label in ${columns.label}.`,
          ]
        : []),
      ...(test === null ? [] : [`Accuracy is told on ${namesOfFiles(test)}.`]),
    ],
  };
}

/** UserError where a file lacks a column that the training file has. */
async function withColumns(files: readonly TableFile[], { text, pair, label }: Columns): Promise<readonly TableFile[]> {
  for (const file of files)
    chooseColumns(file.path, await file.columns(), {
      textColumn: text,
      textPairColumn: pair ?? undefined,
      labelColumn: label,
    });
  return files;
}

interface Scanned {
  /** Of every good row, in order. */
  readonly labels: readonly string[];
  readonly skipped: number;
}

/** Looks at every row once. `share` of the progress is this one's, from `from` on. */
async function scan(
  source: TextSource,
  known: ReadonlySet<string> | null,
  options: TextDatasetOptions,
  share: number,
  from = 0,
): Promise<Scanned> {
  const labels: string[] = [];
  /** One string a label, however many rows have it. */
  const names = new Map<string, string>();
  let skipped = 0;
  for await (const found of checked(source, known)) {
    options.onRead?.(from + share * found.read);
    if ('problem' in found) {
      if (!options.skipBad) throw badRow(found.where, found.problem);
      skipped++;
      continue;
    }
    const label = names.get(found.label) ?? found.label;
    names.set(label, label);
    labels.push(label);
    if (names.size > MAX_LABELS)
      throw new UserError(
        `${found.where}: more than ${MAX_LABELS} different labels`,
        'Does another column hold the label? Say which: --label-column NAME.',
      );
  }
  return { labels, skipped };
}

/** A label that training never saw is one more thing that may be wrong with a row. */
async function* checked({ texts }: TextSource, known: ReadonlySet<string> | null): AsyncGenerator<Found> {
  for await (const found of texts()) {
    if (known === null || 'problem' in found || known.has(found.label)) yield found;
    else
      yield {
        where: found.where,
        read: found.read,
        problem:
          `the label ${JSON.stringify(short(found.label))} is not among the training data's ` +
          `(${[...known].slice(0, 5).map(short).join(', ')}${known.size > 5 ? ' ...' : ''})`,
      };
  }
}

async function* readable(
  source: TextSource,
  known: ReadonlySet<string> | null,
  { skipBad = false }: TextDatasetOptions,
): AsyncGenerator<LabelledText> {
  for await (const found of checked(source, known)) {
    if (!('problem' in found)) yield found;
    else if (!skipBad) throw badRow(found.where, found.problem);
  }
}

/** Rows with their label's index. UserError where there are no longer as many as were counted. */
async function* labelledRows(
  texts: AsyncIterable<LabelledText>,
  labels: readonly string[],
  size: number,
  wanted: (row: number) => boolean = () => true,
): AsyncGenerator<TextRow> {
  const indices = new Map(labels.map((label, i) => [label, i]));
  let row = 0;
  let given = 0;
  for await (const { text, pair, label } of texts) {
    if (!wanted(row++)) continue;
    const index = indices.get(label);
    if (index === undefined || given === size) throw changed(size);
    given++;
    yield { text, pair, label: index };
  }
  if (given !== size) throw changed(size);
}

function changed(size: number): UserError {
  return new UserError(
    `the data has changed since its ${size} rows were counted`,
    'Start again when nothing writes to it.',
  );
}

/**
 * As the data tells, else by number where all are whole numbers, else by name: the order does not depend on that of the
 * rows.
 */
function inOrder(labels: readonly string[], told: readonly string[] | null = null): string[] {
  const numbers = labels.every((label) => /^-?\d{1,15}$/.test(label));
  const rank = (label: string): number => (told === null ? (numbers ? Number(label) : 0) : told.indexOf(label));
  return [...labels].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** (rows): 1 where a row is held out; the same share of every label, drawn by seed. */
function heldOut(labels: readonly string[], { seed, validationFraction = 0.2 }: DatasetOptions): Uint8Array {
  const byLabel = new Map<string, number[]>();
  for (const [row, label] of labels.entries()) {
    const rows = byLabel.get(label) ?? [];
    rows.push(row);
    byLabel.set(label, rows);
  }
  const held = new Uint8Array(labels.length);
  for (const [index, label] of inOrder([...byLabel.keys()]).entries()) {
    const rows = byLabel.get(label)!;
    const count = Math.min(rows.length - 1, Math.max(1, Math.round(rows.length * validationFraction)));
    for (const i of [...shuffled(rows.length, random(seed, index))].slice(0, count)) held[rows[i]] = 1;
  }
  return held;
}

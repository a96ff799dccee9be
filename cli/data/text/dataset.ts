/**
 * Labelled texts: one look at every row tells how many there are and which labels; after that rows are read again as
 * they are needed.
 */
import { random, shuffled } from '../../../runtime/random.ts';
import { UserError } from '../../io/errors.ts';
import { contentDigest, duplicateNotices } from '../duplicates.ts';
import type { DatasetOptions } from '../split.ts';
import { knownClass, withoutTwins } from './class-names.ts';
import { type Columns, chooseColumns, type TextColumns } from './columns.ts';
import { type JudgingPart, type TextClass, type TextLayout, textLayout } from './layout.ts';
import { short, type TableFile } from './rows.ts';
import {
  badRow,
  type Found,
  fileSource,
  isMissing,
  type LabelledText,
  labelOf,
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
  /** How many there are of each label. */
  readonly counts: readonly number[];
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
  return layout && openLaidOut(path, layout, options);
}

/** Opens texts that were found at a path. UserErrors name file and row. */
export async function openLaidOut(path: string, layout: TextLayout, options: TextDatasetOptions): Promise<TextDataset> {
  const { train: source, test: testSource, notices } = await sourcesOf(layout, options);

  const train = await scan(source, null, options, testSource === null ? 1 : 0.5);
  const known = withoutTwins(new Set(train.labels));
  const labels = inOrder([...known], await source.order());
  if (labels.length < 2) {
    const found = labels.length === 0 ? 'no rows' : `one label only (${short(labels[0])})`;
    throw new UserError(
      `${path} has ${found}: there is nothing to tell apart`,
      'Expected rows of at least two labels.',
    );
  }
  const rowsOf = (
    from: TextSource,
    { labels: given }: Pick<Scanned, 'labels'>,
    knownOnly: ReadonlySet<string> | null,
    wanted?: (row: number) => boolean,
  ): TextRows => ({
    size: given.length,
    counts: countsOf(given, labels),
    rows: () => labelledRows(readable(from, knownOnly, options), labels, given.length, wanted),
  });
  const dataset = (parts: Pick<TextDataset, 'train' | 'test' | 'skipped' | 'notices'>): TextDataset => ({
    kind: 'text',
    name: path,
    labels,
    ...parts,
  });
  if (testSource === null) {
    const held = heldOut(train.labels, options);
    const [trained, judging] = [0, 1].map((one) => rowsWhere(train, (row) => held[row] === one));
    if (judging.labels.length === 0)
      throw new UserError(
        `${path} has as many labels as rows (${held.length}), so none can be held out`,
        'Does another column hold the label? Say which: --label-column NAME.',
      );
    return dataset({
      skipped: train.skipped,
      notices: [
        ...notices,
        `Accuracy is told on ${judging.labels.length} of the ${held.length} rows, which are held out.`,
        ...duplicateNotices(trained.digests, judging.digests, 'texts'),
      ],
      train: rowsOf(source, trained, null, (row) => held[row] === 0),
      test: rowsOf(source, judging, null, (row) => held[row] === 1),
    });
  }
  const test = await scan(testSource, new Set(labels), options, 0.5, 0.5);
  if (test.labels.length === 0)
    throw new UserError(
      `${path} has no rows to judge a model by`,
      'Expected some in its validation, dev or test part.',
    );
  return dataset({
    skipped: train.skipped + test.skipped,
    notices: [...notices, ...duplicateNotices(train.digests, test.digests, 'texts')],
    train: rowsOf(source, train, null),
    test: rowsOf(testSource, test, new Set(labels)),
  });
}

function rowsWhere({ labels, digests }: Scanned, wanted: (row: number) => boolean): Omit<Scanned, 'skipped'> {
  return { labels: labels.filter((_, row) => wanted(row)), digests: digests.filter((_, row) => wanted(row)) };
}

function countsOf(given: readonly string[], labels: readonly string[]): readonly number[] {
  const known = new Set(labels);
  const counts = new Map(labels.map((label) => [label, 0]));
  for (const label of given) {
    const name = knownClass(label, known) ?? label;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return labels.map((label) => counts.get(label)!);
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
  const { train, left } = layout;
  const columns = chooseColumns(train[0].path, await train[0].columns(), options);
  const guessed = options.textColumn === undefined || options.labelColumn === undefined;
  const { test, unlabelled } = await judgingFiles(layout.tests, columns);
  return {
    train: tableSource(await withColumns(train, columns), columns),
    test: test && tableSource(await withColumns(test, columns), columns),
    notices: [
      ...((await train[0].notices?.()) ?? []),
      ...(guessed
        ? [
            `The text is in ${columns.text}${columns.pair === null ? '' : ` and ${columns.pair}`}, ` +
              `the label in ${columns.label}.`,
          ]
        : []),
      ...unlabelled.map((files) => `${namesOfFiles(files)} has no labels and is left out.`),
      ...(test === null ? [] : [`Accuracy is told on ${namesOfFiles(test)}.`]),
      ...(left.length === 0
        ? []
        : [`Left out: ${left.slice(0, 3).join(', ')}${left.length > 3 ? ` and ${left.length - 3} more` : ''}.`]),
    ],
  };
}

/** So many rows of a file tell whether it has labels. */
const ROWS_FOR_LABELS = 100;

/** The files that judge: the first part that has labels. A test part is often published without. */
async function judgingFiles(
  parts: readonly JudgingPart[],
  columns: Columns,
): Promise<{ readonly test: readonly TableFile[] | null; readonly unlabelled: readonly (readonly TableFile[])[] }> {
  const unlabelled: (readonly TableFile[])[] = [];
  for (const { part, files } of parts) {
    if (part === 'validation' || (await hasLabels(files[0], columns.label))) return { test: files, unlabelled };
    unlabelled.push(files);
  }
  return { test: null, unlabelled };
}

/** Whether a file is labelled, as its first rows tell. */
export async function hasLabels(file: TableFile, label: string): Promise<boolean> {
  if (!(await file.columns()).includes(label)) return false;
  const names = (await file.namesOf?.(label)) ?? null;
  let looked = 0;
  for await (const row of file.rows([label])) {
    // GLUE's test files have -1 for every label. What else is wrong with a row is told when it is read.
    if (!('cells' in row && [null, '-1'].includes(labelOf(row.cells[label], names)) && isMissing(row.cells[label])))
      return true;
    if (++looked === ROWS_FOR_LABELS) break;
  }
  // A file without rows is told as one.
  return looked === 0;
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
  /** Of every good row: what tells that two are the same. */
  readonly digests: readonly number[];
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
  const digests: number[] = [];
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
    digests.push(contentDigest(JSON.stringify([found.text, found.pair])));
    if (names.size > MAX_LABELS)
      throw new UserError(
        `${found.where}: more than ${MAX_LABELS} different labels`,
        'Does another column hold the label? Say which: --label-column NAME.',
      );
  }
  return { labels, digests, skipped };
}

/** A label that training never saw is one more thing that may be wrong with a row. */
async function* checked({ texts }: TextSource, known: ReadonlySet<string> | null): AsyncGenerator<Found> {
  for await (const found of texts()) {
    if (known === null || 'problem' in found || knownClass(found.label, known) !== null) yield found;
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
  const known = new Set(labels);
  let row = 0;
  let given = 0;
  for await (const { text, pair, label } of texts) {
    if (!wanted(row++)) continue;
    const index = indices.get(knownClass(label, known) ?? label);
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
export function inOrder(labels: readonly string[], told: readonly string[] | null = null): string[] {
  const numbers = labels.every((label) => /^-?\d{1,15}$/.test(label));
  const rank = (label: string): number => (told === null ? (numbers ? Number(label) : 0) : told.indexOf(label));
  return [...labels].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** (rows): 1 where a row is held out; the same share of every label, drawn by seed. */
export function heldOut(labels: readonly string[], { seed, validationFraction = 0.2 }: DatasetOptions): Uint8Array {
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

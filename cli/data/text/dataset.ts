/**
 * Labelled texts: one look at every row tells how many there are and which labels; after that rows are read again as
 * they are needed.
 */

import type { ProblemType } from '../../../runtime/artifact/problem-type.ts';
import { random, shuffled } from '../../../runtime/random.ts';
import { UserError } from '../../io/errors.ts';
import { counted, plural } from '../../io/words.ts';
import { contentsHash, judgesWhole, partNotice, seenNotices, type TrainedOn } from '../contents.ts';
import { contentDigest, duplicateNotices } from '../duplicates.ts';
import type { DatasetOptions } from '../split.ts';
import type { Target } from '../target.ts';
import { type Columns, chooseColumns, namesLabel, type TextColumns } from './columns.ts';
import { separatorHint } from './label-separators.ts';
import { decision, inOrder, type LabelReader, MAX_LABELS, problemIn, type RawLabel, surveyLabels } from './labels.ts';
import { type JudgingPart, type TextClass, type TextLayout, textLayout } from './layout.ts';
import { short, type TableFile } from './rows.ts';
import {
  badRow,
  fileSource,
  isMissing,
  type LabelledText,
  labelOf,
  namesOfFiles,
  shown,
  type TextSource,
  tableSource,
} from './source.ts';

/** A sample. */
export interface TextRow {
  /** File and line or row. */
  readonly where: string;
  readonly text: string;
  /** The second half, such as a hypothesis; null where there is none. */
  readonly pair: string | null;
  /** Of one class the index into the data set's labels. */
  readonly label: Target;
}

/** The samples of one part, which are read from disk anew for each pass. */
export interface TextRows {
  readonly size: number;
  /** How many there are of each label; null where a sample may have several, or numbers. */
  readonly counts: readonly number[] | null;
  /** Reads them, in the same order each time. */
  rows(): AsyncIterable<TextRow>;
}

/** Labelled texts in two parts. */
export interface TextDataset {
  readonly kind: 'text';
  readonly name: string;
  /**
   * Of the training part: in the data's own order where it tells one, by number where all are numbers, else by name. Of
   * regression the names of the numbers.
   */
  readonly labels: readonly string[];
  readonly problemType: ProblemType;
  /** Whether each sample is two texts. */
  readonly pairs: boolean;
  /** Whether each of several labels has a column of its own: nothing is known of a label that has none. */
  readonly hasColumns: boolean;
  readonly train: TextRows;
  readonly test: TextRows;
  /** Rows left out (--skip-bad). */
  readonly skipped: number;
  /** What a run that trains on it has seen. */
  readonly contents: TrainedOn;
  /** What was guessed or left out, in sentences for the user. */
  readonly notices: readonly string[];
}

/** How texts are opened: as all data, which columns to read, and what their labels are. */
export interface TextDatasetOptions extends DatasetOptions, TextColumns {
  /** What stands between the labels of a sample, where one column holds them as a text. */
  readonly labelSeparator?: string;
}

/** Opens texts; null where the path holds none, so that it may hold pictures. UserErrors name file and row. */
export async function openTexts(path: string, options: TextDatasetOptions): Promise<TextDataset | null> {
  const layout = await textLayout(path, options.judging !== undefined);
  return layout && openLaidOut(path, layout, options);
}

/** Opens texts that were found at a path. UserErrors name file and row. */
export async function openLaidOut(path: string, layout: TextLayout, options: TextDatasetOptions): Promise<TextDataset> {
  const sources = await sourcesOf(layout, options);
  const { train: source, test: testSource, judging, columns, isBinary, pairs } = sources;

  const survey = surveyLabels({
    task: options.task ?? (isBinary ? 'multi_label_classification' : undefined),
    columns,
    order: await source.order(),
  });
  const train = await scan(source, (label, where) => survey.add(label, where), options, testSource === null ? 1 : 0.5);
  if (train.size === 0) throw new UserError(`${path} has no rows`, 'Expected rows of a text and a label.');
  const reader = survey.reader(path);
  const notices = [...sources.notices, ...reader.notices];
  const { labels, problemType, hasColumns } = reader;
  const isWhole = testSource === null && judgesWhole(options.judging, train.digest);
  if (labels.length < (problemType === 'single_label_classification' && !isWhole ? 2 : 1)) {
    const found = labels.length === 0 ? 'no labels' : `one label only (${short(labels[0])})`;
    throw new UserError(
      `${path} has ${found}: there is nothing to tell apart`,
      'Expected rows of at least two labels.',
    );
  }
  const rowsOf = (from: TextSource, part: Part, wanted?: (row: number) => boolean): TextRows => ({
    size: part.size,
    counts: countsOf(part.labels, reader),
    rows: () => labelledRows(readable(from, reader, options), part.size, wanted),
  });
  const dataset = (parts: Pick<TextDataset, 'train' | 'test' | 'skipped' | 'contents' | 'notices'>): TextDataset => ({
    kind: 'text',
    name: path,
    labels,
    problemType,
    pairs,
    hasColumns,
    ...parts,
  });
  if (isWhole)
    return dataset({
      skipped: train.skipped,
      contents: { digest: train.digest, heldOut: false },
      notices: [
        ...notices,
        ...seenNotices(options.judging, train.digest, path),
        `The model is judged on all ${counted(train.size, 'row')}.`,
      ],
      train: { size: 0, counts: countsOf([], reader), rows: async function* () {} },
      test: rowsOf(source, train),
    });
  if (testSource === null) {
    const held = heldOut(
      problemType === 'single_label_classification' ? train.labels : Array.from({ length: train.size }, () => ''),
      options,
    );
    const [trained, judges] = [0, 1].map((one) => partWhere(train, (row) => held[row] === one));
    if (judges.size === 0)
      throw new UserError(
        `${path} has as many labels as rows (${held.length}), so none can be held out`,
        `Does another column hold the label? Say which: --label-column NAME.${separatorHint(labels)}`,
      );
    return dataset({
      skipped: train.skipped,
      contents: { digest: train.digest, heldOut: true },
      notices: [
        ...notices,
        `Models are judged on ${judges.size} of the ${counted(held.length, 'row')}, which are held out.`,
        ...duplicateNotices(trained.digests, judges.digests, 'text'),
      ],
      train: rowsOf(source, trained, (row) => held[row] === 0),
      test: rowsOf(source, judges, (row) => held[row] === 1),
    });
  }
  const test = await scan(testSource, (label) => problemIn(reader.target(label)), options, 0.5, 0.5);
  if (test.size === 0)
    throw new UserError(
      `${path} has no rows to judge a model by`,
      'Expected some in its validation, dev or test part.',
    );
  return dataset({
    skipped: train.skipped + test.skipped,
    contents: { digest: train.digest, heldOut: false },
    notices: [
      ...notices,
      ...(judging === null ? [] : [partNotice(options.judging, train.digest, path, judging)]),
      ...duplicateNotices(train.digests, test.digests, 'text'),
    ],
    train: rowsOf(source, train),
    test: rowsOf(testSource, test),
  });
}

/** Good rows of a part. */
type Part = Pick<Scanned, 'size' | 'labels' | 'digests'>;

function partWhere({ labels, digests }: Part, wanted: (row: number) => boolean): Part {
  const kept = digests.filter((_, row) => wanted(row));
  return { size: kept.length, labels: labels.filter((_, row) => wanted(row)), digests: kept };
}

function countsOf(given: readonly string[], { problemType, labels, target }: LabelReader): readonly number[] | null {
  if (problemType !== 'single_label_classification') return null;
  const counts = labels.map(() => 0);
  for (const label of given) counts[target(label) as number]++;
  return counts;
}

interface Sources {
  readonly train: TextSource;
  readonly test: TextSource | null;
  /** What `test` is called. */
  readonly judging: string | null;
  /** That hold labels. */
  readonly columns: readonly string[];
  readonly pairs: boolean;
  /** Whether these were found for their 0 and 1. */
  readonly isBinary: boolean;
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
      judging: layout.judging,
      columns: [],
      pairs: false,
      isBinary: false,
      notices: layout.left.length === 0 ? [] : [`${layout.left.join(' and ')}: texts without labels are left out.`],
    };
  }
  const { train, left } = layout;
  const asked = await askedColumns(train[0], options);
  const binary = asked === undefined ? await binaryColumns(train[0], options) : undefined;
  const columns = chooseColumns(train[0].path, await train[0].columns(), { ...options, labelColumn: asked ?? binary });
  const guessed = options.textColumn === undefined || options.labelColumn === undefined;
  const { test, unlabelled } = await judgingFiles(layout.tests, columns);
  return {
    columns: columns.labels,
    pairs: columns.pair !== null,
    isBinary: binary !== undefined,
    train: tableSource(await withColumns(train, columns), columns, options.labelSeparator),
    judging: test && namesOfFiles(test),
    test: test && tableSource(await withColumns(test, columns), columns, options.labelSeparator),
    notices: [
      ...((await train[0].notices?.()) ?? []),
      ...(guessed
        ? [
            `The text is in ${columns.text}${columns.pair === null ? '' : ` and ${columns.pair}`}, ` +
              `the ${columns.labels.length === 1 ? 'label' : 'labels'} in ${columns.labels.join(', ')}.`,
          ]
        : []),
      ...unlabelled.map((files) => `${namesOfFiles(files)} has no labels and is left out.`),
      ...(left.length === 0
        ? []
        : [`Left out: ${left.slice(0, 3).join(', ')}${left.length > 3 ? ` and ${left.length - 3} more` : ''}.`]),
    ],
  };
}

/** So many rows tell which columns hold 0 and 1. */
const ROWS_FOR_COLUMNS = 100;

/** The label columns that are asked for; of a model that is judged those that the data has. */
async function askedColumns(
  file: TableFile,
  { labelColumn, judging }: TextDatasetOptions,
): Promise<string | readonly string[] | undefined> {
  if (labelColumn === undefined || typeof labelColumn === 'string' || judging?.mayLackLabels !== true)
    return labelColumn;
  const there = await file.columns();
  const found = labelColumn.filter((name) => there.includes(name));
  return found.length === 0 ? labelColumn : found;
}

/**
 * Where no column has a usual name: those, two or more, that hold nothing but 0 and 1, or true and false,
 * each a label of its own. UserError where most of a column's rows do, but not all.
 */
async function binaryColumns(
  file: TableFile,
  { textColumn, textPairColumn, skipBad = false }: TextDatasetOptions,
): Promise<readonly string[] | undefined> {
  const names = (await file.columns()).filter((name) => name !== textColumn && name !== textPairColumn);
  if (namesLabel(names)) return undefined;
  const decided = new Map(names.map((name) => [name, 0]));
  const others = new Map<string, { readonly place: string; readonly found: string }>();
  let looked = 0;
  for await (const row of file.rows(names)) {
    if (!('cells' in row)) continue;
    for (const name of names) {
      const cell = row.cells[name];
      if (decision(labelOf(cell, null) ?? '') !== null) decided.set(name, decided.get(name)! + 1);
      else if (!others.has(name)) others.set(name, { place: row.place, found: shown(cell) });
    }
    if (++looked >= ROWS_FOR_COLUMNS) break;
  }
  const binary = names.filter((name) => 2 * decided.get(name)! > looked);
  if (binary.length < 2) return undefined;
  const spoiled = binary.find((name) => others.has(name));
  if (spoiled !== undefined && !skipBad)
    throw badRow(
      `${file.path}, ${others.get(spoiled)!.place}`,
      `expected 0 or 1 in ${spoiled}, as most of its rows have, got ${others.get(spoiled)!.found}`,
      'Name the columns that hold labels: --label-column A --label-column B.',
    );
  return binary;
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
    if (part === 'validation' || (await hasLabels(files[0], columns.labels[0]))) return { test: files, unlabelled };
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
async function withColumns(
  files: readonly TableFile[],
  { text, pair, labels }: Columns,
): Promise<readonly TableFile[]> {
  for (const file of files)
    chooseColumns(file.path, await file.columns(), {
      textColumn: text,
      textPairColumn: pair ?? undefined,
      labelColumn: labels,
    });
  return files;
}

interface Scanned {
  /** Good rows. */
  readonly size: number;
  /** Of every good row, in order, while each has one. */
  readonly labels: readonly string[];
  /** Of every good row: what tells that two are the same. */
  readonly digests: readonly number[];
  readonly skipped: number;
  /** Of the good rows' texts. */
  readonly digest: string;
}

/** Looks at every row once. `share` of the progress is this one's, from `from` on. */
async function scan(
  source: TextSource,
  problemWith: (label: RawLabel, where: string) => string | null,
  options: TextDatasetOptions,
  share: number,
  from = 0,
): Promise<Scanned> {
  const labels: string[] = [];
  const digests: number[] = [];
  /** One string a label, however many rows have it. */
  const names = new Map<string, string>();
  const hash = contentsHash();
  let size = 0;
  let skipped = 0;
  for await (const found of source.texts()) {
    options.onRead?.(from + share * found.read);
    const problem = 'problem' in found ? found.problem : problemWith(found.label, found.where);
    if (problem !== null) {
      if (!options.skipBad) throw badRow(found.where, problem);
      skipped++;
      continue;
    }
    size++;
    const { text, pair, label } = found as LabelledText;
    hash.add(text, ...(pair === null ? [] : [pair]));
    digests.push(contentDigest(JSON.stringify([text, pair])));
    if (typeof label !== 'string' || names.size > MAX_LABELS) continue;
    const known = names.get(label) ?? label;
    names.set(known, known);
    labels.push(known);
  }
  return { size, labels, digests, skipped, digest: hash.digest() };
}

/** Good rows, with what is to be said of them. */
async function* readable(
  source: TextSource,
  reader: LabelReader,
  { skipBad = false }: TextDatasetOptions,
): AsyncGenerator<TextRow> {
  for await (const found of source.texts()) {
    const label = 'problem' in found ? found : reader.target(found.label);
    const problem = problemIn(label);
    if (problem === null) {
      const { text, pair } = found as LabelledText;
      yield { where: found.where, text, pair, label: label as Target };
    } else if (!skipBad) throw badRow(found.where, problem);
  }
}

/** The rows that are wanted. UserError where there are no longer as many as were counted. */
async function* labelledRows(
  rows: AsyncIterable<TextRow>,
  size: number,
  wanted: (row: number) => boolean = () => true,
): AsyncGenerator<TextRow> {
  let at = 0;
  let given = 0;
  for await (const row of rows) {
    if (!wanted(at++)) continue;
    if (given === size) throw changed(size);
    given++;
    yield row;
  }
  if (given !== size) throw changed(size);
}

function changed(size: number): UserError {
  return new UserError(
    `the data has changed since its ${counted(size, 'row')} ${plural(size, 'was', 'were')} counted`,
    'Start again when nothing writes to it.',
  );
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

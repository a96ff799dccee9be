/**
 * Labelled texts: one look at every row tells how many there are and which labels; after that rows are read again as
 * they are needed.
 */
import type { ProblemType } from '../../../runtime/artifact/problem-type.ts';
import { random, shuffled } from '../../../runtime/random.ts';
import { UserError } from '../../io/errors.ts';
import { contentsHash, judgesWhole, seenNotices, type TrainedOn } from '../contents.ts';
import type { DatasetOptions } from '../split.ts';
import type { Target } from '../target.ts';
import { type Columns, chooseColumns, namesLabel, type TextColumns } from './columns.ts';
import { inOrder, type LabelReader, MAX_LABELS, problemIn, type RawLabel, surveyLabels } from './labels.ts';
import { type TextClass, type TextLayout, textLayout } from './layout.ts';
import { short, type TableFile } from './rows.ts';
import { badRow, fileSource, type LabelledText, namesOfFiles, type TextSource, tableSource } from './source.ts';

/** A sample. */
export interface TextRow {
  readonly text: string;
  /** The second half, such as a hypothesis; null where there is none. */
  readonly pair: string | null;
  /** Of one class the index into the data set's labels. */
  readonly label: Target;
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
   * Of the training part: in the data's own order where it tells one, by number where all are numbers, else by name. Of
   * regression the names of the numbers.
   */
  readonly labels: readonly string[];
  readonly problemType: ProblemType;
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
  if (layout === null) return null;
  const { train: source, test: testSource, notices, columns } = await sourcesOf(layout, options);

  const survey = surveyLabels({ task: options.task, columns, order: await source.order() });
  const train = await scan(source, (label, where) => survey.add(label, where), options, testSource === null ? 1 : 0.5);
  if (train.size === 0) throw new UserError(`${path} has no rows`, 'Expected rows of a text and a label.');
  const reader = survey.reader(path);
  const { labels, problemType } = reader;
  const isWhole = testSource === null && judgesWhole(options.judging, train.digest);
  if (labels.length < (problemType === 'single_label_classification' && !isWhole ? 2 : 1)) {
    const found = labels.length === 0 ? 'no labels' : `one label only (${short(labels[0])})`;
    throw new UserError(
      `${path} has ${found}: there is nothing to tell apart`,
      'Expected rows of at least two labels.',
    );
  }
  const rowsOf = (from: TextSource, size: number, wanted?: (row: number) => boolean): TextRows => ({
    size,
    rows: () => labelledRows(readable(from, reader, options), size, wanted),
  });
  if (isWhole)
    return {
      kind: 'text',
      name: path,
      labels,
      problemType,
      skipped: train.skipped,
      contents: { digest: train.digest, heldOut: false },
      notices: [
        ...notices,
        ...seenNotices(options.judging, train.digest, path),
        `The model is judged on all ${train.size} rows.`,
      ],
      train: { size: 0, rows: async function* () {} },
      test: rowsOf(source, train.size),
    };
  if (testSource === null) {
    const held = heldOut(
      problemType === 'single_label_classification' ? train.labels : Array.from({ length: train.size }, () => ''),
      options,
    );
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
      problemType,
      skipped: train.skipped,
      contents: { digest: train.digest, heldOut: true },
      notices: [...notices, `Models are judged on ${count} of the ${held.length} rows, which are held out.`],
      train: rowsOf(source, held.length - count, (row) => held[row] === 0),
      test: rowsOf(source, count, (row) => held[row] === 1),
    };
  }
  const test = await scan(testSource, (label) => problemIn(reader.target(label)), options, 0.5, 0.5);
  if (test.size === 0)
    throw new UserError(
      `${path} has no rows to judge a model by`,
      'Expected some in its validation, dev or test part.',
    );
  return {
    kind: 'text',
    name: path,
    labels,
    problemType,
    skipped: train.skipped + test.skipped,
    contents: { digest: train.digest, heldOut: false },
    notices,
    train: rowsOf(source, train.size),
    test: rowsOf(testSource, test.size),
  };
}

interface Sources {
  readonly train: TextSource;
  readonly test: TextSource | null;
  /** That hold labels. */
  readonly columns: readonly string[];
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
      columns: [],
      notices: layout.left.length === 0 ? [] : [`${layout.left.join(' and ')}: texts without labels are left out.`],
    };
  }
  const { train, test } = layout;
  const columns = chooseColumns(train[0].path, await train[0].columns(), {
    ...options,
    labelColumn: options.labelColumn ?? (await binaryColumns(train[0])),
  });
  const guessed = options.textColumn === undefined || options.labelColumn === undefined;
  return {
    columns: columns.labels,
    train: tableSource(await withColumns(train, columns), columns, options.labelSeparator),
    test: test && tableSource(await withColumns(test, columns), columns, options.labelSeparator),
    notices: [
      ...(guessed
        ? [
            `The text is in ${columns.text}${columns.pair === null ? '' : ` and ${columns.pair}`}, ` +
              `the ${columns.labels.length === 1 ? 'label' : 'labels'} in ${columns.labels.join(', ')}.`,
          ]
        : []),
      ...(test === null ? [] : [`Models are judged on ${namesOfFiles(test)}.`]),
    ],
  };
}

/** So many rows tell which columns hold 0 and 1. */
const ROWS_FOR_COLUMNS = 100;

/** Where no column has a usual name: those, two or more, that hold nothing but 0 and 1, each a label of its own. */
async function binaryColumns(file: TableFile): Promise<readonly string[] | undefined> {
  const names = await file.columns();
  if (namesLabel(names)) return undefined;
  const binary = new Set(names);
  let looked = 0;
  for await (const row of file.rows(names)) {
    if ('cells' in row) for (const name of binary) if (!/^[01]$/.test(String(row.cells[name]))) binary.delete(name);
    if (++looked >= ROWS_FOR_COLUMNS || binary.size < 2) break;
  }
  return looked > 0 && binary.size >= 2 ? [...binary] : undefined;
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
    if (typeof label !== 'string' || names.size > MAX_LABELS) continue;
    const known = names.get(label) ?? label;
    names.set(known, known);
    labels.push(known);
  }
  return { size, labels, skipped, digest: hash.digest() };
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
      yield { text, pair, label: label as Target };
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
    `the data has changed since its ${size} rows were counted`,
    'Start again when nothing writes to it.',
  );
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

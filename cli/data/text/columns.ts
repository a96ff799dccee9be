/** Which columns hold the text, its second half and the label: as the flags say, else by their usual names. */
import { UserError, usageError } from '../../io/errors.ts';
import { short } from './rows.ts';

/** As the flags name them; each may be left out. */
export interface TextColumns {
  readonly textColumn?: string;
  readonly textPairColumn?: string;
  /** Several hold a label or a number each. */
  readonly labelColumn?: string | readonly string[];
}

/** The columns that are read, by their names in the file; `pair` is null where a sample is one text. */
export interface Columns {
  readonly text: string;
  readonly pair: string | null;
  /** One, or several that hold a label or a number each. */
  readonly labels: readonly string[];
}

/** Two columns that belong together, as GLUE's tasks and others name them. */
const PAIRS = [
  ['sentence1', 'sentence2'],
  ['premise', 'hypothesis'],
  ['question1', 'question2'],
  ['question', 'sentence'],
  ['question', 'passage'],
  ['text', 'text_pair'],
  ['text1', 'text2'],
] as const;

/** The first that is there is taken: whole texts before titles. */
const TEXTS = [
  'text',
  'sentence',
  'review',
  'content',
  'comment',
  'tweet',
  'message',
  'body',
  'document',
  'question',
  'query',
  'utterance',
  'article',
  'description',
  'abstract',
  'passage',
  'statement',
  'post',
  'email',
  'sms',
  'input',
  'prompt',
  'summary',
  'headline',
  'title',
  // Of the SMS Spam Collection, as Kaggle has it.
  'v2',
];

const LABELS = [
  'label',
  'labels',
  'class',
  'category',
  'target',
  'sentiment',
  'intent',
  'rating',
  'stars',
  'score',
  'gold label',
  'label text',
  'class index',
  'class id',
  'label id',
  'is duplicate',
  'polarity',
  'emotion',
  'topic',
  'genre',
  'language',
  'tags',
  'tag',
  'categories',
  'genres',
  'topics',
  'emotions',
  'classes',
  'intents',
  'keywords',
  'output',
  'y',
  'v1',
];

/** Whether one of the columns has a usual name of a label's. */
export function namesLabel(columns: readonly string[]): boolean {
  return named(LABELS, columns) !== null;
}

/** @throws UserError where a column that was asked for is not there, or none looks like what is needed */
export function chooseColumns(
  path: string,
  columns: readonly string[],
  { textColumn, textPairColumn, labelColumn }: TextColumns,
): Columns {
  const known = knownColumns(path, columns);
  const labelColumns = [labelColumn ?? []].flat();
  for (const [flag, name] of [
    ['--text-column', textColumn],
    ['--text-pair-column', textPairColumn],
    ...labelColumns.map((name) => ['--label-column', name] as const),
  ] as const) {
    if (name !== undefined && !columns.includes(name))
      throw new UserError(
        `${flag} ${name}: ${known}`,
        'Name one of them. The label is needed also where a model is only evaluated.',
      );
  }
  const repeated = labelColumns.find((name, i) => labelColumns.indexOf(name) !== i);
  if (repeated !== undefined) throw usageError(`--label-column ${repeated} is given twice`, 'Name each column once.');
  const labels =
    labelColumns.length > 0
      ? labelColumns
      : [chooseLabelColumn(path, columns, undefined, labelsAmong(columns, textColumn, textPairColumn))];
  const twice = labels.find((name) => name === textColumn || name === textPairColumn);
  if (twice !== undefined)
    throw new UserError(`the column ${twice} is named for the text and for the label`, `Name another: ${known}.`);
  return {
    ...textAmong(
      known,
      columns.filter((name) => !labels.includes(name)),
      { textColumn, textPairColumn },
    ),
    labels,
  };
}

/**
 * The columns of what is to be classified, where a label may be there or not.
 * @throws UserError as `chooseColumns`
 */
export function chooseTextColumns(
  path: string,
  columns: readonly string[],
  { textColumn, textPairColumn }: Omit<TextColumns, 'labelColumn'>,
): Omit<Columns, 'labels'> {
  const known = knownColumns(path, columns);
  for (const [flag, name] of [
    ['--text-column', textColumn],
    ['--text-pair-column', textPairColumn],
  ] as const)
    if (name !== undefined && !columns.includes(name))
      throw new UserError(`${flag} ${name}: ${known}`, 'Name one of them.');
  const others = columns.filter((name) => name !== textColumn && name !== textPairColumn);
  // A label counts for little beside the only column that there is.
  const label = columns.length === 1 ? null : named(LABELS, others);
  return textAmong(
    known,
    columns.filter((name) => name !== label),
    { textColumn, textPairColumn },
  );
}

/** `PATH has the columns a, b`, for messages. */
export function knownColumns(path: string, columns: readonly string[]): string {
  const shown = columns
    .slice(0, 20)
    .map((name) => short(name) || '(no name)')
    .join(', ');
  return `${path} has the columns ${shown}${columns.length > 20 ? ' ...' : ''}`;
}

/** The text, and its second half, among columns none of which is the label. */
function textAmong(
  known: string,
  others: readonly string[],
  { textColumn, textPairColumn }: Omit<TextColumns, 'labelColumn'>,
): Omit<Columns, 'labels'> {
  if (textColumn !== undefined) return { text: textColumn, pair: textPairColumn ?? null };
  const pair = textPairColumn === undefined ? pairAmong(others) : null;
  const text =
    pair?.text ??
    named(
      TEXTS,
      others.filter((name) => name !== textPairColumn),
    ) ??
    (others.length === 1 ? others[0] : null);
  if (text === null)
    throw new UserError(`${known}, none of which looks like a text`, 'Say which it is: --text-column NAME.');
  return { text, pair: textPairColumn ?? pair?.pair ?? null };
}

/**
 * The column of labels: as the flag says, else by its usual names among some of the columns, all unless given.
 * @throws UserError where none is there
 */
export function chooseLabelColumn(
  path: string,
  columns: readonly string[],
  labelColumn: string | undefined,
  among = columns,
): string {
  if (labelColumn !== undefined && !columns.includes(labelColumn))
    throw new UserError(`--label-column ${labelColumn}: ${knownColumns(path, columns)}`, 'Name one of them.');
  const label = labelColumn ?? named(LABELS, among) ?? (among.length === 1 && !isAside(among[0]) ? among[0] : null);
  if (label !== null) return label;
  throw new UserError(
    `${knownColumns(path, columns)}, none of which looks like a label`,
    'Say which it is: --label-column NAME. The first line of a CSV or TSV file names the columns: is it a row of ' +
      'data here? Then write a line such as text,label above it.',
  );
}

/** Which columns may hold the label: not the text, as flags name it, or as one of two columns does. */
function labelsAmong(columns: readonly string[], text?: string, pair?: string): readonly string[] {
  if (text !== undefined) return columns.filter((name) => name !== text && name !== pair);
  const others = columns.filter((name) => named(TEXTS, [name]) === null);
  return columns.length === 2 && others.length === 1 ? others : columns.filter((name) => name !== pair);
}

/** What numbers, names or dates rows, and says nothing of them. */
const ASIDE =
  'id ids idx index uuid guid key row nr no number date time timestamp url link file filename path name author user ' +
  'username source';

/** Whether a column has such a name, as user_id, or none. */
function isAside(column: string): boolean {
  const name = words(column);
  return name === '' || name.startsWith('unnamed') || ASIDE.split(' ').includes(name.split(' ').at(-1)!);
}

function pairAmong(columns: readonly string[]): { readonly text: string; readonly pair: string } | null {
  for (const names of PAIRS) {
    const [text, pair] = names.map((name) => named([name], columns));
    if (text !== null && pair !== null) return { text, pair };
  }
  return null;
}

/**
 * The column of the first of the usual names that is there, in whatever case and whether written classIndex, class_index
 * or Class Index; else the only one that ends with such a name, as airline_sentiment does.
 */
function named(usual: readonly string[], columns: readonly string[]): string | null {
  for (const name of usual) {
    const column = columns.find((candidate) => words(candidate) === name || candidate.toLowerCase() === name);
    if (column !== undefined) return column;
  }
  const ending = columns.filter((column) => usual.some((name) => words(column).endsWith(` ${name}`)));
  return ending.length === 1 ? ending[0] : null;
}

/** airline_sentiment and airlineSentiment as airline sentiment. */
function words(column: string): string {
  return column
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[-_. ]+/)
    .join(' ')
    .trim();
}

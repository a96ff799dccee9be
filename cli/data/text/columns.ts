/** Which columns hold the text, its second half and the label: as the flags say, else by their usual names. */
import { UserError } from '../../io/errors.ts';
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
];

const LABELS = ['label', 'labels', 'class', 'category', 'target', 'sentiment', 'intent', 'rating', 'stars', 'score'];

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
  const shown = columns
    .slice(0, 20)
    .map((name) => short(name) || '(no name)')
    .join(', ');
  const known = `${path} has the columns ${shown}${columns.length > 20 ? ' ...' : ''}`;
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
  const guessed = named(
    LABELS,
    columns.filter((name) => name !== textColumn && name !== textPairColumn),
  );
  const labels = labelColumns.length > 0 || guessed === null ? labelColumns : [guessed];
  if (labels.length === 0)
    throw new UserError(
      `${known}, none of which looks like a label`,
      'Say which it is: --label-column NAME. The first line of a CSV or TSV file names the columns.',
    );
  const twice = labels.find((name) => name === textColumn || name === textPairColumn);
  if (twice !== undefined)
    throw new UserError(`the column ${twice} is named for the text and for the label`, `Name another: ${known}.`);
  const others = columns.filter((name) => !labels.includes(name));
  if (textColumn !== undefined) return { text: textColumn, pair: textPairColumn ?? null, labels };
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
  return { text, pair: textPairColumn ?? pair?.pair ?? null, labels };
}

function pairAmong(columns: readonly string[]): { readonly text: string; readonly pair: string } | null {
  for (const names of PAIRS) {
    const [text, pair] = names.map((name) => named([name], columns));
    if (text !== null && pair !== null) return { text, pair };
  }
  return null;
}

/** The first of the usual names that a column has, in whatever case. */
function named(usual: readonly string[], columns: readonly string[]): string | null {
  for (const name of usual) {
    const column = columns.find((candidate) => candidate.toLowerCase() === name);
    if (column !== undefined) return column;
  }
  return null;
}

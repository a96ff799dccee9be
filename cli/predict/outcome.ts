/** What is written of an answer beside its row: columns with the same names in every format. */
import type { Answer, ModelInfo } from '../../runtime/http/classifier.ts';
import { usageError } from '../io/errors.ts';
import type { ColumnType, KnownTypes } from './parquet-output.ts';
import type { Cells } from './row.ts';

/** What came of a row. */
export type Outcome = { readonly answer: Answer } | { readonly problem: string };

/** The columns of answers, and their cells for one. */
export interface OutcomeColumns {
  readonly names: readonly string[];
  /** Of each, whatever the rows hold. */
  readonly types: KnownTypes;
  cells(outcome: Outcome): Cells;
}

/** Tried in turn, where the input has columns of the same names. */
const PREFIXES = ['', 'predicted_'];

/** What a model's answers are told by. */
type Answering = Pick<ModelInfo, 'labels' | 'problemType'>;

/** How many of its labels a model is asked for: those that are wanted, or all where each has a column. */
export function askedLabels({ labels, problemType }: Answering, topK: number): number {
  return problemType === 'single_label_classification' ? Math.min(topK, labels.length) : labels.length;
}

/**
 * label, score, label_2, score_2 ... for as many labels as are asked for; of a model of several labels, or of numbers, a
 * column for each of its labels instead. And error. With `predicted_` before them where the input has one of these
 * itself. Usage error where it has those, too.
 */
export function outcomeColumns(info: Answering, topK: number, taken: readonly string[]): OutcomeColumns {
  const {
    names: plain,
    types,
    valuesOf,
  } = info.problemType === 'single_label_classification' ? ranked(askedLabels(info, topK)) : byLabel(info.labels);
  const names = [...plain, 'error'];
  const prefix = PREFIXES.find((candidate) => !names.some((name) => taken.includes(candidate + name)));
  if (prefix === undefined)
    throw usageError(
      `the input has columns of the names that answers have: ${names.map((name) => `predicted_${name}`).join(', ')}`,
      'Keep others: --columns NAME,NAME.',
    );
  const prefixed = names.map((name) => prefix + name);
  return {
    names: prefixed,
    types: Object.fromEntries([...types, 'STRING' as const].map((type, i) => [prefixed[i], type])),
    cells(outcome) {
      const values = valuesOf('answer' in outcome ? outcome.answer.predictions : []);
      const problem = 'problem' in outcome ? outcome.problem : null;
      return Object.fromEntries([...values, problem].map((value, i) => [prefixed[i], value]));
    },
  };
}

interface Columns {
  readonly names: readonly string[];
  readonly types: readonly ColumnType[];
  valuesOf(predictions: Answer['predictions']): readonly (string | number | null)[];
}

/** The best labels, best first. */
function ranked(count: number): Columns {
  const places = Array.from({ length: count }, (_, i) => i);
  return {
    names: places.flatMap((i) => ['label', 'score'].map((name) => (i === 0 ? name : `${name}_${i + 1}`))),
    types: places.flatMap(() => ['STRING', 'DOUBLE'] as const),
    valuesOf: (predictions) => places.flatMap((i) => [predictions[i]?.label ?? null, predictions[i]?.score ?? null]),
  };
}

/** Every label's score, or number. */
function byLabel(labels: readonly string[]): Columns {
  const twice = labels.find((label, i) => label === 'error' || labels.indexOf(label) !== i);
  if (twice !== undefined)
    throw usageError(
      `the model's labels would be columns, and ${twice} would be one twice`,
      'Rename it in id2label of config.json, and pack the model again.',
    );
  return {
    names: labels,
    types: labels.map(() => 'DOUBLE'),
    valuesOf(predictions) {
      const scores = new Map(predictions.map(({ label, score }) => [label, score]));
      return labels.map((label) => scores.get(label) ?? null);
    },
  };
}

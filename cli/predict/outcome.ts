/** What is written of an answer beside its row: columns with the same names in every format. */
import type { Answer, ModelInfo } from '../../runtime/http/classifier.ts';
import { usageError } from '../io/errors.ts';
import type { Cells } from './row.ts';

/** What came of a row. */
export type Outcome = { readonly answer: Answer } | { readonly problem: string };

/** The columns of answers, and their cells for one. */
export interface OutcomeColumns {
  readonly names: readonly string[];
  cells(outcome: Outcome): Cells;
}

/** Tried in turn, where the input has columns of the same names. */
const PREFIXES = ['', 'predicted_'];

/**
 * label, score, label_2, score_2 ... for as many labels as are asked for, and error: with `predicted_` before them
 * where the input has one of these itself. Usage error where it has those, too.
 */
export function outcomeColumns(
  { labels }: Pick<ModelInfo, 'labels'>,
  topK: number,
  taken: readonly string[],
): OutcomeColumns {
  const count = Math.min(topK, labels.length);
  const plain = Array.from({ length: count }, (_, i) => (i === 0 ? '' : `_${i + 1}`)).map((suffix) => ({
    label: `label${suffix}`,
    score: `score${suffix}`,
  }));
  const names = [...plain.flatMap(({ label, score }) => [label, score]), 'error'];
  const prefix = PREFIXES.find((candidate) => !names.some((name) => taken.includes(candidate + name)));
  if (prefix === undefined)
    throw usageError(
      `the input has columns of the names that answers have: ${names.map((name) => `predicted_${name}`).join(', ')}`,
      'Keep others: --columns NAME,NAME.',
    );
  const prefixed = names.map((name) => prefix + name);
  return {
    names: prefixed,
    cells(outcome) {
      const predictions = 'answer' in outcome ? outcome.answer.predictions : [];
      const values = plain.flatMap((_, i) => [predictions[i]?.label ?? null, predictions[i]?.score ?? null]);
      const problem = 'problem' in outcome ? outcome.problem : null;
      return Object.fromEntries([...values, problem].map((value, i) => [prefixed[i], value]));
    },
  };
}

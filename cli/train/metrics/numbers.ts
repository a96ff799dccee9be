/** How good a model is that answers numbers. */
import type { Judged } from '../evaluate.ts';
import { createCorrelation } from '../scorer.ts';
import { meanOf, meanOrNull } from './rates.ts';

/** Of one number; a correlation is null where one of its sides does not vary. */
export interface NumberMetrics {
  readonly label: string;
  readonly pearson: number | null;
  readonly spearman: number | null;
  readonly rmse: number;
}

/** As scipy and scikit-learn compute them; of several numbers the mean of each metric. */
export interface RegressionMetrics extends Omit<NumberMetrics, 'label'> {
  readonly problemType: 'regression';
  readonly numbers: readonly NumberMetrics[];
}

/** Takes samples one by one; all numbers are kept, for Spearman's correlation is about their order. */
export function numberMetrics(labels: readonly string[]): { add(sample: Judged): void; metrics(): RegressionMetrics } {
  const answers: number[][] = labels.map(() => []);
  const truths: number[][] = labels.map(() => []);
  return {
    add({ logits, target }) {
      for (let k = 0; k < labels.length; k++) {
        answers[k].push(logits[k]);
        truths[k].push((target as Float32Array)[k]);
      }
    },
    metrics() {
      const numbers = labels.map((label, k) => ({
        label,
        pearson: pearson(answers[k], truths[k]),
        spearman: pearson(ranks(answers[k]), ranks(truths[k])),
        rmse: Math.sqrt(meanOf(answers[k].map((answer, i) => (answer - truths[k][i]) ** 2))),
      }));
      return {
        problemType: 'regression',
        pearson: meanOrNull(numbers.map(({ pearson: value }) => value)),
        spearman: meanOrNull(numbers.map(({ spearman: value }) => value)),
        rmse: meanOf(numbers.map(({ rmse }) => rmse)),
        numbers,
      };
    },
  };
}

function pearson(x: readonly number[], y: readonly number[]): number | null {
  const correlation = createCorrelation();
  x.forEach((value, i) => correlation.add(value, y[i]));
  return correlation.value();
}

/** From 1 on; equal values share the mean of their places. */
function ranks(values: readonly number[]): number[] {
  const order = [...values.keys()].sort((a, b) => values[a] - values[b]);
  const found: number[] = new Array(values.length);
  for (let begin = 0, end = 0; begin < order.length; begin = end) {
    while (end < order.length && values[order[end]] === values[order[begin]]) end++;
    for (let i = begin; i < end; i++) found[order[i]] = (begin + 1 + end) / 2;
  }
  return found;
}

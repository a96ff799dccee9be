/** How good a model is that gives each sample any number of labels. */
import type { Judged } from '../evaluate.ts';
import { type Counted, meanOf, ratesOf, share } from './rates.ts';

/** Of one label. */
export interface LabelMetrics extends Counted {
  readonly label: string;
  /** The area below its curve of precision over recall, whatever the threshold; null where no sample has the label. */
  readonly averagePrecision: number | null;
}

/** As scikit-learn computes them. A label is given where its likelihood is above a half. */
export interface MultiLabelMetrics {
  readonly problemType: 'multi_label_classification';
  readonly microF1: number;
  readonly microPrecision: number;
  readonly microRecall: number;
  readonly macroF1: number;
  /** The mean of the labels' average precisions, of those that a sample has; null where there is none. */
  readonly meanAveragePrecision: number | null;
  /** The share of samples that were given just their labels. */
  readonly exactMatch: number;
  readonly labels: readonly LabelMetrics[];
}

/** Counts samples one by one; all logits are kept, for average precision is about their order. */
export function labelMetrics(labels: readonly string[]): { add(sample: Judged): void; metrics(): MultiLabelMetrics } {
  const K = labels.length;
  const scores: number[][] = labels.map(() => []);
  const truths: boolean[][] = labels.map(() => []);
  const [hits, predicted, support] = [new Float64Array(K), new Float64Array(K), new Float64Array(K)];
  let samples = 0;
  let exact = 0;
  return {
    add({ logits, target }) {
      let isExact = true;
      for (let k = 0; k < K; k++) {
        const applies = (target as Float32Array)[k] > 0.5;
        const given = logits[k] > 0;
        scores[k].push(logits[k]);
        truths[k].push(applies);
        hits[k] += Number(applies && given);
        predicted[k] += Number(given);
        support[k] += Number(applies);
        if (applies !== given) isExact = false;
      }
      samples++;
      if (isExact) exact++;
    },
    metrics() {
      const each = labels.map((label, k) => ({
        label,
        ...ratesOf(hits[k], predicted[k], support[k]),
        averagePrecision: averagePrecision(scores[k], truths[k]),
      }));
      const total = (counts: Float64Array): number => counts.reduce((sum, count) => sum + count, 0);
      const micro = ratesOf(total(hits), total(predicted), total(support));
      const precisions = each.flatMap(({ averagePrecision: value }) => value ?? []);
      return {
        problemType: 'multi_label_classification',
        microF1: micro.f1,
        microPrecision: micro.precision,
        microRecall: micro.recall,
        macroF1: meanOf(each.map(({ f1 }) => f1)),
        meanAveragePrecision: precisions.length === 0 ? null : meanOf(precisions),
        exactMatch: share(exact, samples),
        labels: each,
      };
    },
  };
}

/** Σ (R_n - R_(n-1)) · P_n over the thresholds that tell scores apart, highest first. */
function averagePrecision(scores: readonly number[], truths: readonly boolean[]): number | null {
  const positives = truths.filter(Boolean).length;
  if (positives === 0) return null;
  const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a]);
  let area = 0;
  let hits = 0;
  let counted = 0;
  order.forEach((sample, i) => {
    if (truths[sample]) hits++;
    const isLast = i + 1 === order.length || scores[order[i + 1]] !== scores[sample];
    if (!isLast) return;
    area += ((hits - counted) / positives) * (hits / (i + 1));
    counted = hits;
  });
  return area;
}

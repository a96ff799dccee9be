/** How good a model is that gives each sample one of several labels. */
import { SCORES } from '../../../runtime/http/inference.ts';
import type { Judged } from '../evaluate.ts';
import { argmax } from '../scorer.ts';
import { type Counted, meanOf, ratesOf, share } from './rates.ts';

/** Of one label that occurs among the samples or the answers. */
export interface ClassMetrics extends Counted {
  readonly label: string;
}

/** Samples of one label that were given one. */
export interface Confusion {
  readonly label: string;
  readonly predicted: string;
  readonly samples: number;
}

/** As scikit-learn computes them; macro means are over the labels that occur among the samples or the answers. */
export interface SingleLabelMetrics {
  readonly problemType: 'single_label_classification';
  readonly accuracy: number;
  readonly macroPrecision: number;
  readonly macroRecall: number;
  readonly macroF1: number;
  /**
   * The expected calibration error: by how much the likelihood of the likeliest label and the share that is right
   * differ, in 15 bins of likelihood (Guo et al. 2017, section 2).
   */
  readonly calibrationError: number;
  readonly classes: readonly ClassMetrics[];
  /** What is not nothing of the confusion matrix. */
  readonly confusion: readonly Confusion[];
}

const BINS = 15;

/** Counts samples one by one; of the confusion matrix only what is not nothing is kept. */
export function classMetrics(labels: readonly string[]): {
  add(sample: Judged): void;
  metrics(): SingleLabelMetrics;
} {
  const K = labels.length;
  /** Samples by truth · K + answer. */
  const counts = new Map<number, number>();
  const [hits, predicted, support] = [new Uint32Array(K), new Uint32Array(K), new Uint32Array(K)];
  const bins = Array.from({ length: BINS }, () => ({ confidence: 0, right: 0 }));
  let samples = 0;
  return {
    add({ logits, target }) {
      const answer = argmax(logits);
      const confidence = SCORES.softmax(logits)[answer];
      const truth = target as number;
      counts.set(truth * K + answer, (counts.get(truth * K + answer) ?? 0) + 1);
      support[truth]++;
      predicted[answer]++;
      if (answer === truth) hits[truth]++;
      // Bins are open below and closed above, as the paper has them.
      const bin = bins[Math.min(BINS - 1, Math.max(0, Math.ceil(confidence * BINS) - 1))];
      bin.confidence += confidence;
      if (answer === truth) bin.right++;
      samples++;
    },
    metrics() {
      const classes = labels.flatMap((label, k) =>
        support[k] + predicted[k] === 0 ? [] : [{ label, ...ratesOf(hits[k], predicted[k], support[k]) }],
      );
      const confusion = [...counts]
        .sort(([a], [b]) => a - b)
        .map(([at, count]) => ({ label: labels[Math.floor(at / K)], predicted: labels[at % K], samples: count }));
      const gap = bins.reduce((sum, { confidence, right }) => sum + Math.abs(confidence - right), 0);
      return {
        problemType: 'single_label_classification',
        accuracy: share(
          hits.reduce((sum, count) => sum + count, 0),
          samples,
        ),
        macroPrecision: meanOf(classes.map(({ precision }) => precision)),
        macroRecall: meanOf(classes.map(({ recall }) => recall)),
        macroF1: meanOf(classes.map(({ f1 }) => f1)),
        calibrationError: share(gap, samples),
        classes,
        confusion,
      };
    },
  };
}

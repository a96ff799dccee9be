/** How good a model is that gives each sample one of several labels. */
import { SCORES } from '../../../runtime/http/inference.ts';
import type { Judged } from '../evaluate.ts';
import { argmax } from '../scorer.ts';
import { type Counted, meanOf, ratesOf } from './rates.ts';

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

/** Counts samples one by one; (K, K) counts are kept. */
export function classMetrics(labels: readonly string[]): {
  add(sample: Judged): void;
  metrics(): SingleLabelMetrics;
} {
  const K = labels.length;
  const counts = new Uint32Array(K * K); // (truth, answer)
  const bins = Array.from({ length: BINS }, () => ({ confidence: 0, right: 0 }));
  let samples = 0;
  return {
    add({ logits, target }) {
      const answer = argmax(logits);
      const confidence = SCORES.softmax(logits)[answer];
      counts[(target as number) * K + answer]++;
      // Bins are open below and closed above, as the paper has them.
      const bin = bins[Math.min(BINS - 1, Math.max(0, Math.ceil(confidence * BINS) - 1))];
      bin.confidence += confidence;
      if (answer === target) bin.right++;
      samples++;
    },
    metrics() {
      const hits = (k: number): number => counts[k * K + k];
      const sum = (at: (i: number) => number): number => labels.reduce((total, _, i) => total + counts[at(i)], 0);
      const classes = labels.flatMap((label, k) => {
        const support = sum((i) => k * K + i);
        const predicted = sum((i) => i * K + k);
        return support + predicted === 0 ? [] : [{ label, ...ratesOf(hits(k), predicted, support) }];
      });
      const confusion: Confusion[] = [];
      for (let i = 0; i < counts.length; i++)
        if (counts[i] > 0)
          confusion.push({ label: labels[Math.floor(i / K)], predicted: labels[i % K], samples: counts[i] });
      const right = labels.reduce((total, _, k) => total + hits(k), 0);
      return {
        problemType: 'single_label_classification',
        accuracy: samples === 0 ? 0 : right / samples,
        macroPrecision: meanOf(classes.map(({ precision }) => precision)),
        macroRecall: meanOf(classes.map(({ recall }) => recall)),
        macroF1: meanOf(classes.map(({ f1 }) => f1)),
        calibrationError:
          samples === 0
            ? 0
            : bins.reduce((gap, { confidence, right: r }) => gap + Math.abs(confidence - r), 0) / samples,
        classes,
        confusion,
      };
    },
  };
}

/** The one number that a model is judged by while it trains, counted sample by sample: see `PROBLEMS`. */
import type { ProblemType, Score } from '../../runtime/artifact/problem-type.ts';
import type { Target } from '../data/target.ts';
import { meanOrNull, share } from './metrics/rates.ts';

/** Told of one sample after another. */
export interface Scorer {
  /** (K) logits, and what they should be: of classes and labels in the model's order. */
  add(logits: ArrayLike<number>, target: Target): void;
  score(): Score;
}

/** A scorer for models of this problem type. */
export function createScorer(problemType: ProblemType): Scorer {
  switch (problemType) {
    case 'single_label_classification':
      return accuracyScorer();
    case 'multi_label_classification':
      return microF1Scorer();
    case 'regression':
      return pearsonScorer();
    default:
      return problemType satisfies never;
  }
}

function accuracyScorer(): Scorer {
  let samples = 0;
  let correct = 0;
  return {
    add(logits, target) {
      samples++;
      if (argmax(logits) === target) correct++;
    },
    score: () => ({ accuracy: share(correct, samples), samples }),
  };
}

/** A label is given where its likelihood is above a half, that is, its logit above 0. */
function microF1Scorer(): Scorer {
  let samples = 0;
  let hits = 0;
  let given = 0;
  let right = 0;
  return {
    add(logits, target) {
      samples++;
      for (let k = 0; k < logits.length; k++) {
        const applies = (target as Float32Array)[k] > 0.5;
        if (logits[k] > 0) given++;
        if (applies) right++;
        if (applies && logits[k] > 0) hits++;
      }
    },
    score: () => ({ microF1: share(2 * hits, given + right), samples }),
  };
}

function pearsonScorer(): Scorer {
  const outputs: Correlation[] = [];
  let samples = 0;
  return {
    add(logits, target) {
      samples++;
      for (let k = 0; k < logits.length; k++)
        (outputs[k] ??= createCorrelation()).add(logits[k], (target as Float32Array)[k]);
    },
    score: () => ({ pearson: meanOrNull(outputs.map((output) => output.value())), samples }),
  };
}

/** Pearson's correlation of pairs that are added one by one. */
export interface Correlation {
  add(x: number, y: number): void;
  /** null where one of the two does not vary. */
  value(): number | null;
}

/** Means and moments are updated with each pair (Welford 1962): no sum of large squares is left to cancel. */
export function createCorrelation(): Correlation {
  let [count, meanX, meanY, squaresX, squaresY, products] = [0, 0, 0, 0, 0, 0];
  return {
    add(x, y) {
      count++;
      const [dx, dy] = [x - meanX, y - meanY];
      meanX += dx / count;
      meanY += dy / count;
      squaresX += dx * (x - meanX);
      squaresY += dy * (y - meanY);
      products += dx * (y - meanY);
    },
    value() {
      const product = Math.sqrt(squaresX) * Math.sqrt(squaresY);
      return product > 0 ? Math.max(-1, Math.min(1, products / product)) : null;
    },
  };
}

/** The index of the largest value, the first of several. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

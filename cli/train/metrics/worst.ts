/** The samples that a model is most wrong about. */
import type { ProblemType } from '../../../runtime/artifact/problem-type.ts';
import { SCORES } from '../../../runtime/http/inference.ts';
import type { Judged } from '../evaluate.ts';
import { argmax } from '../scorer.ts';

/** One of them. */
export interface WrongAnswer {
  /** The sample's place in the split. */
  readonly row: number;
  /** What it should be; several labels or numbers set apart by `|`. */
  readonly label: string;
  readonly predicted: string;
  /** Of several labels, or numbers: which of them is the most wrong; null of one label, or one number. */
  readonly mostWrong: string | null;
  /**
   * How wrong: the likelihood of the wrong label; of any number of labels how far that of the most wrong one is from 1 or
   * 0; of numbers how far the most wrong one lies above what it should be, below 0 where it lies below.
   */
  readonly score: number;
}

/** Told of one sample after another; keeps the worst. */
export interface Worst {
  add(sample: Judged): void;
  /** Worst first; equal ones in the samples' order. */
  answers(): readonly WrongAnswer[];
}

/** Keeps the `most` worst answers of a model with these labels. */
export function worstAnswers(problemType: ProblemType, labels: readonly string[], most: number): Worst {
  let kept: WrongAnswer[] = [];
  const sorted = (): WrongAnswer[] => [...kept].sort((a, b) => byWrongness(a, b) || a.row - b.row).slice(0, most);
  return {
    add(sample) {
      const wrong = WRONG[problemType](sample, labels);
      if (wrong === null) return;
      kept.push({ row: sample.row, ...wrong });
      // Sorted now and then: often enough for the memory, seldom enough for the time.
      if (kept.length > 2 * most + 1000) kept = sorted();
    },
    answers: sorted,
  };
}

/** Worst first. */
export function byWrongness(a: Pick<WrongAnswer, 'score'>, b: Pick<WrongAnswer, 'score'>): number {
  return Math.abs(b.score) - Math.abs(a.score);
}

type Wrong = Omit<WrongAnswer, 'row'>;

const WRONG: Readonly<Record<ProblemType, (sample: Judged, labels: readonly string[]) => Wrong | null>> = {
  single_label_classification({ logits, target }, labels) {
    const answer = argmax(logits);
    if (answer === target) return null;
    const score = SCORES.softmax(logits)[answer];
    return { label: labels[target as number], predicted: labels[answer], mostWrong: null, score };
  },
  multi_label_classification({ logits, target }, labels) {
    const truth = target as Float32Array;
    const scores = SCORES.sigmoid(logits);
    if (scores.every((score, k) => score > 0.5 === truth[k] > 0.5)) return null;
    const named = (values: ArrayLike<number>): string => labels.filter((_, k) => values[k] > 0.5).join('|');
    const off = Float64Array.from(scores, (score, k) => Math.abs(score - truth[k]));
    const worst = argmax(off);
    return { label: named(truth), predicted: named(scores), mostWrong: labels[worst], score: off[worst] };
  },
  regression({ logits, target }, labels) {
    const truth = target as Float32Array;
    const shown = (values: Float32Array): string =>
      Array.from(values, (value) => Number(value.toPrecision(7))).join('|');
    const errors = Float64Array.from(logits, (value, k) => value - truth[k]);
    const worst = argmax(errors.map(Math.abs));
    const mostWrong = labels.length > 1 ? labels[worst] : null;
    return { label: shown(truth), predicted: shown(logits), mostWrong, score: errors[worst] };
  },
};

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
  /**
   * How wrong: the likelihood of the wrong label; of any number of labels how far the farthest likelihood is from 1 or
   * 0; of numbers the largest difference.
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
  const sorted = (): WrongAnswer[] => [...kept].sort((a, b) => b.score - a.score || a.row - b.row).slice(0, most);
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

type Wrong = Omit<WrongAnswer, 'row'>;

const WRONG: Readonly<Record<ProblemType, (sample: Judged, labels: readonly string[]) => Wrong | null>> = {
  single_label_classification({ logits, target }, labels) {
    const answer = argmax(logits);
    if (answer === target) return null;
    return { label: labels[target as number], predicted: labels[answer], score: SCORES.softmax(logits)[answer] };
  },
  multi_label_classification({ logits, target }, labels) {
    const truth = target as Float32Array;
    const scores = SCORES.sigmoid(logits);
    if (scores.every((score, k) => score > 0.5 === truth[k] > 0.5)) return null;
    const named = (values: ArrayLike<number>): string => labels.filter((_, k) => values[k] > 0.5).join('|');
    return {
      label: named(truth),
      predicted: named(scores),
      score: scores.reduce((most, score, k) => Math.max(most, Math.abs(score - truth[k])), 0),
    };
  },
  regression({ logits, target }) {
    const truth = target as Float32Array;
    const shown = (values: Float32Array): string =>
      Array.from(values, (value) => Number(value.toPrecision(7))).join('|');
    return {
      label: shown(truth),
      predicted: shown(logits),
      score: logits.reduce((most, value, k) => Math.max(most, Math.abs(value - truth[k])), 0),
    };
  },
};

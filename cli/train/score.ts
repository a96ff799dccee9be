/** How a score is told: every metric with its name. */
import { type Metric, PROBLEMS, type ProblemType, type Score, scoreOf } from '../../runtime/artifact/problem-type.ts';

const NAMES: Readonly<Record<Metric, string>> = { accuracy: 'accuracy', microF1: 'micro F1', pearson: 'Pearson' };

/** A teacher's score under its metric's name: `teacherAccuracy`. */
export type TeacherScore = { readonly [M in Metric as `teacher${Capitalize<M>}`]?: number | null };

/** That name. */
export function teacherKey<M extends Metric>(metric: M): `teacher${Capitalize<M>}` {
  return `teacher${metric[0].toUpperCase()}${metric.slice(1)}` as `teacher${Capitalize<M>}`;
}

/** The metric's name in words. */
export function metricName(score: Partial<Score>): string {
  return NAMES[scoreOf(score).metric];
}

/** The name of what models of this kind are judged by. */
export function metricNameOf(problemType: ProblemType): string {
  return NAMES[PROBLEMS[problemType].metric];
}

/** The value alone: 93.41 %; a correlation, which is no share, as 0.8731, or undefined where nothing varies. */
export function scoreValue(score: Partial<Score>): string {
  const { metric, value } = scoreOf(score);
  if (value === null) return 'undefined';
  return metric === 'pearson' ? value.toFixed(4) : `${(100 * value).toFixed(2)} %`;
}

/** 93.41 % of accuracy, which needs no name; micro F1 81.20 %. */
export function told(score: Score): string {
  return score.accuracy === undefined ? scoreText(score) : scoreValue(score);
}

/** accuracy 93.41 % · micro F1 81.20 % · Pearson 0.8731 */
export function scoreText(score: Score): string {
  return `${metricName(score)} ${scoreValue(score)}`;
}

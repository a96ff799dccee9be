/** How a score is told: every metric with its name. */
import { type Metric, type Score, scoreOf } from '../../runtime/artifact/problem-type.ts';

const NAMES: Readonly<Record<Metric, string>> = { accuracy: 'accuracy', microF1: 'micro F1', pearson: 'Pearson' };

/** The metric's name in words. */
export function metricName(score: Score): string {
  return NAMES[scoreOf(score).metric];
}

/** The value alone: 93.41 %; a correlation, which is no share, as 0.8731, or undefined where nothing varies. */
export function scoreValue(score: Score): string {
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

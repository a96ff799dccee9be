/** What the values of samples are that have several labels, or numbers: of each label how often, how large. */
import type { Target } from './target.ts';

/** Of one label or number, over the samples of a part. */
export interface ValueSummary {
  /** Of labels: samples that have it. */
  readonly positives: number;
  readonly least: number;
  readonly mean: number;
  readonly most: number;
}

/** Told of one sample's values after another. */
export interface ValueCount {
  add(target: Target): void;
  /** By label; none of classes, or where there were no samples. */
  summary(): readonly ValueSummary[];
}

/** Nothing yet. */
export function countValues(): ValueCount {
  const labels: { positives: number; least: number; mean: number; most: number }[] = [];
  let samples = 0;
  return {
    add(target) {
      if (typeof target === 'number') return;
      samples++;
      target.forEach((value, i) => {
        labels[i] ??= { positives: 0, least: Infinity, mean: 0, most: -Infinity };
        const one = labels[i];
        if (value > 0.5) one.positives++;
        one.least = Math.min(one.least, value);
        one.most = Math.max(one.most, value);
        one.mean += (value - one.mean) / samples;
      });
    },
    summary: () => labels,
  };
}

/** All that `slim evaluate` tells of a model, by its problem type. */
import type { ProblemType } from '../../../runtime/artifact/problem-type.ts';
import type { Judged } from '../evaluate.ts';
import { classMetrics, type SingleLabelMetrics } from './classes.ts';
import { labelMetrics, type MultiLabelMetrics } from './labels.ts';
import { numberMetrics, type RegressionMetrics } from './numbers.ts';

/** Told apart by `problemType`. */
export type Metrics = SingleLabelMetrics | MultiLabelMetrics | RegressionMetrics;

/** Told of one sample after another. */
export interface Metering {
  add(sample: Judged): void;
  metrics(): Metrics;
}

/** Meters a model with these labels. */
export function createMetering(problemType: ProblemType, labels: readonly string[]): Metering {
  switch (problemType) {
    case 'single_label_classification':
      return classMetrics(labels);
    case 'multi_label_classification':
      return labelMetrics(labels);
    case 'regression':
      return numberMetrics(labels);
    default:
      return problemType satisfies never;
  }
}

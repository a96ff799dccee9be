/** What `slim evaluate` prints for people: few numbers of all, then the labels that matter most. */
import { correlationText, grouped, percent, shareText } from '../io/units.ts';
import { counted, shortened } from '../io/words.ts';
import type { ClassMetrics, Confusion, SingleLabelMetrics } from '../train/metrics/classes.ts';
import type { LabelMetrics, MultiLabelMetrics } from '../train/metrics/labels.ts';
import type { Metrics } from '../train/metrics/metrics.ts';
import type { RegressionMetrics } from '../train/metrics/numbers.ts';
import { facts, table } from './result.ts';

/** More labels than that are told by the weakest of them. */
const MOST_ROWS = 20;
/** More classes than that make no matrix that fits a terminal: the commonest confusions are told. */
const MOST_COLUMNS = 8;

/** The report of metrics over so many samples. */
export function metricsReport(metrics: Metrics & { readonly samples: number }, skipped: string): string {
  const on = `on ${counted(metrics.samples, 'sample')}${skipped}`;
  switch (metrics.problemType) {
    case 'single_label_classification':
      return singleLabel(metrics, on);
    case 'multi_label_classification':
      return multiLabel(metrics, on);
    case 'regression':
      return regression(metrics, on);
    default:
      return metrics satisfies never;
  }
}

function singleLabel(metrics: SingleLabelMetrics, on: string): string {
  const { accuracy, macroPrecision, macroRecall, macroF1, calibrationError, classes, confusion } = metrics;
  return [
    `accuracy ${percent(accuracy)} ${on}`,
    '',
    facts([
      ['macro precision', percent(macroPrecision)],
      ['macro recall', percent(macroRecall)],
      ['macro F1', percent(macroF1)],
      ['calibration error', percent(calibrationError)],
    ]),
    '',
    ...labelTable('class', classes, []),
    '',
    ...confusions(classes, confusion),
  ].join('\n');
}

function multiLabel(metrics: MultiLabelMetrics, on: string): string {
  const { microF1, microPrecision, microRecall, macroF1, meanAveragePrecision, exactMatch, labels } = metrics;
  return [
    `micro F1 ${percent(microF1)} ${on}`,
    '',
    facts([
      ['micro precision', percent(microPrecision)],
      ['micro recall', percent(microRecall)],
      ['macro F1', percent(macroF1)],
      ['mean average precision', shareText(meanAveragePrecision)],
      ['all labels right', percent(exactMatch)],
    ]),
    '',
    ...labelTable('label', labels, [['average precision', ({ averagePrecision }) => shareText(averagePrecision)]]),
  ].join('\n');
}

function regression({ pearson, spearman, rmse, numbers }: RegressionMetrics, on: string): string {
  const row = (name: string, one: Pick<RegressionMetrics, 'pearson' | 'spearman' | 'rmse'>): string[] => [
    name,
    correlationText(one.pearson),
    correlationText(one.spearman),
    one.rmse.toPrecision(5),
  ];
  const rows = numbers.length > 1 ? numbers.map((one) => row(shortened(one.label), one)) : [];
  return [
    `Pearson ${correlationText(pearson)}, Spearman ${correlationText(spearman)}, RMSE ${rmse.toPrecision(5)} ${on}`,
    ...(rows.length === 0 ? [] : ['', table([['', 'Pearson', 'Spearman', 'RMSE'], ...rows])]),
  ].join('\n');
}

type Column<Row> = readonly [name: string, value: (row: Row) => string];

/** A row a label in the labels' order; of many, those of the lowest F1, and how many there are beside them. */
function labelTable<Row extends ClassMetrics | LabelMetrics>(
  what: string,
  rows: readonly Row[],
  more: readonly Column<Row>[],
): string[] {
  const weakest = [...rows].sort((a, b) => a.f1 - b.f1 || b.support - a.support).slice(0, MOST_ROWS);
  const shown = rows.length <= MOST_ROWS ? rows : weakest;
  const left = rows.length - shown.length;
  return [
    table([
      [what, 'precision', 'recall', 'F1', ...more.map(([name]) => name), 'samples'],
      ...shown.map((row) => [
        shortened(row.label),
        ...[row.precision, row.recall, row.f1].map((value) => percent(value)),
        ...more.map(([, value]) => value(row)),
        grouped(row.support),
      ]),
    ]),
    ...(left > 0 ? [`the ${shown.length} of the lowest F1; ${grouped(left)} more are in --json`] : []),
  ];
}

function confusions(classes: readonly ClassMetrics[], confusion: readonly Confusion[]): string[] {
  if (classes.length <= MOST_COLUMNS) return matrix(classes, confusion);
  const wrong = confusion.filter(({ label, predicted }) => label !== predicted);
  if (wrong.length === 0) return ['nothing was confused'];
  const commonest = wrong.sort((a, b) => b.samples - a.samples).slice(0, MOST_ROWS / 2);
  return [
    table([
      ['most often confused', 'taken for', 'samples'],
      ...commonest.map(({ label, predicted, samples }) => [shortened(label), shortened(predicted), grouped(samples)]),
    ]),
    ...(wrong.length > commonest.length
      ? [`${grouped(wrong.length - commonest.length)} more pairs are in --json`]
      : []),
  ];
}

function matrix(classes: readonly ClassMetrics[], confusion: readonly Confusion[]): string[] {
  const count = (label: string, predicted: string): number =>
    confusion.find((one) => one.label === label && one.predicted === predicted)?.samples ?? 0;
  return [
    table([
      ['is, taken for', ...classes.map(({ label }) => shortened(label, 12))],
      ...classes.map(({ label }) => [
        shortened(label),
        ...classes.map(({ label: predicted }) => grouped(count(label, predicted))),
      ]),
    ]),
  ];
}

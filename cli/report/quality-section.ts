/** How good each subject is on data: its metrics, what it confuses, and what it is most wrong about. */

import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import { correlationText, grouped, percent, shareText } from '../io/units.ts';
import { counted, shortened } from '../io/words.ts';
import type { ClassMetrics, Confusion, SingleLabelMetrics } from '../train/metrics/classes.ts';
import type { LabelMetrics } from '../train/metrics/labels.ts';
import type { Metrics } from '../train/metrics/metrics.ts';
import type { WrongAnswer } from '../train/metrics/worst.ts';
import { amount } from './chart.ts';
import { type Content, type Html, html } from './html.ts';
import type { Thumbnail } from './pictures.ts';
import { cells, scrolling } from './table.ts';

/** What a subject was judged to be. */
export interface Quality {
  readonly name: string;
  /** The data's. */
  readonly data: string;
  readonly metrics: Metrics;
  readonly samples: number;
  readonly skipped: number;
  /** Worst first. */
  readonly wrong: readonly ShownWrong[];
}

/** A wrong answer, and what it was given to. */
export type ShownWrong = WrongAnswer & {
  /** Where the sample stands. */
  readonly place: string;
  readonly picture?: Thumbnail;
  readonly text?: string;
  readonly pair?: string;
};

/** More classes than that make no matrix: the commonest confusions are told. */
const MOST_COLUMNS = 20;
/** More labels than that are told by the weakest of them. */
const MOST_ROWS = 40;
const LONGEST_TEXT = 600;

/** Metrics beside each other, then what each subject gets wrong; null where nothing was judged. */
export function qualitySection(qualities: readonly Quality[], unjudged: readonly string[]): Html | null {
  if (qualities.length === 0 && unjudged.length === 0) return null;
  return html`<section aria-labelledby="quality"><h2 id="quality">Right and wrong</h2>
${unjudged.map((why) => html`<p class="quiet">${why}</p>`)}
${qualities.length === 0 ? null : overview(qualities)}
${qualities.map((quality, i) => subject(quality, qualities.length > 1, i === 0))}</section>`;
}

function overview(qualities: readonly Quality[]): Html {
  const columns = qualities.map(({ metrics }) => new Map(numbersOf(metrics)));
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))];
  const on = [...new Set(qualities.map(({ data, samples, skipped }) => judgedOn(data, samples, skipped)))];
  return html`<p class="quiet">${on.join(' ')}</p>${scrolling(
    'Metrics',
    cells(
      ['Metric', ...qualities.map(({ name }) => name)],
      names.map((name) => [name, ...columns.map((column) => column.get(name) ?? '')]),
    ),
  )}`;
}

function judgedOn(data: string, samples: number, skipped: number): string {
  return `Judged on ${counted(samples, 'sample')} of ${data}${skipped > 0 ? `, ${skipped} skipped` : ''}.`;
}

/** The numbers of all labels together, as `slim evaluate` names them. */
export function numbersOf(metrics: Metrics): (readonly [name: string, value: string])[] {
  switch (metrics.problemType) {
    case 'single_label_classification':
      return [
        ['Accuracy', percent(metrics.accuracy)],
        ['Macro precision', percent(metrics.macroPrecision)],
        ['Macro recall', percent(metrics.macroRecall)],
        ['Macro F1', percent(metrics.macroF1)],
        ['Calibration error', percent(metrics.calibrationError)],
      ];
    case 'multi_label_classification':
      return [
        ['Micro F1', percent(metrics.microF1)],
        ['Micro precision', percent(metrics.microPrecision)],
        ['Micro recall', percent(metrics.microRecall)],
        ['Macro F1', percent(metrics.macroF1)],
        ['Mean average precision', shareText(metrics.meanAveragePrecision)],
        ['All labels right', percent(metrics.exactMatch)],
      ];
    case 'regression':
      return [
        ['Pearson', correlationText(metrics.pearson)],
        ['Spearman', correlationText(metrics.spearman)],
        ['RMSE', metrics.rmse.toPrecision(5)],
      ];
    default:
      return metrics satisfies never;
  }
}

function subject(quality: Quality, isOneOfMany: boolean, isOpen: boolean): Html {
  const { name, metrics, wrong } = quality;
  const content = html`<div class="beside">${labelTable(name, metrics)}${
    metrics.problemType === 'single_label_classification' ? confusions(name, metrics) : null
  }</div>${wrong.length === 0 ? null : worst(name, wrong, metrics.problemType)}`;
  if (!isOneOfMany) return html`<article>${content}</article>`;
  return html`<details class="subject"${isOpen ? html` open` : null}><summary>${name}</summary>${content}</details>`;
}

/** A row a label; of many, those of the lowest F1. */
function labelTable(name: string, metrics: Metrics): Html | null {
  if (metrics.problemType === 'regression') {
    if (metrics.numbers.length === 1) return null;
    const rows = metrics.numbers.map((one) => [
      shortened(one.label),
      correlationText(one.pearson),
      correlationText(one.spearman),
      one.rmse.toPrecision(5),
    ]);
    return titled(name, 'By number', cells(['Number', 'Pearson', 'Spearman', 'RMSE'], rows), null);
  }
  const isMulti = metrics.problemType === 'multi_label_classification';
  const rows: readonly (ClassMetrics | LabelMetrics)[] = isMulti ? metrics.labels : metrics.classes;
  const weakest = [...rows].sort((a, b) => a.f1 - b.f1 || b.support - a.support).slice(0, MOST_ROWS);
  const shown = rows.length <= MOST_ROWS ? rows : weakest;
  const table = cells(
    ['Label', 'Precision', 'Recall', 'F1', ...(isMulti ? ['Average precision'] : []), 'Samples'],
    shown.map((row) => [
      shortened(row.label),
      ...[row.precision, row.recall, row.f1].map((value) => percent(value)),
      ...('averagePrecision' in row ? [shareText(row.averagePrecision)] : []),
      grouped(row.support),
    ]),
  );
  const left = rows.length - shown.length;
  return titled(name, 'By label', table, left > 0 ? `The lowest F1; ${grouped(left)} more labels are better.` : null);
}

function titled(name: string, title: string, table: Html, note: string | null): Html {
  return html`<div><h3>${title}</h3>${scrolling(`${title}, ${name}`, table)}${
    note === null ? null : html`<p class="quiet">${note}</p>`
  }</div>`;
}

function confusions(name: string, { classes, confusion }: SingleLabelMetrics): Html | null {
  if (classes.length <= MOST_COLUMNS) return matrix(name, classes, confusion);
  const wrong = confusion.filter(({ label, predicted }) => label !== predicted);
  if (wrong.length === 0) return null;
  const commonest = [...wrong].sort((a, b) => b.samples - a.samples).slice(0, MOST_COLUMNS);
  const rows = commonest.map(({ label, predicted, samples }) => [
    shortened(label),
    shortened(predicted),
    grouped(samples),
  ]);
  return titled(name, 'Most often confused', cells(['Is', 'Taken for', 'Samples'], rows), null);
}

/** Rows are what samples are, columns what they were taken for; colour tells the share of the row. */
function matrix(name: string, classes: readonly ClassMetrics[], confusion: readonly Confusion[]): Html {
  const counts = new Map(confusion.map(({ label, predicted, samples }) => [`${label}\n${predicted}`, samples]));
  const cell = ({ label, support }: ClassMetrics, { label: predicted }: ClassMetrics): Html => {
    const count = counts.get(`${label}\n${predicted}`) ?? 0;
    const heat = support === 0 ? 0 : Math.round((100 * count) / support);
    const kind = label === predicted ? 'heat' : 'heat wrong';
    return html`<td class="${kind}" style="--heat:${heat}%">${count === 0 ? '' : grouped(count)}</td>`;
  };
  const table = html`<table class="map"><thead><tr><th scope="col">Is, taken for</th>${classes.map(
    ({ label }) => html`<th scope="col">${shortened(label, 12)}</th>`,
  )}</tr></thead><tbody>${classes.map(
    (row) => html`<tr><th scope="row">${shortened(row.label)}</th>${classes.map((column) => cell(row, column))}</tr>`,
  )}</tbody></table>`;
  return titled(name, 'Confusion matrix', table, null);
}

function worst(name: string, wrong: readonly ShownWrong[], problemType: ProblemType): Html {
  return html`<h3 class="most">Most wrong<span class="unseen"> of ${name}</span></h3>
<ol class="${wrong[0].picture ? 'gallery' : 'quotes'}">${wrong.map((one) => wrongItem(one, problemType))}</ol>`;
}

function wrongItem(wrong: ShownWrong, problemType: ProblemType): Html {
  const { label, predicted, mostWrong, score, place, picture, text, pair } = wrong;
  const named = (names: string): Content => (names === '' ? 'none' : shortened(names));
  const most = mostWrong === null ? null : html` (${shortened(mostWrong)})`;
  const how = problemType === 'single_label_classification' ? `${percent(score, 1)} sure` : `off by ${amount(score)}`;
  const told = html`<span>${named(label)}, taken for <b>${named(predicted)}</b>${most}</span><small>${how}</small>`;
  if (picture) return html`<li>${image(picture, `${shortened(label)}, ${shortened(place)}`)}${told}</li>`;
  return html`<li><blockquote>${clipped(text ?? '')}${
    pair === undefined ? null : html`<br>${clipped(pair)}`
  }</blockquote>${told}</li>`;
}

/** A picture of the data, described. */
export function image({ uri, isTiny }: Thumbnail, alt: string): Html {
  return html`<img src="${uri}" alt="${alt}"${isTiny ? html` class="pixels"` : null}>`;
}

function clipped(text: string): string {
  return shortened(text, LONGEST_TEXT);
}

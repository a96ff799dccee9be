/** A sweep as a page: accuracy against what each model costs, and all rows. */
import { type Metric, scoreOf } from '../../runtime/artifact/problem-type.ts';
import { formatBytes, formatMacs, grouped, percent } from '../io/units.ts';
import { capitalized, counted, shortened } from '../io/words.ts';
import { metricName, scoreValue } from '../train/score.ts';
import { type Axis, amount, type Chart, figure, type Series } from './chart.ts';
import { type Content, type Html, html } from './html.ts';
import { documentOf, type PageOptions } from './page.ts';
import { frontOf, type ReportedRow, SWEEP_COSTS, type Sweep, type SweepCost } from './sweep.ts';
import { cells, scrolling } from './table.ts';

const AXES: Readonly<Record<SweepCost, Axis>> = {
  parameters: { name: 'parameters', format: grouped },
  bytes: { name: 'bytes', format: formatBytes },
  macs: { name: 'MACs', format: formatMacs },
  latencyMs: { name: 'latency', format: (value) => `${amount(value)} ms`, ticks: amount },
};
const SHARES = { format: percent, ticks: (value: number) => percent(value, 0) };
const SCALES: Readonly<Record<Metric, Omit<Axis, 'name'>>> = {
  accuracy: SHARES,
  microF1: SHARES,
  pearson: { format: (value) => value.toFixed(4), ticks: (value) => value.toFixed(2) },
};
const COLOURS = 8;

/** The whole page. */
export function sweepPage(sweep: Sweep, options: PageOptions = {}): string {
  const { name, rows, unreadable } = sweep;
  const charts = SWEEP_COSTS.flatMap((cost) => chartOf(rows, cost) ?? []);
  const front = new Set(SWEEP_COSTS.flatMap((cost) => frontOf(rows, cost)));
  const main = html`<section aria-labelledby="costs"><h2 id="costs">${scoreName(rows)} and what it costs</h2>
<p class="quiet">The line joins what no other model beats at that cost.</p>
<div class="charts">${charts.map(figure)}</div></section>
<section aria-labelledby="rows"><h2 id="rows">All models</h2>
${unreadable === 0 ? null : html`<p class="quiet">${counted(unreadable, 'line')} of rows.jsonl could not be read.</p>`}
${scrolling('Table of all models', table(rows, front))}
<p class="quiet">● by some cost no other model is better.</p></section>`;
  return documentOf(name, counted(rows.length, 'model'), main, options);
}

/** What all models of a sweep are judged by. */
function scoreName([first]: readonly ReportedRow[]): string {
  return capitalized(metricName(first));
}

function chartOf(rows: readonly ReportedRow[], cost: SweepCost): Chart | null {
  const priced = rows.filter((row) => (row[cost] ?? 0) > 0);
  if (priced.length === 0) return null;
  const front = frontOf(rows, cost);
  const methods = [...new Set(rows.map(({ method }) => method))];
  const place = (row: ReportedRow): readonly [number, number] => [row[cost]!, scoreOf(row).value!];
  const points = methods.map((method, i): Series => {
    const own = priced.filter((row) => row.method === method);
    return {
      name: shortened(method),
      colour: i % COLOURS,
      isScattered: true,
      isMarked: true,
      points: own.map(place),
      names: own.map((row) => (front.includes(row) ? nameOf(row) : '')),
    };
  });
  return {
    title: `${scoreName(rows)} by ${AXES[cost].name}`,
    hasLegend: true,
    isTabled: true,
    x: { ...AXES[cost], isLog: true },
    y: { name: scoreName(rows), ...SCALES[scoreOf(rows[0]).metric] },
    series: [
      { name: 'best', colour: COLOURS - 1, points: front.map(place) },
      ...points.filter((one) => one.points.length > 0),
    ],
  };
}

function nameOf({ rank, name }: ReportedRow): string {
  return rank === null ? shortened(name, 14) : `r ${rank}`;
}

function table(rows: readonly ReportedRow[], front: ReadonlySet<ReportedRow>): Html {
  const told = (value: number | null, format: (value: number) => string): Content =>
    value === null ? '–' : format(value);
  return cells(
    ['Model', 'Method', 'Rank', 'Seed', scoreName(rows), 'Parameters', 'MACs', 'Bytes', 'Latency', 'Best'],
    rows.map((row) => [
      shortened(row.name, 60),
      shortened(row.method),
      told(row.rank, String),
      told(row.seed, String),
      scoreValue(row),
      told(row.parameters, grouped),
      told(row.macs, formatMacs),
      told(row.bytes, formatBytes),
      told(row.latencyMs, AXES.latencyMs.format),
      front.has(row) ? '●' : '',
    ]),
  );
}

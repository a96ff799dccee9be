/** A sweep as a page: accuracy against what each model costs, and all rows. */
import { formatBytes, formatMacs, grouped, percent } from '../io/units.ts';
import { counted, shortened } from '../io/words.ts';
import { type Axis, amount, type Chart, figure, type Series } from './chart.ts';
import { type Content, type Html, html } from './html.ts';
import { documentOf, type PageOptions } from './page.ts';
import { paretoFront, SWEEP_COSTS, type Sweep, type SweepCost, type SweepRow } from './sweep.ts';
import { cells, scrolling } from './table.ts';

const AXES: Readonly<Record<SweepCost, Axis>> = {
  parameters: { name: 'parameters', format: grouped },
  bytes: { name: 'bytes', format: formatBytes },
  macs: { name: 'MACs', format: formatMacs },
  latencyMs: { name: 'latency', format: (value) => `${amount(value)} ms`, ticks: amount },
};
const COLOURS = 8;

/** The whole page. */
export function sweepPage(sweep: Sweep, options: PageOptions = {}): string {
  const { name, rows, unreadable } = sweep;
  const charts = SWEEP_COSTS.flatMap((cost) => chartOf(rows, cost) ?? []);
  const front = new Set(SWEEP_COSTS.flatMap((cost) => paretoFront(rows, cost)));
  const main = html`<section aria-labelledby="costs"><h2 id="costs">Accuracy and what it costs</h2>
<p class="quiet">The line joins what no other model beats at that cost.</p>
<div class="charts">${charts.map(figure)}</div></section>
<section aria-labelledby="rows"><h2 id="rows">All models</h2>
${unreadable === 0 ? null : html`<p class="quiet">${counted(unreadable, 'line')} of rows.jsonl could not be read.</p>`}
${scrolling('Table of all models', table(rows, front))}
<p class="quiet">● by some cost no other model is better.</p></section>`;
  return documentOf(name, counted(rows.length, 'model'), main, options);
}

function chartOf(rows: readonly SweepRow[], cost: SweepCost): Chart | null {
  const priced = rows.filter((row) => (row[cost] ?? 0) > 0);
  if (priced.length === 0) return null;
  const front = paretoFront(rows, cost);
  const methods = [...new Set(rows.map(({ method }) => method))];
  const place = (row: SweepRow): readonly [number, number] => [row[cost]!, row.accuracy];
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
    title: `Accuracy by ${AXES[cost].name}`,
    hasLegend: true,
    isTabled: true,
    x: { ...AXES[cost], isLog: true },
    y: { name: 'accuracy', format: percent, ticks: (value) => percent(value, 0) },
    series: [
      { name: 'best', colour: COLOURS - 1, points: front.map(place) },
      ...points.filter((one) => one.points.length > 0),
    ],
  };
}

function nameOf({ rank, name }: SweepRow): string {
  return rank === null ? shortened(name, 14) : `r ${rank}`;
}

function table(rows: readonly SweepRow[], front: ReadonlySet<SweepRow>): Html {
  const told = (value: number | null, format: (value: number) => string): Content =>
    value === null ? '–' : format(value);
  return cells(
    ['Model', 'Method', 'Rank', 'Seed', 'Accuracy', 'Parameters', 'MACs', 'Bytes', 'Latency', 'Best'],
    rows.map((row) => [
      shortened(row.name, 60),
      shortened(row.method),
      told(row.rank, String),
      told(row.seed, String),
      percent(row.accuracy),
      told(row.parameters, grouped),
      told(row.macs, formatMacs),
      told(row.bytes, formatBytes),
      told(row.latencyMs, AXES.latencyMs.format),
      front.has(row) ? '●' : '',
    ]),
  );
}

/**
 * Charts as SVG in the page: no script, and colours that are the page's own, so that one drawing serves light, dark and
 * paper. d3 scales and draws paths; vega, which the README's plots are made with, would have brought 24 MB with it.
 */
import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from 'd3-scale';
import { line } from 'd3-shape';
import { type Content, type Html, html } from './html.ts';
import { cells, scrolling } from './table.ts';

/** A place in a chart. */
export type Place = readonly [x: number, y: number];

/** What is drawn in one colour. */
export interface Series {
  readonly name: string;
  /** Which of the page's colours. */
  readonly colour: number;
  readonly points: readonly Place[];
  /** Drawn over the points, which are then paler: what they are on the whole. */
  readonly means?: readonly Place[];
  /** Each point is one that was measured: it is marked, and tells its name and value to who points at it. */
  readonly isMarked?: boolean;
  /** No line joins the points. */
  readonly isScattered?: boolean;
  /** What is written beside the points, in their order; nothing where it is empty. */
  readonly names?: readonly string[];
}

/** A line across the chart, and what it says. */
export interface Rule {
  readonly at: number;
  readonly label: string;
  readonly colour: number;
}

/** A chart and its words. */
export interface Chart {
  readonly title: string;
  /** Whether the colours are explained though there is but one. */
  readonly hasLegend?: boolean;
  /** The page has a table of the values, so that the chart needs none. */
  readonly isTabled?: boolean;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** From top to bottom, at a value of x. */
  readonly marks?: readonly Rule[];
  /** From side to side, at a value of y. */
  readonly levels?: readonly Rule[];
}

/** What is measured, and how its values are written. */
export interface Axis {
  readonly name: string;
  /** What is written along the axis of x; its name unless given. */
  readonly title?: string;
  readonly format: (value: number) => string;
  /** How ticks are written, with as many digits as tell them apart unless given. */
  readonly ticks?: (value: number) => string;
  /** Logarithmic where the values' sizes differ; then all are above 0. */
  readonly isLog?: boolean;
  /** The axis begins at 0. */
  readonly fromZero?: boolean;
  /** What is on it whatever the values are. */
  readonly extent?: readonly number[];
}

/** In CSS pixels where the chart has a column of the page, or a phone's width: its texts are as large as others then. */
const [WIDTH, HEIGHT] = [352, 226];
const PLOT = { left: 46, right: WIDTH - 12, top: 18, bottom: HEIGHT - 40 };
const TICKS = 4;
/** Rows of the table beneath a chart. */
const MOST_ROWS = 40;

type Scale = ScaleContinuousNumeric<number, number>;

/** A figure: the chart, what its colours mean, and its values as a table. */
export function figure(chart: Chart): Html {
  const { title, series, hasLegend = series.length > 1, isTabled } = chart;
  const folded = html`<details><summary>Values<span class="unseen"> of ${title}</span></summary>${values(chart)}</details>`;
  return html`<figure class="chart">
<figcaption><h3>${title}</h3>${hasLegend ? legend(series) : null}</figcaption>
${drawing(chart)}
${isTabled ? null : folded}
</figure>`;
}

function legend(series: readonly Series[]): Html {
  return html`<ul class="legend">${series.map(
    ({ name, colour }) => html`<li><i class="swatch c${colour}"></i>${name}</li>`,
  )}</ul>`;
}

function drawing(chart: Chart): Html {
  const { x, y, series, marks = [], levels = [] } = chart;
  const all = series.flatMap(({ points }) => points);
  const toX = scaleOf(
    x,
    [...all.map(([at]) => at), ...marks.map(({ at }) => at)],
    [PLOT.left, PLOT.right],
    x.isLog === true,
  );
  const toY = scaleOf(
    y,
    [...all.map(([, value]) => value), ...levels.map(({ at }) => at)],
    [PLOT.bottom, PLOT.top],
    true,
  );
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${inWords(chart)}">
${axes(chart, toX, toY)}${marks.map((mark) => markLine(mark, toX))}${levels.map((level) => levelLine(level, toY))}
${series.map((one) => drawn(one, chart, toX, toY))}
${marks.map((mark) => markNote(mark, toX))}${levels.map((level) => levelNote(level, toY))}
</svg>`;
}

function scaleOf(
  { isLog, fromZero, extent = [] }: Axis,
  given: readonly number[],
  range: readonly [number, number],
  isRound: boolean,
): Scale {
  const values = [...given, ...extent];
  const least = values.reduce((a, b) => Math.min(a, b), fromZero ? 0 : Infinity);
  const greatest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (isLog) return scaleLog([least / 1.3, greatest * 1.3], range);
  // One value alone gets room on both sides.
  const room = least === greatest ? Math.abs(least) / 10 || 1 : 0;
  // What rounding puts below 0, as a divergence of equals, is no reason for an axis below it.
  const isZero = least < 0 && -least < (greatest - least) / 50;
  const scale = scaleLinear([isZero ? 0 : least - room, greatest + room], range);
  return isRound ? scale.nice(TICKS) : scale;
}

function axes({ x, y }: Chart, toX: Scale, toY: Scale): Html {
  const [xTicks, yTicks] = [ticksOf(toX), ticksOf(toY)];
  const written = { x: x.ticks ?? tickFormat(toX, xTicks), y: y.ticks ?? tickFormat(toY, yTicks) };
  return html`<g class="axis">${yTicks.map(
    (value) => html`<path d="M${PLOT.left} ${near(toY(value))}H${PLOT.right}"/>
<text x="${PLOT.left - 6}" y="${near(toY(value) + 4)}" text-anchor="end">${written.y(value)}</text>`,
  )}${xTicks.map(
    (value) =>
      html`<text x="${near(toX(value))}" y="${PLOT.bottom + 17}" text-anchor="${anchorOf(toX(value))}">${written.x(value)}</text>`,
  )}<text x="${(PLOT.left + PLOT.right) / 2}" y="${HEIGHT - 2}" text-anchor="middle">${x.title ?? x.name}</text></g>`;
}

/** More digits than that have no room beside the chart. */
const LONGEST_TICK = 6;

/** d3's digits, which tell ticks apart, with the minus that stands elsewhere on the page. */
function tickFormat(scale: Scale, ticks: readonly number[]): (value: number) => string {
  const format = scale.tickFormat(TICKS);
  const areShort = ticks.every((value) => format(value).length <= LONGEST_TICK);
  return areShort ? (value) => format(value).replaceAll('-', '\u2212') : amount;
}

/** A logarithmic scale tells of many ticks which few have a label. */
function ticksOf(scale: Scale): number[] {
  const ticks = scale.ticks(TICKS);
  const label = scale.tickFormat(TICKS);
  const told = ticks.filter((value) => label(value) !== '');
  return told.length > 1 ? told : ticks.filter((_, i) => i % Math.ceil(ticks.length / TICKS) === 0);
}

/** Labels at the sides stay within the chart. */
function anchorOf(x: number): string {
  return x > PLOT.right - 14 ? 'end' : x < PLOT.left + 8 ? 'start' : 'middle';
}

function markLine({ at, colour }: Rule, toX: Scale): Html {
  return html`<path class="rule c${colour}" d="M${near(toX(at))} ${PLOT.top - 4}V${PLOT.bottom}"/>`;
}

function markNote({ at, label }: Rule, toX: Scale): Html {
  const x = near(toX(at));
  const isRight = x > WIDTH / 2;
  return html`<text class="note" x="${x}" y="${PLOT.top - 7}" text-anchor="${isRight ? 'end' : 'start'}">${label}</text>`;
}

function levelLine({ at, colour }: Rule, toY: Scale): Html {
  return html`<path class="rule c${colour}" d="M${PLOT.left} ${near(toY(at))}H${PLOT.right}"/>`;
}

function levelNote({ at, label }: Rule, toY: Scale): Html {
  const y = near(toY(at));
  return html`<text class="note" x="${PLOT.right}" y="${y < PLOT.top + 12 ? y + 13 : y - 5}" text-anchor="end">${label}</text>`;
}

function drawn(
  { name, colour, points, means, isMarked, isScattered, names }: Series,
  { x, y }: Chart,
  toX: Scale,
  toY: Scale,
): Html {
  const path = line<Place>()
    .x(([at]) => toX(at))
    .y(([, value]) => toY(value))
    .digits(1);
  const isPale = means !== undefined && means.length < points.length;
  const told = (at: number, value: number): string => `${name}, ${x.name} ${x.format(at)}: ${y.format(value)}`;
  const joined = html`<path class="line c${colour}${isPale ? ' pale' : ''}" d="${path([...points]) ?? ''}"/>`;
  return html`${isScattered ? null : joined}
${isPale ? html`<path class="line c${colour}" d="${path([...means]) ?? ''}"/>` : null}
${isMarked ? points.map(([at, value], i) => dot(near(toX(at)), near(toY(value)), told(at, value), names?.[i])) : null}`;

  function dot(cx: number, cy: number, title: string, label: string | undefined): Html {
    const text = html`<text class="name" x="${cx}" y="${cy - 8}" text-anchor="${anchorOf(cx)}">${label ?? null}</text>`;
    return html`<circle class="c${colour}" cx="${cx}" cy="${cy}" r="3"><title>${title}</title></circle>${label ? text : null}`;
  }
}

function near(value: number): number {
  return Math.round(value * 10) / 10;
}

/** What the drawing shows, for those who don't see it. */
function inWords({ title, x, y, series, marks = [], levels = [] }: Chart): string {
  const told = series.map(({ name, points }) => {
    const [first, last] = [points[0], points[points.length - 1]];
    const at = ([place, value]: Place): string => `${y.format(value)} at ${x.name} ${x.format(place)}`;
    return `${name} from ${at(first)} to ${at(last)}`;
  });
  const rules = [
    ...marks.map(({ label, at }) => `${label} at ${x.name} ${x.format(at)}`),
    ...levels.map(({ label }) => label),
  ];
  return `${title}: ${[...told, ...rules].join('; ')}. The values are in the table below.`;
}

/** The values, or some of them from first to last, by x. */
function values({ title, x, y, series }: Chart): Html {
  const bySeries = series.map(({ points }) => new Map(points));
  const all = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const shown = all.length <= MOST_ROWS ? all : spread(all, MOST_ROWS);
  const cell = (value: number | undefined): Content => (value === undefined ? '' : y.format(value));
  return scrolling(
    `Values of ${title}`,
    cells(
      [x.name, ...series.map(({ name }) => name)],
      shown.map((at) => [x.format(at), ...bySeries.map((byX) => cell(byX.get(at)))]),
    ),
  );
}

/** So many of them, the first and the last among them. */
function spread<T>(all: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => all[Math.round((i * (all.length - 1)) / (count - 1))]);
}

/** 0.8731, 1,234, 2.5, 3.1e-4: four digits that count, and a minus that is one. */
export function amount(value: number): string {
  const isTiny = value !== 0 && Math.abs(value) < 1e-3;
  const text = isTiny
    ? value.toExponential(1).replace('.0e', 'e')
    : value.toLocaleString('en-US', { maximumSignificantDigits: 4 });
  return text.replaceAll('-', '\u2212');
}

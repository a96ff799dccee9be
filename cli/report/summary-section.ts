/** What came of it, in four numbers and one table. */
import { resolve } from 'node:path';
import { scoreOf } from '../../runtime/artifact/problem-type.ts';
import { formatBytes, formatMacs, grouped, percent } from '../io/units.ts';
import { capitalized } from '../io/words.ts';
import { metricNameOf, scoreValue } from '../train/score.ts';
import { type Content, type Html, html } from './html.ts';
import type { Stage } from './stages.ts';
import { type Cell, cells, scrolling } from './table.ts';

/** All stages beside each other; the tiles tell of the last that was given, by its path, and has a teacher. */
export function summarySection(stages: readonly Stage[], given: readonly string[]): Html {
  const paths = given.map((path) => resolve(path));
  const last = [...stages]
    .filter(({ path, teacher }) => teacher !== null && paths.includes(resolve(path)))
    .sort((a, b) => paths.lastIndexOf(resolve(a.path)) - paths.lastIndexOf(resolve(b.path)))
    .at(-1);
  const metrics = [...new Set(stages.map(({ problemType }) => metricNameOf(problemType)))];
  const isMixed = metrics.length > 1;
  return html`<section aria-labelledby="result"><h2 id="result">Result</h2>
${last === undefined ? null : tiles(last, stages[last.teacher!], given.length > 1)}
${scrolling(
  'Models side by side',
  cells(
    ['Model', isMixed ? 'Score' : capitalized(metrics[0]), 'Parameters', 'MACs', 'Bytes'],
    stages.map((stage) => rowOf(stage, stage.teacher === null ? null : stages[stage.teacher], isMixed)),
  ),
)}
<p class="quiet">MACs of one sample, 1 MAC = 2 FLOPs. Bytes of a .slim file are all of it, of a folder its weights.</p></section>`;
}

function rowOf(stage: Stage, teacher: Stage | null, isMixed: boolean): (Content | Cell)[] {
  const { name, what, problemType, score, scoredAt, cost, bytes } = stage;
  const notes = [
    isMixed ? metricNameOf(problemType) : undefined,
    scoredAt === null ? undefined : `at step ${grouped(scoredAt)}`,
    keptOf(stage, teacher),
  ].filter((note) => note !== undefined);
  return [
    { main: name, quiet: what === name ? undefined : what },
    score === null ? '–' : { main: scoreValue(score), quiet: notes.length === 0 ? undefined : notes.join(' · ') },
    compared(cost?.parameters, teacher?.cost?.parameters, grouped),
    compared(cost?.macs, teacher?.cost?.macs, formatMacs),
    compared(bytes ?? undefined, teacher?.bytes ?? undefined, formatBytes),
  ];
}

/** A number, and its change from the teacher's. */
function compared(value: number | undefined, before: number | undefined, format: (value: number) => string): Cell {
  if (value === undefined) return { main: '–' };
  return { main: format(value), quiet: before === undefined ? undefined : changeOf(value, before) };
}

/** −93.6 % */
function changeOf(value: number, before: number): string | undefined {
  if (before === 0 || value === before) return undefined;
  const text = percent(Math.abs(value / before - 1), 1);
  return `${value < before ? '−' : '+'}${text}`;
}

/** 98.3 % of the teacher's */
function keptOf({ score }: Stage, teacher: Stage | null): string | undefined {
  const [value, before] = [numberOf(score), numberOf(teacher?.score ?? null)];
  return value === null || before === null || before <= 0 ? undefined : `${percent(value / before, 1)} kept`;
}

function numberOf(score: Stage['score']): number | null {
  return score === null ? null : scoreOf(score).value;
}

function tiles(stage: Stage, teacher: Stage, isNamed: boolean): Html {
  const { name, problemType, score, cost, bytes } = stage;
  const tile = (name: string, value: string, note: Content): Html =>
    html`<div class="tile"><dt>${name}</dt><dd>${value}</dd><dd class="quiet">${note}</dd></div>`;
  const from = (before: string, change: string | undefined): string =>
    change === undefined ? `as the teacher` : `${change} from ${before}`;
  return html`${isNamed ? html`<h3 class="most">${name}, beside its teacher ${teacher.name}</h3>` : null}<dl class="tiles">
${
  score === null
    ? null
    : tile(
        capitalized(metricNameOf(problemType)),
        scoreValue(score),
        teacher.score === null ? '' : `the teacher has ${scoreValue(teacher.score)}`,
      )
}
${
  cost === null || teacher.cost === null
    ? null
    : [
        tile(
          'Parameters',
          grouped(cost.parameters),
          from(grouped(teacher.cost.parameters), changeOf(cost.parameters, teacher.cost.parameters)),
        ),
        tile(
          'MACs',
          formatMacs(cost.macs),
          from(formatMacs(teacher.cost.macs), changeOf(cost.macs, teacher.cost.macs)),
        ),
      ]
}
${
  bytes === null
    ? null
    : tile(
        'Bytes',
        formatBytes(bytes),
        teacher.bytes === null ? '' : from(formatBytes(teacher.bytes), changeOf(bytes, teacher.bytes)),
      )
}</dl>`;
}

/** The curves of runs over their steps. */
import { resolve } from 'node:path';
import { scoreOf } from '../../runtime/artifact/problem-type.ts';
import { grouped, percent } from '../io/units.ts';
import { scoreValue } from '../train/score.ts';
import { amount, type Chart, figure, type Rule } from './chart.ts';
import type { Curve, CurveName } from './curves.ts';
import { type Html, html } from './html.ts';
import type { Log, Subject } from './subject.ts';

/** A run that has curves, and the colour that it has in all of them. */
interface Run {
  readonly subject: Subject;
  readonly log: Log;
  readonly colour: number;
}

interface Drawing {
  readonly curve: CurveName;
  readonly title: string;
  readonly format?: (value: number) => string;
  readonly fromZero?: boolean;
}

const share = (value: number): string => percent(value, Number.isInteger(Math.round(1e6 * value) / 1e4) ? 0 : 2);

const DRAWINGS: readonly Drawing[] = [
  { curve: 'accuracy', title: 'Accuracy', format: share },
  { curve: 'microF1', title: 'Micro F1', format: share },
  { curve: 'pearson', title: "Pearson's correlation" },
  { curve: 'lambda', title: 'λ, what is left of the weights', fromZero: true },
  { curve: 'learningRate', title: 'Learning rate', fromZero: true },
  { curve: 'loss', title: 'Loss' },
  { curve: 'task', title: 'Task loss' },
  { curve: 'feature', title: 'Feature loss' },
  { curve: 'logit', title: 'Logit loss' },
  { curve: 'relation', title: 'Relation loss' },
  { curve: 'gradientNorm', title: 'Gradient norm, before clipping' },
];

/** The charts of all runs that logged something; null where none did. */
export function trainingSection(subjects: readonly Subject[]): Html | null {
  const runs = runsOf(subjects);
  if (runs.length === 0) return null;
  const charts = DRAWINGS.flatMap((drawing) => chartOf(drawing, runs) ?? []);
  const isStudent = runs.some(({ log }) => log.curves.has('lambda') && !isConstant(log.curves.get('lambda')!));
  return html`<section aria-labelledby="training"><h2 id="training">Training</h2>
${isStudent ? html`<p class="quiet">Scores are those of the adapters alone, as they would ship, whatever λ is.</p>` : null}
${runs.map(({ log }) => unreadable(log))}
<div class="charts">${charts.map(figure)}</div></section>`;
}

/** Each run once: a quantized one has the log of the run that it was made of. */
function runsOf(subjects: readonly Subject[]): Run[] {
  const runs: Run[] = [];
  for (const subject of subjects) {
    const { log } = subject;
    if (log === null || log.curves.size === 0) continue;
    if (runs.some((run) => resolve(run.log.folder) === resolve(log.folder))) continue;
    runs.push({ subject, log, colour: runs.length });
  }
  return runs;
}

function unreadable({ name, unreadable: lines }: Log): Html | null {
  if (lines === 0) return null;
  return html`<p class="quiet">${grouped(lines)} ${lines === 1 ? 'line' : 'lines'} of ${name}’s metrics.jsonl could not be read.</p>`;
}

function chartOf({ curve, title, format = amount, fromZero }: Drawing, runs: readonly Run[]): Chart | null {
  const drawn = runs.filter(({ log }) => log.curves.has(curve));
  // What is 0 or 1 throughout is no news: λ of a run without any, a loss that has no weight.
  const isFlat = curve === 'lambda' && drawn.every(({ log }) => isConstant(log.curves.get(curve)!));
  if (drawn.length === 0 || isFlat) return null;
  const isScore = ['accuracy', 'microF1', 'pearson'].includes(curve);
  return {
    title,
    x: { name: 'step', title: 'steps', format: grouped, ticks: grouped, extent: [1, ...runs.map(lastStep)] },
    hasLegend: runs.length > 1,
    y: { name: title, format, ticks: isScore && format === share ? share : undefined, fromZero },
    series: drawn.map(({ log, colour }) => {
      const { points, means } = log.curves.get(curve)!;
      return { name: log.name, colour, points, means, isMarked: isScore };
    }),
    marks: curve === 'learningRate' ? [] : distinct(drawn.flatMap(decayMark)),
    levels: isScore ? distinct(drawn.flatMap((run) => teacherLevel(run, curve))) : [],
  };
}

function lastStep({ log }: Run): number {
  return Math.max(...[...log.curves.values()].map(({ points }) => points[points.length - 1][0]));
}

function isConstant({ points }: Curve): boolean {
  return points.every(([, value]) => value === points[0][1]);
}

/** Where λ has come down to 0. */
function decayMark({ log, colour }: Run): Rule[] {
  const lambda = log.curves.get('lambda');
  if (lambda === undefined || lambda.points[0][1] === 0) return [];
  const end = lambda.points.find(([, value]) => value === 0);
  return end === undefined ? [] : [{ at: end[0], label: 'λ = 0', colour }];
}

function teacherLevel({ subject, colour }: Run, metric: CurveName): Rule[] {
  if (subject.compression === null) return [];
  const teacher = subject.accuracy.find(({ stage }) => stage === 'teacher');
  if (teacher === undefined || scoreOf(teacher).metric !== metric) return [];
  const { value } = scoreOf(teacher);
  return value === null ? [] : [{ at: value, label: `teacher ${scoreValue(teacher)}`, colour }];
}

/** Runs of one teacher have one line for it. */
function distinct(rules: readonly Rule[]): Rule[] {
  return rules.filter(({ at, label }, i) => rules.findIndex((other) => other.at === at && other.label === label) === i);
}

/** metrics.jsonl as curves: thinned while it is read, so that neither a long run nor the page takes much memory. */
import { createReadStream } from 'node:fs';
import { PROBLEMS } from '../../runtime/artifact/problem-type.ts';
import { splitLines } from '../data/text/lines.ts';
import { messageOf, UserError } from '../io/errors.ts';

/** The values of metrics.jsonl that are drawn. */
export const CURVES = [
  'loss',
  'task',
  'feature',
  'logit',
  'relation',
  'lambda',
  'learningRate',
  'gradientNorm',
  ...Object.values(PROBLEMS).map(({ metric }) => metric),
] as const;
/** The name of one of them, as it stands in metrics.jsonl. */
export type CurveName = (typeof CURVES)[number];

/** A step, counted from 1, and a value. */
export type Point = readonly [step: number, value: number];

/** One value over the steps. */
export interface Curve {
  /** At most `MOST_POINTS`: of each stretch of steps the first, the last, the least and the greatest. */
  readonly points: readonly Point[];
  /** The mean of each stretch, in its middle; of a curve that was not thinned, the points. */
  readonly means: readonly Point[];
  /** Steps that had a value. */
  readonly count: number;
}

/** What a run logged. */
export interface Curves {
  readonly curves: ReadonlyMap<CurveName, Curve>;
  /** Lines that say nothing that is known, as the last one of a run that was killed. */
  readonly unreadable: number;
}

/** As many points a curve has at most. */
export const MOST_POINTS = 500;
const PER_STRETCH = 4;
const STRETCHES = MOST_POINTS / PER_STRETCH;
/** A line of metrics.jsonl is some hundred bytes. */
const LONGEST_LINE = 65_536;

/** Reads the log of a run of so many steps. UserError where it can't be read. */
export async function readCurves(path: string, totalSteps: number): Promise<Curves> {
  const thinned = new Map<CurveName, Thinned>(CURVES.map((name) => [name, thinnedCurve(totalSteps)]));
  let unreadable = 0;
  try {
    for await (const { bytes } of splitLines(createReadStream(path), LONGEST_LINE)) {
      const line = bytes === null ? null : lineOf(bytes);
      if (line === null) unreadable++;
      else for (const [name, curve] of thinned) curve.add(line.step + 1, line[name]);
    }
  } catch (error) {
    throw new UserError(`can't read ${path}: ${messageOf(error)}`);
  }
  const curves = [...thinned].map(([name, curve]) => [name, curve.curve()] as const);
  return { curves: new Map(curves.filter(([, { count }]) => count > 0)), unreadable };
}

interface Line extends Readonly<Record<string, unknown>> {
  readonly step: number;
}

/** null where it is no line of a log. */
function lineOf(bytes: Uint8Array): Line | null {
  try {
    const line: unknown = JSON.parse(Buffer.from(bytes).toString());
    const step = typeof line === 'object' && line !== null ? (line as Line).step : null;
    return Number.isSafeInteger(step) && step! >= 0 ? (line as Line) : null;
  } catch {
    return null;
  }
}

interface Stretch {
  first: Point;
  last: Point;
  least: Point;
  greatest: Point;
  stepSum: number;
  sum: number;
  count: number;
}

/** Told of one value after another; keeps some. */
export interface Thinned {
  /** What is no finite number is passed over: a correlation that is not defined is null in the log. */
  add(step: number, value: unknown): void;
  curve(): Curve;
}

/** A curve over steps from 1 to `totalSteps`. The same values give the same points. */
export function thinnedCurve(totalSteps: number): Thinned {
  const isShort = totalSteps <= MOST_POINTS;
  const stretches = isShort ? MOST_POINTS : STRETCHES;
  const width = isShort ? 1 : totalSteps / STRETCHES;
  const kept: Stretch[] = new Array(stretches);
  return {
    add(step, value) {
      if (typeof value !== 'number' || !Number.isFinite(value)) return;
      const at = Math.min(stretches - 1, Math.floor((step - 1) / width));
      kept[at] = widened(kept[at], [step, value]);
    },
    curve() {
      const there = kept.filter(() => true);
      return {
        points: there.flatMap(pointsOf),
        means: there.map(({ stepSum, sum, count }): Point => [stepSum / count, sum / count]),
        count: there.reduce((total, { count }) => total + count, 0),
      };
    },
  };
}

function widened(stretch: Stretch | undefined, point: Point): Stretch {
  const [step, value] = point;
  if (stretch === undefined)
    return { first: point, last: point, least: point, greatest: point, stepSum: step, sum: value, count: 1 };
  stretch.last = point;
  if (value < stretch.least[1]) stretch.least = point;
  if (value > stretch.greatest[1]) stretch.greatest = point;
  stretch.stepSum += step;
  stretch.sum += value;
  stretch.count++;
  return stretch;
}

/** Each once: an evaluation tells λ of its step again. */
function pointsOf({ first, last, least, greatest }: Stretch): Point[] {
  const distinct = new Map([first, least, greatest, last].map((point) => [point.join(), point]));
  return [...distinct.values()].sort(([a], [b]) => a - b);
}

/**
 * Logistic regression with an L2 penalty, as scikit-learn has it: of two classes one score, of more one each.
 * Minimizes ½·Σ w² + C·Σ loss by L-BFGS (Nocedal & Wright, algorithm 7.4), which draws nothing: the same samples give the
 * same weights.
 */
import type { Sparse } from './tfidf.ts';

/** A linear classifier. */
export interface Logistic {
  /** The classes that it knows, ascending. */
  readonly classes: readonly number[];
  /** (scores, features): of two classes the one score is for the second. */
  readonly weights: readonly Float64Array[];
  readonly intercepts: Float64Array;
}

/** How it is fitted. */
export interface LogisticOptions {
  /** Weight of the loss beside the penalty. */
  readonly c?: number;
  /** Stops where no part of the gradient is larger, as a mean over the samples. */
  readonly tolerance?: number;
  readonly mostSteps?: number;
  /** Told of every step; may throw to stop. */
  readonly onStep?: () => void;
}

/** Of samples of at least two classes. */
export function fitLogistic(
  samples: readonly Sparse[],
  labels: readonly number[],
  features: number,
  { c = 1, tolerance = 1e-4, mostSteps = 200, onStep }: LogisticOptions = {},
): Logistic {
  const classes = [...new Set(labels)].sort((a, b) => a - b);
  const scores = classes.length === 2 ? 1 : classes.length;
  const targets = labels.map((label) => classes.indexOf(label));
  // Row by row (weights, intercept).
  const width = features + 1;
  const found = minimize(
    new Float64Array(scores * width),
    (x, gradient) => objective(x, gradient, { samples, targets, scores, width, c }),
    { tolerance, mostSteps, onStep },
  );
  const row = (k: number): Float64Array => found.subarray(k * width, (k + 1) * width);
  const rows = Array.from({ length: scores }, (_, k) => row(k));
  return {
    classes,
    weights: rows.map((values) => values.subarray(0, features)),
    intercepts: Float64Array.from(rows, (values) => values[features]),
  };
}

interface Problem {
  readonly samples: readonly Sparse[];
  readonly targets: readonly number[];
  readonly scores: number;
  readonly width: number;
  readonly c: number;
}

/** Writes the gradient and returns the value of what is minimized, both as a mean over the samples, as tolerances are. */
function objective(x: Float64Array, gradient: Float64Array, { samples, targets, scores, width, c }: Problem): number {
  const penalty = 1 / (c * samples.length);
  let total = 0;
  for (let i = 0; i < x.length; i++) {
    const isIntercept = (i + 1) % width === 0;
    gradient[i] = isIntercept ? 0 : penalty * x[i];
    if (!isIntercept) total += (penalty * x[i] * x[i]) / 2;
  }
  const z = new Float64Array(scores);
  for (let i = 0; i < samples.length; i++) {
    for (let k = 0; k < scores; k++) z[k] = linearScore(samples[i], x, k * width, x[(k + 1) * width - 1]);
    const { value, slopes } = scores === 1 ? binaryLoss(z[0], targets[i]) : softmaxLoss(z, targets[i]);
    total += value / samples.length;
    for (let k = 0; k < scores; k++) addSample(gradient, k * width, slopes[k] / samples.length, samples[i], width);
  }
  return total;
}

/** A sample's score by the weights that begin at `offset`. */
export function linearScore(
  { places, values }: Sparse,
  weights: Float64Array,
  offset: number,
  intercept: number,
): number {
  let sum = intercept;
  for (let j = 0; j < places.length; j++) sum += weights[offset + places[j]] * values[j];
  return sum;
}

function addSample(
  gradient: Float64Array,
  offset: number,
  slope: number,
  { places, values }: Sparse,
  width: number,
): void {
  for (let j = 0; j < places.length; j++) gradient[offset + places[j]] += slope * values[j];
  gradient[offset + width - 1] += slope;
}

interface Loss {
  readonly value: number;
  /** d value / d score */
  readonly slopes: readonly number[];
}

/** ln(1 + e^-z) for the second class, ln(1 + e^z) for the first. */
function binaryLoss(z: number, target: number): Loss {
  const signed = target === 1 ? z : -z;
  const value = signed > 0 ? Math.log1p(Math.exp(-signed)) : -signed + Math.log1p(Math.exp(signed));
  return { value, slopes: [1 / (1 + Math.exp(-z)) - target] };
}

function softmaxLoss(z: Float64Array, target: number): Loss {
  const most = Math.max(...z);
  const powers = Array.from(z, (value) => Math.exp(value - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return {
    value: Math.log(sum) + most - z[target],
    slopes: powers.map((power, k) => power / sum - (k === target ? 1 : 0)),
  };
}

/** Pairs of steps that are remembered, as in SciPy. */
const MEMORY = 10;
/** A step has to bring this share of what the slope promises (Armijo), and leave at most that of the slope (Wolfe). */
const ENOUGH = 1e-4;
const FLATTER = 0.9;
const MOST_TRIES = 40;

type Gradient = (x: Float64Array, gradient: Float64Array) => number;

/** L-BFGS from x on; returns where it stopped. */
function minimize(
  start: Float64Array,
  f: Gradient,
  { tolerance, mostSteps, onStep }: { tolerance: number; mostSteps: number; onStep?: () => void },
): Float64Array {
  let x = start;
  let gradient: Float64Array = new Float64Array(x.length);
  let value = f(x, gradient);
  const pairs: { readonly step: Float64Array; readonly change: Float64Array; readonly rho: number }[] = [];
  for (let n = 0; n < mostSteps && largest(gradient) > tolerance; n++) {
    onStep?.();
    const direction = descent(gradient, pairs);
    const next = search(x, value, gradient, direction, f, n === 0 ? 1 / norm(gradient) : 1);
    if (next === null) break; // rounding leaves nothing to gain
    const step = sumOf(next.x, -1, x);
    const change = sumOf(next.gradient, -1, gradient);
    const curvature = dot(step, change);
    if (curvature > 0) pairs.push({ step, change, rho: 1 / curvature });
    if (pairs.length > MEMORY) pairs.shift();
    ({ x, value, gradient } = next);
  }
  return x;
}

/** -H·gradient by the two-loop recursion. */
function descent(
  gradient: Float64Array,
  pairs: readonly { readonly step: Float64Array; readonly change: Float64Array; readonly rho: number }[],
): Float64Array {
  const q = sumOf(new Float64Array(gradient.length), -1, gradient);
  const alphas = pairs.map(() => 0);
  for (let i = pairs.length - 1; i >= 0; i--) {
    alphas[i] = pairs[i].rho * dot(pairs[i].step, q);
    addTo(q, -alphas[i], pairs[i].change);
  }
  const last = pairs.at(-1);
  if (last) addTo(q, 1 / (last.rho * dot(last.change, last.change)) - 1, q);
  pairs.forEach(({ step, change, rho }, i) => addTo(q, alphas[i] - rho * dot(change, q), step));
  return q;
}

/** A step along the direction that satisfies Wolfe's conditions, by doubling and halving; null where there is none. */
function search(
  x: Float64Array,
  value: number,
  gradient: Float64Array,
  direction: Float64Array,
  f: Gradient,
  first: number,
): { readonly x: Float64Array; readonly value: number; readonly gradient: Float64Array } | null {
  const slope = dot(gradient, direction);
  let [least, most, size] = [0, Infinity, first];
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const moved = sumOf(x, size, direction);
    const there = new Float64Array(x.length);
    const reached = f(moved, there);
    if (reached > value + ENOUGH * size * slope) most = size;
    else if (dot(there, direction) < FLATTER * slope) least = size;
    else return { x: moved, value: reached, gradient: there };
    size = most === Infinity ? 2 * least : (least + most) / 2;
  }
  return null;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function largest(a: Float64Array): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]));
  return most;
}

/** a + factor·b */
function sumOf(a: Float64Array, factor: number, b: Float64Array): Float64Array {
  const sum = a.slice();
  addTo(sum, factor, b);
  return sum;
}

function norm(a: Float64Array): number {
  return Math.sqrt(dot(a, a));
}

function addTo(to: Float64Array, factor: number, values: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i] += factor * values[i];
}

/** The ten digits as strokes in a box 6 wide and 10 high, y down. */

/** x and y in that box. */
export type Point = readonly [x: number, y: number];

/** One movement of the pen. */
export interface Stroke {
  /**
   * `line`: corners. `curve`: a quadratic B-spline that starts and ends in its outer points and passes between the
   * others.
   */
  readonly kind: 'line' | 'curve';
  readonly points: readonly Point[];
}

/** Of the box that all strokes lie in, in units of its own. */
export const boxWidth = 6;
/** Of the same box, in the same units. */
export const boxHeight = 10;

const line = (...points: Point[]): Stroke => ({ kind: 'line', points });
const curve = (...points: Point[]): Stroke => ({ kind: 'curve', points });

const six: readonly Stroke[] = [
  curve([5, 0.3], [0.4, 2], [0.1, 6.6]),
  curve([0.1, 6.6], [0.1, 10], [6, 10], [6, 3.8], [0.1, 3.8], [0.1, 6.6]),
];

/** The strokes of each digit, 0 to 9. */
export const digits: readonly (readonly Stroke[])[] = [
  [curve([3, 0], [6, 0], [6, 10], [0, 10], [0, 0], [3, 0])],
  [line([1, 2.2], [3.4, 0], [3.4, 10])],
  [curve([0.2, 2.8], [0.2, 0], [6, 0], [6, 4.5], [0, 10]), line([0, 10], [6, 10])],
  [
    curve([0.3, 1.6], [1, 0], [5.6, 0], [5.6, 4.7], [2.4, 4.7]),
    curve([2.4, 4.7], [6.3, 4.7], [6.3, 10], [0.9, 10], [0, 8.2]),
  ],
  [line([4.3, 10], [4.3, 0], [0, 6.8], [6, 6.8])],
  [line([5.4, 0], [0.9, 0], [0.6, 4.5]), curve([0.6, 4.5], [2, 3.6], [6.4, 3.4], [6.4, 10], [0.9, 10], [0, 8.6])],
  six,
  [line([0, 0], [6, 0], [2.2, 10])],
  [
    curve([3, 4.6], [0.2, 4.6], [0.4, 0], [5.6, 0], [5.8, 4.6], [3, 4.6]),
    curve([3, 4.6], [-0.3, 4.6], [-0.3, 10], [6.3, 10], [6.3, 4.6], [3, 4.6]),
  ],
  six.map(({ kind, points }) => ({ kind, points: points.map(([x, y]): Point => [boxWidth - x, boxHeight - y]) })),
];

/** Straight pieces a quarter of a curve is drawn with: more could not be told apart at 32 pixels. */
const piecesPerArc = 4;

/** A stroke as the corners of a polyline. */
export function flattened({ kind, points }: Stroke): readonly Point[] {
  if (kind === 'line' || points.length < 3) return points;
  const corners: Point[] = [points[0]];
  let from = points[0];
  for (let i = 1; i < points.length - 1; i++) {
    const control = points[i];
    const to = i === points.length - 2 ? points[i + 1] : midpoint(control, points[i + 1]);
    for (let piece = 1; piece <= piecesPerArc; piece++) corners.push(bezier(from, control, to, piece / piecesPerArc));
    from = to;
  }
  return corners;
}

function midpoint(a: Point, b: Point): Point {
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}

function bezier(from: Point, control: Point, to: Point, t: number): Point {
  const a = (1 - t) * (1 - t);
  const b = 2 * t * (1 - t);
  const c = t * t;
  return [a * from[0] + b * control[0] + c * to[0], a * from[1] + b * control[1] + c * to[1]];
}

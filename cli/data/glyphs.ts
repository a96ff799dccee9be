/**
 * A data set that needs no download: digits drawn as strokes, turned, sheared, in any colours, with clutter and noise.
 * The arithmetic is +, -, ·, /, square root and integer draws only, so that every machine draws the same bytes.
 */

import type { Random } from '../../runtime/random.ts';
import { random } from '../../runtime/random.ts';
import { usageError } from '../io/errors.ts';
import type { Point } from './glyph-shapes.ts';
import { boxHeight, boxWidth, digits, flattened } from './glyph-shapes.ts';
import type { PictureDataset, Split } from './split.ts';
import { decodedSplit, sharedBytes } from './split.ts';

const side = 32;
const area = side * side;
const defaultTrainSize = 6000;
const testSize = 1000;

/** Streams of the seeded random source: sample i of a split is the same picture whatever the split's size. */
const streams = { train: 0x91f1, test: 0x7e57 } as const;

/** The data set named by `glyphs` (6,000 training pictures) or `glyphs:N`; null where `name` is something else. */
export function openGlyphs(name: string): PictureDataset | null {
  const match = /^glyphs(?::(.*))?$/.exec(name);
  if (match === null) return null;
  const size = match[1] === undefined ? defaultTrainSize : Number(match[1] || NaN);
  if (!Number.isInteger(size) || size < 10 || size > 1_000_000) {
    throw usageError(
      `"${name}": the number of glyphs must be a whole number from 10 to 1000000`,
      'For example: --data glyphs:6000',
    );
  }
  return {
    kind: 'image',
    problemType: 'single_label_classification',
    name,
    labels: digits.map((_, digit) => String(digit)),
    train: drawSplit(streams.train, size),
    test: drawSplit(streams.test, testSize),
    skipped: 0,
    contents: null,
    notices: [],
  };
}

function drawSplit(stream: number, size: number): Split {
  const labels = Uint8Array.from({ length: size }, (_, i) => i % digits.length);
  const pixels = sharedBytes(size * area * 3);
  for (let i = 0; i < size; i++)
    drawGlyph(labels[i], random(stream, i), pixels.subarray(i * area * 3, (i + 1) * area * 3));
  return decodedSplit(pixels, labels, { height: side, width: side });
}

/** Draws one picture of `digit` into `pixels`, (32, 32, 3). */
export function drawGlyph(digit: number, source: Random, pixels: Uint8Array): void {
  const ground = randomColour(source, 0, 150);
  const ink = brighterColour(ground, source);
  const canvas = shadedGround(ground, source);
  for (let count = source.below(4); count > 0; count--) drawClutter(canvas, source);
  const toCanvas = randomPlacement(source);
  const strokes = digits[digit].map((stroke) =>
    flattened({ ...stroke, points: stroke.points.map((point) => jittered(point, source)) }),
  );
  paint(
    canvas,
    strokes.map((corners) => corners.map(toCanvas)),
    between(source, 0.8, 1.8),
    ink,
    1,
  );
  addNoise(canvas, between(source, 5, 42), source, pixels);
}

type Colour = readonly [number, number, number];

function between(source: Random, low: number, high: number): number {
  return low + (high - low) * source.uniform();
}

function randomColour(source: Random, low: number, high: number): Colour {
  return [between(source, low, high), between(source, low, high), between(source, low, high)];
}

/** Rec. 601 luma. */
function luma([red, green, blue]: Colour): number {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

/**
 * Ink is always the brighter: a network this small, trained for a minute, would spend it on learning to see both ways.
 */
function brighterColour(ground: Colour, source: Random): Colour {
  for (;;) {
    const colour = randomColour(source, 60, 256);
    if (luma(colour) - luma(ground) > 55) return colour;
  }
}

/** (32, 32, 3): one colour, a little brighter towards one side. */
function shadedGround(colour: Colour, source: Random): Float32Array {
  const canvas = new Float32Array(area * 3);
  const slopeX = between(source, -1, 1);
  const slopeY = between(source, -1, 1);
  for (let y = 0, at = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const shade = slopeX * (x - side / 2) + slopeY * (y - side / 2);
      for (let channel = 0; channel < 3; channel++) canvas[at++] = colour[channel] + shade;
    }
  }
  return canvas;
}

function jittered([x, y]: Point, source: Random): Point {
  return [x + between(source, -0.7, 0.7), y + between(source, -0.7, 0.7)];
}

/** Pixels that the digit's middle may be off the canvas's. */
const maxShift = 2.5;

/** From the digit's box to the canvas: turned by up to 18°, sheared, stretched, shifted. */
function randomPlacement(source: Random): (point: Point) => Point {
  const scaleY = between(source, 1.6, 2.5);
  const scaleX = scaleY * between(source, 0.85, 1.25);
  const shear = between(source, -0.25, 0.25);
  // Half the angle's tangent gives sine and cosine without calling either.
  const t = between(source, -0.16, 0.16);
  const cosine = (1 - t * t) / (1 + t * t);
  const sine = (2 * t) / (1 + t * t);
  const centreX = side / 2 + between(source, -maxShift, maxShift);
  const centreY = side / 2 + between(source, -maxShift, maxShift);
  return ([boxX, boxY]) => {
    const y = (boxY - boxHeight / 2) * scaleY;
    const x = (boxX - boxWidth / 2) * scaleX + shear * y;
    return [centreX + cosine * x - sine * y, centreY + sine * x + cosine * y];
  };
}

/** A stray stroke, fainter than the digit. */
function drawClutter(canvas: Float32Array, source: Random): void {
  const start: Point = [source.below(side), source.below(side)];
  const end: Point = [start[0] + between(source, -12, 12), start[1] + between(source, -12, 12)];
  paint(canvas, [[start, end]], between(source, 0.4, 1.2), randomColour(source, 0, 256), between(source, 0.3, 0.8));
}

/** Draws polylines with round ends; `radius` in pixels, edges blended over one pixel. */
function paint(
  canvas: Float32Array,
  polylines: readonly (readonly Point[])[],
  radius: number,
  ink: Colour,
  opacity: number,
): void {
  const squaredDistance = new Float64Array(area).fill(Infinity);
  for (const corners of polylines) {
    for (let i = 1; i < corners.length; i++) measureSegment(squaredDistance, corners[i - 1], corners[i], radius + 1);
  }
  for (let i = 0; i < area; i++) {
    if (squaredDistance[i] === Infinity) continue;
    const coverage = opacity * Math.min(1, Math.max(0, radius + 0.5 - Math.sqrt(squaredDistance[i])));
    for (let channel = 0; channel < 3; channel++)
      canvas[i * 3 + channel] += coverage * (ink[channel] - canvas[i * 3 + channel]);
  }
}

/** Lowers each pixel's squared distance to that of the segment a-b, within `reach`. */
function measureSegment(squaredDistance: Float64Array, [ax, ay]: Point, [bx, by]: Point, reach: number): void {
  const dx = bx - ax;
  const dy = by - ay;
  const squaredLength = dx * dx + dy * dy;
  const lastX = Math.min(side - 1, Math.ceil(Math.max(ax, bx) + reach));
  const lastY = Math.min(side - 1, Math.ceil(Math.max(ay, by) + reach));
  for (let y = Math.max(0, Math.floor(Math.min(ay, by) - reach)); y <= lastY; y++) {
    for (let x = Math.max(0, Math.floor(Math.min(ax, bx) - reach)); x <= lastX; x++) {
      const along = squaredLength === 0 ? 0 : ((x - ax) * dx + (y - ay) * dy) / squaredLength;
      const t = along < 0 ? 0 : along > 1 ? 1 : along;
      const ex = x - ax - t * dx;
      const ey = y - ay - t * dy;
      squaredDistance[y * side + x] = Math.min(squaredDistance[y * side + x], ex * ex + ey * ey);
    }
  }
}

function addNoise(canvas: Float32Array, amplitude: number, source: Random, pixels: Uint8Array): void {
  for (let i = 0; i < pixels.length; i++) {
    const value = Math.floor(canvas[i] + amplitude * (2 * source.uniform() - 1) + 0.5);
    pixels[i] = value < 0 ? 0 : value > 255 ? 255 : value;
  }
}

/**
 * Resizing as Pillow does it, byte for byte: separable, the filter widened when shrinking (antialiasing), 8 bits
 * between the two passes, weights in fixed point. Networks are trained on Pillow's pixels, so another resize would cost
 * accuracy. Source: Pillow up to 12, src/libImaging/Resample.c and Geometry.c (nearest). Pillow 13 takes the vertical
 * pass first where that is less work, which rounds some values of such pictures otherwise.
 */

import type { Picture, Size } from './picture.ts';
import { blankPicture } from './picture.ts';
import type { Resample } from './spec.ts';

interface Filter {
  /** Half the filter's width in source pixels, when not shrinking. */
  readonly support: number;
  readonly weight: (x: number) => number;
}

const filters: Readonly<Record<Exclude<Resample, 'nearest'>, Filter>> = {
  bilinear: { support: 1, weight: triangle },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: lanczos },
  box: { support: 0.5, weight: box },
  hamming: { support: 1, weight: hamming },
};

/** Weights are integers in units of 2^-22: 8 bits of pixel and 2 bits of headroom fill 32. */
const precisionBits = 32 - 8 - 2;

/** The picture in another size; the same object where the size is already right. */
export function resizePicture(picture: Picture, size: Size, resample: Resample): Picture {
  if (picture.width === size.width && picture.height === size.height) return picture;
  const tapsOf = (source: number, target: number): Taps =>
    resample === 'nearest' ? nearestTaps(source, target) : filterTaps(source, target, filters[resample]);
  const narrowed =
    picture.width === size.width
      ? picture
      : resizeAxis(picture, { height: picture.height, width: size.width }, tapsOf(picture.width, size.width), 'x');
  return picture.height === size.height
    ? narrowed
    : resizeAxis(narrowed, size, tapsOf(picture.height, size.height), 'y');
}

interface Taps {
  /** Weights a target pixel, at most: row length of `weights`. */
  readonly stride: number;
  /** First source pixel of each target pixel. */
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
}

function filterTaps(sourceLength: number, targetLength: number, { support, weight }: Filter): Taps {
  const scale = sourceLength / targetLength;
  const filterScale = Math.max(scale, 1);
  const radius = support * filterScale;
  const stride = Math.ceil(radius) * 2 + 1;
  const taps = blankTaps(targetLength, stride);
  const exact = new Float64Array(stride);
  for (let target = 0; target < targetLength; target++) {
    const center = (target + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - radius + 0.5));
    const count = Math.min(sourceLength, Math.trunc(center + radius + 0.5)) - first;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      // Divided as a product with the reciprocal, as Pillow does: the last bit can decide a rounding.
      exact[i] = weight((i + first - center + 0.5) * (1 / filterScale));
      sum += exact[i];
    }
    for (let i = 0; i < count; i++)
      taps.weights[target * stride + i] = toFixedPoint(sum === 0 ? exact[i] : exact[i] / sum);
    taps.first[target] = first;
    taps.count[target] = count;
  }
  return taps;
}

function blankTaps(length: number, stride: number): Taps {
  return {
    stride,
    first: new Int32Array(length),
    count: new Int32Array(length),
    weights: new Int32Array(length * stride),
  };
}

/** One source pixel for each target pixel, with all the weight. */
function nearestTaps(sourceLength: number, targetLength: number): Taps {
  const scale = sourceLength / targetLength;
  const taps = blankTaps(targetLength, 1);
  taps.count.fill(1);
  taps.weights.fill(toFixedPoint(1));
  // Summed rather than multiplied, as Pillow does: halfway points round the same way.
  for (let target = 0, at = scale * 0.5; target < targetLength; target++, at += scale) {
    taps.first[target] = Math.min(sourceLength - 1, Math.trunc(at));
  }
  return taps;
}

function toFixedPoint(weight: number): number {
  return Math.trunc(weight * (1 << precisionBits) + (weight < 0 ? -0.5 : 0.5));
}

/** Resizes one axis; the other has its size already. Three sums in registers, or it takes three times as long. */
function resizeAxis(
  { width, data }: Picture,
  size: Size,
  { stride, first, count, weights }: Taps,
  axis: 'x' | 'y',
): Picture {
  const resized = blankPicture(size);
  const step = axis === 'x' ? 3 : 3 * width;
  let out = 0;
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const target = axis === 'x' ? x : y;
      let at = 3 * (axis === 'x' ? y * width + first[x] : first[y] * width + x);
      const end = target * stride + count[target];
      let red = 1 << (precisionBits - 1);
      let green = red;
      let blue = red;
      for (let tap = target * stride; tap < end; tap++, at += step) {
        const weight = weights[tap];
        red = (red + Math.imul(data[at], weight)) | 0;
        green = (green + Math.imul(data[at + 1], weight)) | 0;
        blue = (blue + Math.imul(data[at + 2], weight)) | 0;
      }
      resized.data[out++] = clipToByte(red);
      resized.data[out++] = clipToByte(green);
      resized.data[out++] = clipToByte(blue);
    }
  }
  return resized;
}

function clipToByte(sum: number): number {
  const value = sum >> precisionBits;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function triangle(x: number): number {
  return Math.max(0, 1 - Math.abs(x));
}

/** Keys' cubic with a = -1/2. */
function cubic(x: number): number {
  const a = -0.5;
  const distance = Math.abs(x);
  if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  if (distance < 2) return (((distance - 5) * distance + 8) * distance - 4) * a;
  return 0;
}

function lanczos(x: number): number {
  return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

function box(x: number): number {
  return x > -0.5 && x <= 0.5 ? 1 : 0;
}

function hamming(x: number): number {
  const distance = Math.abs(x);
  if (distance === 0) return 1;
  return distance < 1 ? sinc(distance) * (0.54 + 0.46 * Math.cos(distance * Math.PI)) : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

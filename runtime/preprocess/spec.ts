/** How a picture becomes the network's input. Plain JSON: it travels in run directories and artifacts. */
import {
  failing,
  list,
  number,
  oneOf,
  type Parsed,
  type Read,
  record,
  tagged,
  valueThat,
  wholeFrom,
} from '../artifact/schema.ts';
import { PreprocessError } from './error.ts';
import type { Size } from './picture.ts';

/** A reader of lengths in pixels that a network or a resize may have. */
export const side = wholeFrom(1, 8192);
/** A reader of finite numbers above 0. */
export const positive = valueThat<number>('a finite number above 0', (json) => Number.isFinite(json) && json > 0);

/** Red, green, blue. */
export function triple(read: Read<number>): Read<readonly [number, number, number]> {
  return list(read, 3, 3) as Read<readonly [number, number, number]>;
}

const sides = { height: side, width: side };
/** A reader of a height and a width in pixels. */
export const readSize: Read<Size> = record(sides);

/** How a picture gets near the network's size; a centre crop to `size` follows. */
const resize = tagged('mode', {
  /** Not at all. */
  none: {},
  /** To this size, whatever the aspect ratio. */
  exact: sides,
  /** The shorter edge to this length, keeping the aspect ratio. */
  'shortest-edge': { edge: side },
});

const resample = oneOf('nearest', 'bilinear', 'bicubic', 'lanczos');

const imagePreprocess = record({
  /** What the network sees. */
  size: readSize,
  resize,
  resample,
  /** value = (byte · rescaleFactor - mean[channel]) / std[channel] */
  rescaleFactor: positive,
  mean: triple(number),
  std: triple(positive),
});

/** Told apart by `mode`. */
export type Resize = Parsed<typeof resize>;
/** The filter that a resize computes with, by Pillow's name. */
export type Resample = Parsed<typeof resample>;
/** Fit to `size`, then normalize. What it names is what Hugging Face's image processors do. */
export type ImagePreprocess = Parsed<typeof imagePreprocess>;

/** A reader that throws PreprocessError `bad-spec`. */
export function ofSpec<T>(read: Read<T>): Read<T> {
  return failing((message) => new PreprocessError('bad-spec', message), read);
}

/**
 * Checks JSON that came from outside (an artifact, a run directory). Throws PreprocessError `bad-spec`, naming the
 * field.
 */
export function readImagePreprocess(json: unknown): ImagePreprocess {
  return ofSpec(imagePreprocess)('preprocessing', json);
}

/** The preprocessing of a network trained from scratch: resized to `size`, values from -1 to 1. */
export function defaultImagePreprocess(size: Size): ImagePreprocess {
  return {
    size: { ...size },
    resize: { mode: 'exact', ...size },
    resample: 'bilinear',
    rescaleFactor: 1 / 255,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };
}

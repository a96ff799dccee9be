/** How a picture becomes the network's input. Plain JSON: it travels in run directories and artifacts. */
import {
  failing,
  list,
  mismatch,
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

/** A value for each channel that the network takes: red, green and blue, or grey alone. */
function perChannel(read: Read<number>): Read<readonly number[]> {
  const values = list(read);
  return (where, json) => {
    const given = values(where, json);
    if (given.length !== 1 && given.length !== 3) throw mismatch(where, 'a list of 3, or of 1 for grey', json);
    return given;
  };
}

const sides = { height: side, width: side };
/** A reader of a height and a width in pixels. */
export const readSize: Read<Size> = record(sides);

/** How a picture gets near the network's size; a centre crop to `size` follows. */
const resize = tagged('mode', {
  /** Not at all. */
  none: {},
  /** Not at all, nor cropped: a picture of another size is refused. */
  given: {},
  /** To this size, whatever the aspect ratio. */
  exact: sides,
  /** The shorter edge to this length, keeping the aspect ratio. */
  'shortest-edge': { edge: side },
  /** The same, where the crop's odd pixel goes to the even side, as torchvision rounds. */
  'shortest-edge-rounded': { edge: side },
  /** The shorter edge to one length, but the longer one to no more than the other. */
  edges: { shortest: side, longest: side },
});

const resample = oneOf('nearest', 'bilinear', 'bicubic', 'lanczos', 'box', 'hamming');

const imagePreprocess = record({
  /** What the network sees. */
  size: readSize,
  resize,
  resample,
  /** value = (byte · rescaleFactor - mean[channel]) / std[channel] */
  rescaleFactor: positive,
  mean: perChannel(number),
  std: perChannel(positive),
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
  return ofSpec((where, given) => {
    const spec = imagePreprocess(where, given);
    if (spec.mean.length !== spec.std.length)
      throw mismatch(`${where}.std`, `as many values as mean has, ${spec.mean.length}`, spec.std);
    return spec;
  })('preprocessing', json);
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

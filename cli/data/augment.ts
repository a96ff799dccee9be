/** Random changes to training pictures, on bytes, before normalisation. */

import { fitPicture, inChannels } from '../../runtime/preprocess/fit.ts';
import type { Picture } from '../../runtime/preprocess/picture.ts';
import { blankPicture, cropPicture } from '../../runtime/preprocess/picture.ts';
import { resizePicture } from '../../runtime/preprocess/resize.ts';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import type { Random } from '../../runtime/random.ts';
import { usageError } from '../io/errors.ts';

/** What may happen to a picture; null or false: never. Plain data: posted to workers. */
export interface Augment {
  /** Mirrors left and right, half of the time. */
  readonly flip: boolean;
  /** Moves by up to this many pixels each way; what leaves on one side comes back on the other. */
  readonly shift: number | null;
  /** Moves by up to this many pixels each way; what comes in is black. The usual "random crop with padding". */
  readonly pad: number | null;
  /** Cuts out a window of between this share and all of the area, at 3:4 to 4:3, and resizes it. */
  readonly crop: number | null;
}

/** Pictures as they are. */
export const noAugment: Augment = { flip: false, shift: null, pad: null, crop: null };

const supported = 'Supported, separated by commas: flip, shift:PIXELS, pad:PIXELS, crop:MIN_AREA (0 to 1); or none.';

/**
 * Reads a flag such as `flip,shift:3`, `flip,crop:0.6` or `none`. Throws a usage error that lists what is supported.
 */
export function parseAugment(text: string): Augment {
  if (text.trim() === 'none') return noAugment;
  return Object.assign({}, noAugment, ...text.split(',').map((item) => parseItem(item.trim())));
}

function parseItem(item: string): Partial<Augment> {
  const [name, value] = item.split(':', 2);
  switch (name) {
    case 'flip':
      if (value !== undefined) throw usageError(`augmentation flip takes no value, got "${item}"`, supported);
      return { flip: true };
    case 'shift':
      return { shift: parsePixels(item, value) };
    case 'pad':
      return { pad: parsePixels(item, value) };
    case 'crop':
      return { crop: parseShare(item, value) };
    default:
      throw usageError(`unknown augmentation "${item}"`, supported);
  }
}

function parsePixels(item: string, value: string | undefined): number {
  const pixels = Number(value || NaN);
  if (Number.isInteger(pixels) && pixels > 0) return pixels;
  throw usageError(`augmentation "${item}" needs a whole number of pixels above 0`, supported);
}

function parseShare(item: string, value: string | undefined): number {
  const share = Number(value || NaN);
  if (share > 0 && share <= 1) return share;
  throw usageError(`augmentation "${item}" needs a share of the area above 0 and at most 1`, supported);
}

/** The picture in the network's size, changed at random. `source` decides: the same source gives the same picture. */
export function augmentPicture(picture: Picture, augment: Augment, spec: ImagePreprocess, source: Random): Picture {
  return changePicture(framePicture(picture, augment, spec, source), augment, source);
}

/** The first half of `augmentPicture`: the picture, or a window of it chosen at random, in the network's size. */
export function framePicture(picture: Picture, { crop }: Augment, spec: ImagePreprocess, source: Random): Picture {
  return crop === null
    ? fitPicture(picture, spec)
    : resizePicture(randomWindow(inChannels(picture, spec), crop, source), spec.size, spec.resample);
}

/** The second half of `augmentPicture`: what happens to a picture that has the network's size already. */
export function changePicture(picture: Picture, { pad, shift, flip }: Augment, source: Random): Picture {
  let changed = picture;
  if (pad !== null) changed = cropPicture(changed, offset(pad, source), offset(pad, source), changed);
  if (shift !== null) changed = rolled(changed, offset(shift, source), offset(shift, source));
  return flip && source.uniform() < 0.5 ? mirrored(changed) : changed;
}

function offset(limit: number, source: Random): number {
  return source.below(2 * limit + 1) - limit;
}

/** torchvision's RandomResizedCrop: ten tries for a window that fits, else the whole picture. */
function randomWindow(picture: Picture, minArea: number, source: Random): Picture {
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = picture.width * picture.height * (minArea + (1 - minArea) * source.uniform());
    const aspect = Math.exp(Math.log(4 / 3) * (2 * source.uniform() - 1));
    const width = Math.round(Math.sqrt(area * aspect));
    const height = Math.round(Math.sqrt(area / aspect));
    if (width < 1 || height < 1 || width > picture.width || height > picture.height) continue;
    const left = source.below(picture.width - width + 1);
    return cropPicture(picture, left, source.below(picture.height - height + 1), { width, height });
  }
  return picture;
}

function mirrored(picture: Picture): Picture {
  const { width, height, data } = picture;
  const result = blankPicture(picture);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + width - 1 - x) * 3;
      const to = (y * width + x) * 3;
      result.data[to] = data[from];
      result.data[to + 1] = data[from + 1];
      result.data[to + 2] = data[from + 2];
    }
  }
  return result;
}

/** Moved right by `dx` and down by `dy`, around the edges. */
function rolled(picture: Picture, dx: number, dy: number): Picture {
  const { width, height, data } = picture;
  const result = blankPicture(picture);
  const split = (((-dx % width) + width) % width) * 3;
  for (let y = 0; y < height; y++) {
    const from = ((((y - dy) % height) + height) % height) * width * 3;
    const row = result.data.subarray(y * width * 3, (y + 1) * width * 3);
    row.set(data.subarray(from + split, from + width * 3));
    row.set(data.subarray(from, from + split), width * 3 - split);
  }
  return result;
}

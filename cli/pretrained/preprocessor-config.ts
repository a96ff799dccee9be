/** Hugging Face's preprocessor_config.json, read and written. */

import { isObject, list, mismatch, number, object } from '../../runtime/artifact/schema.ts';
import type { Size } from '../../runtime/preprocess/picture.ts';
import {
  type ImagePreprocess,
  ofSpec,
  positive,
  type Resample,
  type Resize,
  readSize,
  side,
} from '../../runtime/preprocess/spec.ts';
import { type ImageProcessor, imageProcessor } from './image-processors.ts';

type Json = Readonly<Record<string, unknown>>;

/** PIL.Image.Resampling, which Hugging Face writes as an integer: the place in this list. */
const RESAMPLES: readonly Resample[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];

/** Whose file it is: what it leaves out is told by its type, or by the model's where it names none. */
export interface ProcessorOf {
  /** The file's name in errors. */
  readonly path?: string;
  /** The image processor of the model's family. */
  readonly usual?: string;
  /** How many the model takes. */
  readonly channels?: number;
}

/**
 * Reads a Hugging Face `preprocessor_config.json`: resize, centre crop, rescale, normalise. What it leaves out is what
 * transformers' image processor of its type takes. Throws PreprocessError `bad-spec`.
 */
export function imagePreprocessFromHuggingFace(
  json: unknown,
  { path = 'preprocessor_config.json', usual = 'ViTImageProcessor', channels = 3 }: ProcessorOf = {},
): ImagePreprocess {
  return ofSpec((where, given) => readConfig(where, given, usual, channels))(path, json);
}

function readConfig(where: string, json: unknown, usual: string, channels: number): ImagePreprocess {
  const given = object(where, json);
  const at = (field: string): string => `${where}: ${field}`;
  const processor = imageProcessor(where, given, usual);
  // A null is no default, as in transformers: a step that is null is not done, a value that a step needs is missed.
  const config: Json = { ...processor.defaults, ...given };
  const resize = readResize(config, processor, at);
  return {
    size: readNetworkSize(config, resize, processor, at),
    resize,
    resample: resize.mode === 'none' || resize.mode === 'given' ? 'bilinear' : readResample(config.resample, at),
    ...readValues(config, processor, channels, at),
  };
}

type At = (field: string) => string;

function readResize(config: Json, processor: ImageProcessor, at: At): Resize {
  if (!flag(config, 'do_resize', at)) return { mode: flag(config, 'do_center_crop', at) ? 'none' : 'given' };
  const squares = config.default_to_square == null ? processor.squares : flag(config, 'default_to_square', at);
  if (typeof config.size === 'number') {
    const edge = side(at('size'), config.size);
    return resized(squares ? { height: edge, width: edge } : { shortest_edge: edge }, config, processor, at);
  }
  if (Array.isArray(config.size)) {
    const [height, width] = list(side, 2, 2)(at('size'), config.size);
    return resized({ height, width }, config, processor, at);
  }
  return resized(object(at('size'), config.size), config, processor, at);
}

function resized(size: Json, config: Json, { byCropShare }: ImageProcessor, at: At): Resize {
  const { shortest_edge: shortest, longest_edge: longest, max_height: maxHeight, max_width: maxWidth } = size;
  if (byCropShare) {
    const edge = side(at('size.shortest_edge'), shortest);
    // As ConvNextImageProcessor: from 384 on pictures are squeezed, below it more than the square is kept and cropped.
    if (edge >= 384) return { mode: 'exact', height: edge, width: edge };
    const share = positive(at('crop_pct'), config.crop_pct);
    return { mode: 'shortest-edge', edge: side(at('size.shortest_edge by crop_pct'), Math.floor(edge / share)) };
  }
  if (shortest !== undefined && longest !== undefined)
    return {
      mode: 'edges',
      shortest: side(at('size.shortest_edge'), shortest),
      longest: side(at('size.longest_edge'), longest),
    };
  if (shortest !== undefined) return { mode: 'shortest-edge', edge: side(at('size.shortest_edge'), shortest) };
  if (longest !== undefined || maxHeight !== undefined || maxWidth !== undefined)
    throw mismatch(at('size'), 'height and width, or shortest_edge (pictures then have sizes of their own)', size);
  return { mode: 'exact', ...sizeOf(at('size'), size) };
}

function readNetworkSize(config: Json, resize: Resize, { byCropShare }: ImageProcessor, at: At): Size {
  if (byCropShare && resize.mode !== 'none' && resize.mode !== 'given') {
    const edge = side(
      at('size.shortest_edge'),
      typeof config.size === 'number' ? config.size : (config.size as Json).shortest_edge,
    );
    return { height: edge, width: edge };
  }
  if (flag(config, 'do_center_crop', at)) return squareOrSize(at('crop_size'), config.crop_size);
  switch (resize.mode) {
    case 'none':
    case 'given':
      return squareOrSize(at('size'), config.size);
    case 'exact':
      return { height: resize.height, width: resize.width };
    case 'shortest-edge':
    case 'shortest-edge-rounded':
    case 'edges':
      throw mismatch(
        at('do_center_crop'),
        'true where size.shortest_edge is given (the network needs one size)',
        false,
      );
    default:
      return resize satisfies never;
  }
}

function squareOrSize(where: string, json: unknown): Size {
  if (Array.isArray(json)) {
    const [height, width] = list(side, 2, 2)(where, json);
    return { height, width };
  }
  if (isObject(json) && json.shortest_edge !== undefined)
    return squareOrSize(`${where}.shortest_edge`, json.shortest_edge);
  if (typeof json !== 'number') return sizeOf(where, json);
  return { height: side(where, json), width: side(where, json) };
}

/** Other processors have more fields. */
function sizeOf(where: string, json: unknown): Size {
  const { height, width } = object(where, json);
  return readSize(where, { height, width });
}

function readResample(json: unknown, at: At): Resample {
  // Its name is refused: transformers takes a name for bilinear, whatever it says.
  const resample = typeof json === 'number' ? RESAMPLES[json] : undefined;
  if (resample === undefined)
    throw mismatch(at('resample'), RESAMPLES.map((name, i) => `${i} (${name})`).join(', '), json);
  return resample;
}

/** value = (byte · rescaleFactor - mean) / std, whatever the steps that lead there. */
function readValues(
  config: Json,
  { offsets }: ImageProcessor,
  channels: number,
  at: At,
): Pick<ImagePreprocess, 'rescaleFactor' | 'mean' | 'std'> {
  const rescales = flag(config, 'do_rescale', at);
  const rescaleFactor = rescales ? positive(at('rescale_factor'), config.rescale_factor) : 1;
  const normalizes = flag(config, 'do_normalize', at);
  const mean = normalizes ? perChannel(number, at('image_mean'), config.image_mean, channels) : Array(channels).fill(0);
  const std = normalizes ? perChannel(positive, at('image_std'), config.image_std, channels) : Array(channels).fill(1);
  if (!offsets) return { rescaleFactor, mean, std };
  // EfficientNetImageProcessor takes 1 away after rescaling where it is asked to, and divides by image_std once more.
  const offset = rescales && flag(config, 'rescale_offset', at) ? 1 : 0;
  const again = flag(config, 'include_top', at)
    ? perChannel(positive, at('image_std'), config.image_std, channels)
    : null;
  return {
    rescaleFactor,
    mean: mean.map((value) => value + offset),
    std: again ? std.map((value, i) => value * again[i]) : std,
  };
}

/** A list of one number a channel, or one number for all of them. */
function perChannel(read: typeof number, where: string, json: unknown, channels: number): readonly number[] {
  if (typeof json === 'number') return Array(channels).fill(read(where, json));
  return list(read, channels, channels)(where, json);
}

function flag(config: Json, field: string, at: At): boolean {
  const value = config[field] ?? false;
  if (typeof value !== 'boolean') throw mismatch(at(field), 'true or false', value);
  return value;
}

/** A preprocessing as Hugging Face's preprocessor_config.json: the inverse of `imagePreprocessFromHuggingFace`. */
export function imagePreprocessToHuggingFace({
  size,
  resize,
  resample,
  rescaleFactor,
  mean,
  std,
}: ImagePreprocess): Record<string, unknown> {
  return {
    image_processor_type: 'ViTImageProcessor',
    do_resize: resize.mode !== 'none' && resize.mode !== 'given',
    size: writtenSize(resize, size),
    ...(crops(resize, size) ? { do_center_crop: true, crop_size: { ...size } } : {}),
    resample: RESAMPLES.indexOf(resample),
    do_rescale: true,
    rescale_factor: rescaleFactor,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
  };
}

/** Whether the picture may be larger, once resized, than what the network sees. */
function crops(resize: Resize, { height, width }: Size): boolean {
  return resize.mode === 'exact' ? resize.height !== height || resize.width !== width : resize.mode !== 'given';
}

function writtenSize(resize: Resize, size: Size): Record<string, number> {
  switch (resize.mode) {
    case 'none':
    case 'given':
      return { ...size };
    case 'exact':
      return { height: resize.height, width: resize.width };
    // Transformers has no other rounding of the crop: a pixel to the side, in half of the pictures.
    case 'shortest-edge':
    case 'shortest-edge-rounded':
      return { shortest_edge: resize.edge };
    case 'edges':
      return { shortest_edge: resize.shortest, longest_edge: resize.longest };
    default:
      return resize satisfies never;
  }
}

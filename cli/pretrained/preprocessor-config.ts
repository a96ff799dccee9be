/** Hugging Face's preprocessor_config.json, read and written. */

import { mismatch, number, object } from '../../runtime/artifact/schema.ts';
import type { Size } from '../../runtime/preprocess/picture.ts';
import {
  type ImagePreprocess,
  ofSpec,
  positive,
  type Resample,
  type Resize,
  readSize,
  side,
  triple,
} from '../../runtime/preprocess/spec.ts';

type Json = Readonly<Record<string, unknown>>;

/** PIL.Image.Resampling, which Hugging Face writes as an integer: the place in this list. */
const RESAMPLES: readonly Resample[] = ['nearest', 'lanczos', 'bilinear', 'bicubic'];

/**
 * Reads a Hugging Face `preprocessor_config.json` (ViT, DeiT and other processors of the kind: resize, centre crop,
 * rescale, normalise). Missing fields get ViTImageProcessor's defaults. Throws PreprocessError `bad-spec`.
 */
export function imagePreprocessFromHuggingFace(json: unknown): ImagePreprocess {
  return ofSpec(readConfig)('preprocessor_config.json', json);
}

function readConfig(where: string, json: unknown): ImagePreprocess {
  const config = object(where, json);
  const resize = readResize(config);
  return {
    size: readNetworkSize(config, resize),
    resize,
    resample: readResample(config.resample ?? 2),
    rescaleFactor: flag(config, 'do_rescale', true) ? positive('rescale_factor', config.rescale_factor ?? 1 / 255) : 1,
    ...readNormalization(config),
  };
}

function readResize(config: Json): Resize {
  if (!flag(config, 'do_resize', true)) return { mode: 'none' };
  const size = config.size ?? { height: 224, width: 224 };
  // Before 2022 the size was one number: a square for ViT, the shorter edge for processors that crop afterwards.
  if (typeof size === 'number') {
    const edge = side('size', size);
    return cropsToCentre(config) ? { mode: 'shortest-edge', edge } : { mode: 'exact', height: edge, width: edge };
  }
  const fields = object('size', size);
  if (fields.shortest_edge !== undefined) {
    return { mode: 'shortest-edge', edge: side('size.shortest_edge', fields.shortest_edge) };
  }
  return { mode: 'exact', ...sizeOf('size', fields) };
}

function readNetworkSize(config: Json, resize: Resize): Size {
  if (cropsToCentre(config)) return squareOrSize('crop_size', config.crop_size);
  switch (resize.mode) {
    case 'none':
      return squareOrSize('size', config.size ?? 224);
    case 'exact':
      return { height: resize.height, width: resize.width };
    case 'shortest-edge':
      throw mismatch('do_center_crop', 'true where size.shortest_edge is given (the network needs one size)', false);
    default:
      return resize satisfies never;
  }
}

function squareOrSize(where: string, json: unknown): Size {
  if (typeof json !== 'number') return sizeOf(where, json);
  return { height: side(where, json), width: side(where, json) };
}

/** Other processors have more fields. */
function sizeOf(where: string, json: unknown): Size {
  const { height, width } = object(where, json);
  return readSize(where, { height, width });
}

function cropsToCentre(config: Json): boolean {
  return flag(config, 'do_center_crop', config.crop_size !== undefined && config.crop_size !== null);
}

function readResample(json: unknown): Resample {
  const resample = typeof json === 'number' ? RESAMPLES[json] : undefined;
  if (resample === undefined) throw mismatch('resample', '0 (nearest), 1 (lanczos), 2 (bilinear) or 3 (bicubic)', json);
  return resample;
}

function readNormalization(config: Json): Pick<ImagePreprocess, 'mean' | 'std'> {
  if (!flag(config, 'do_normalize', true)) return { mean: [0, 0, 0], std: [1, 1, 1] };
  return {
    mean: triple(number)('image_mean', config.image_mean ?? [0.5, 0.5, 0.5]),
    std: triple(positive)('image_std', config.image_std ?? [0.5, 0.5, 0.5]),
  };
}

function flag(config: Json, field: string, otherwise: boolean): boolean {
  const value = config[field] ?? otherwise;
  if (typeof value !== 'boolean') throw mismatch(field, 'true or false', value);
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
    do_resize: resize.mode !== 'none',
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

/** Whether the resized picture is larger than what the network sees. */
function crops(resize: Resize, { height, width }: Size): boolean {
  return (
    resize.mode === 'shortest-edge' || (resize.mode === 'exact' && (resize.height !== height || resize.width !== width))
  );
}

function writtenSize(resize: Resize, size: Size): Record<string, number> {
  switch (resize.mode) {
    case 'none':
      return { ...size };
    case 'exact':
      return { height: resize.height, width: resize.width };
    case 'shortest-edge':
      return { shortest_edge: resize.edge };
    default:
      return resize satisfies never;
  }
}

/** What all architectures that read pictures have in common. */
import { join } from 'node:path';
import { isObject } from '../../runtime/artifact/schema.ts';
import { isPreprocessError } from '../../runtime/preprocess/error.ts';
import { defaultImagePreprocess, type ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { UserError } from '../io/errors.ts';
import { exists, readJson } from '../io/files.ts';
import type { TensorSpec } from '../models/layers.ts';
import { classTokens, type VitConfig, type VitVariant } from '../models/vit.ts';
import type { FitOptions } from './architecture.ts';
import { interpolatePositions } from './interpolate.ts';
import type { ImagePreprocessing } from './preprocessing.ts';
import { imagePreprocessFromHuggingFace } from './preprocessor-config.ts';

interface Fitted {
  readonly config: VitConfig;
  readonly preprocessing: ImagePreprocessing;
}

/** transformers' image processor for a model whose files name none. */
const USUAL_PROCESSORS: Readonly<Record<VitVariant, string>> = {
  vit: 'ViTImageProcessor',
  'vit-msn': 'ViTImageProcessor',
  deit: 'DeiTImageProcessor',
  'deit-with-teacher': 'DeiTImageProcessor',
  dinov2: 'BitImageProcessor',
  clip: 'CLIPImageProcessor',
  siglip: 'SiglipImageProcessor',
};

/** The config for these labels and this size of pictures, and how they are prepared (preprocessor_config.json). */
export async function fitPictures(folder: string, stored: VitConfig, options: FitOptions): Promise<Fitted> {
  return fitPicturesAs(folder, stored, options, await readPreprocess(folder, stored));
}

/** The same for models that take whatever size their preprocessor makes: positions are interpolated to it. */
export async function fitToPreprocessor(folder: string, stored: VitConfig, options: FitOptions): Promise<Fitted> {
  const preprocess = await readPreprocess(folder, stored);
  return fitPicturesAs(folder, stored, { imageSize: preprocess?.size, ...options }, preprocess);
}

/** The same where the preprocessing is known; null where no file tells it. */
export function fitPicturesAs(
  folder: string,
  stored: VitConfig,
  options: FitOptions,
  preprocess: ImagePreprocess | null,
): Fitted {
  if (options.maxTokens !== undefined)
    throw new UserError(`${folder} is a model of pictures, which have no greatest number of tokens`);
  expectChannels(folder, stored);
  // Biases of 0 are biases: what is trained or written has them.
  const { qkvBias: _, ...sizes } = stored;
  const config: VitConfig = {
    ...sizes,
    labels: options.labels ?? stored.labels,
    problemType: options.problemType ?? stored.problemType,
    imageSize: options.imageSize ?? stored.imageSize,
  };
  const image = preprocess ?? { ...defaultImagePreprocess(config.imageSize), ...neutral(config.channels) };
  if (preprocess && options.imageSize === undefined) expectSize(folder, image, config);
  return {
    config,
    preprocessing: { kind: 'image', image: sized(image, config), ...(preprocess ? {} : { assumed: true }) },
  };
}

function expectChannels(folder: string, { channels }: VitConfig): void {
  if (channels === 1 || channels === 3) return;
  throw new UserError(
    `${folder}: expected a model of 1 or 3 channels, got ${channels}`,
    'Pictures are read as red, green and blue, or as grey; transparency is not kept.',
  );
}

function neutral(channels: number): Pick<ImagePreprocess, 'mean' | 'std'> {
  return { mean: Array(channels).fill(0.5), std: Array(channels).fill(0.5) };
}

function expectSize(folder: string, { size }: ImagePreprocess, { imageSize }: VitConfig): void {
  if (size.height === imageSize.height && size.width === imageSize.width) return;
  throw new UserError(
    `${folder}: the preprocessor makes pictures of ${size.height}×${size.width}, ` +
      `the model takes ${imageSize.height}×${imageSize.width}`,
    'Make size or crop_size of preprocessor_config.json and image_size of config.json the same; ' +
      'slim finetune --image-size changes both.',
  );
}

/** For pictures of the config's size: where another is asked for, they are squeezed to it. */
function sized(image: ImagePreprocess, { imageSize: { height, width } }: VitConfig): ImagePreprocess {
  if (image.size.height === height && image.size.width === width) return image;
  return { ...image, size: { height, width }, resize: { mode: 'exact', height, width } };
}

/** Null where the folder has no file that tells it. */
async function readPreprocess(folder: string, stored: VitConfig): Promise<ImagePreprocess | null> {
  expectChannels(folder, stored);
  const { variant, channels } = stored;
  const found = await preprocessorOf(folder);
  if (!found) return null;
  try {
    return imagePreprocessFromHuggingFace(found.json, {
      path: found.path,
      usual: USUAL_PROCESSORS[variant],
      channels,
    });
  } catch (error) {
    if (error instanceof Error && isPreprocessError(error)) throw new UserError(error.message);
    throw error;
  }
}

/** As transformers looks for it: within processor_config.json, then in a file of its own. */
async function preprocessorOf(folder: string): Promise<{ readonly path: string; readonly json: unknown } | null> {
  const nested = join(folder, 'processor_config.json');
  if (await exists(nested)) {
    const json = await readJson(nested);
    if (isObject(json) && json.image_processor !== undefined) return { path: nested, json: json.image_processor };
  }
  const path = join(folder, 'preprocessor_config.json');
  return (await exists(path)) ? { path, json: await readJson(path) } : null;
}

/**
 * The position embeddings for the config's size of pictures, interpolated where it is another than the checkpoint's.
 */
export function adaptPositions(
  { name }: TensorSpec,
  data: Float32Array<ArrayBuffer>,
  stored: VitConfig,
  config: VitConfig,
  notices: string[],
  filter: 'plain' | 'antialiased' = 'plain',
): Float32Array<ArrayBuffer> {
  if (name !== 'embedding.position') return data;
  const grid = ({ imageSize, patchSize }: VitConfig) => ({
    height: imageSize.height / patchSize,
    width: imageSize.width / patchSize,
  });
  const from = grid(stored);
  const to = grid(config);
  if (from.height === to.height && from.width === to.width) return data;
  notices.push(
    `Position embeddings were interpolated from ${from.height}×${from.width} to ${to.height}×${to.width} patches.`,
  );
  return interpolatePositions(data, config.hiddenSize, from, to, classTokens(config), filter);
}

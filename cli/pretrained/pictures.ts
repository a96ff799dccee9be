/** What all architectures that read pictures have in common. */
import { join } from 'node:path';
import { defaultImagePreprocess, type ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { UserError } from '../io/errors.ts';
import { exists, readJson } from '../io/files.ts';
import type { TensorSpec } from '../models/layers.ts';
import { classTokens, type VitConfig } from '../models/vit.ts';
import type { FitOptions } from './architecture.ts';
import { interpolatePositions } from './interpolate.ts';
import type { ImagePreprocessing } from './preprocessing.ts';
import { imagePreprocessFromHuggingFace } from './preprocessor-config.ts';

/** The config for these labels and this size of pictures, and how they are prepared (preprocessor_config.json). */
export async function fitPictures(
  folder: string,
  stored: VitConfig,
  options: FitOptions,
): Promise<{ config: VitConfig; preprocessing: ImagePreprocessing }> {
  if (options.maxTokens !== undefined)
    throw new UserError(`${folder} is a model of pictures, which have no greatest number of tokens`);
  const config = {
    ...stored,
    labels: options.labels ?? stored.labels,
    problemType: options.problemType ?? stored.problemType,
    imageSize: options.imageSize ?? stored.imageSize,
  };
  return { config, preprocessing: { kind: 'image', image: await loadPreprocess(folder, config) } };
}

async function loadPreprocess(folder: string, config: VitConfig): Promise<ImagePreprocess> {
  const path = join(folder, 'preprocessor_config.json');
  const stored = (await exists(path))
    ? imagePreprocessFromHuggingFace(await readJson(path))
    : defaultImagePreprocess(config.imageSize);
  const { height, width } = config.imageSize;
  if (stored.size.height === height && stored.size.width === width) return stored;
  return { ...stored, size: { height, width }, resize: { mode: 'exact', height, width } };
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
  return interpolatePositions(data, config.hiddenSize, from, to, classTokens(config));
}

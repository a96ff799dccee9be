/** What the configs of all vision transformers have in common, read, checked and written. */
import { UserError } from '../io/errors.ts';
import { classTokens, patchCount, type VitConfig } from '../models/vit.ts';
import { type ConfigFields, MAX_LAYERS } from './config-fields.ts';
import { hiddenActName, readHiddenAct } from './hidden-act.ts';

/** What transformers takes where a config says nothing. */
export interface VitDefaults {
  readonly patchSize: number;
  readonly layerNormEpsilon: number;
  readonly hiddenAct?: string;
}

/** The fields that all families spell alike: all but what stands before the patches, the MLP's width and the labels. */
export function readVitSizes(fields: ConfigFields, path: string, defaults: VitDefaults) {
  const patch = fields.size('patch_size', defaults.patchSize);
  if (patch.height !== patch.width)
    throw new UserError(`${path}: expected patch_size to be a square, got ${patch.height}×${patch.width}`);
  return {
    imageSize: fields.size('image_size', 224),
    patchSize: patch.height,
    channels: fields.count('num_channels', 3),
    hiddenSize: fields.count('hidden_size', 768),
    layers: fields.count('num_hidden_layers', 12, MAX_LAYERS),
    heads: fields.count('num_attention_heads', 12),
    layerNormEpsilon: fields.number('layer_norm_eps', defaults.layerNormEpsilon),
    activation: readHiddenAct(fields, 'hidden_act', path, defaults.hiddenAct),
    initializerRange: fields.number('initializer_range', 0.02),
  };
}

/** What `readVitSizes` reads. */
export function writeVitSizes(config: VitConfig): Record<string, unknown> {
  const { height, width } = config.imageSize;
  return {
    image_size: height === width ? height : [height, width],
    patch_size: config.patchSize,
    num_channels: config.channels,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    hidden_act: hiddenActName(config.activation),
    layer_norm_eps: config.layerNormEpsilon,
    initializer_range: config.initializerRange,
  };
}

/** The most channels of a picture: grey, red, green and blue, alpha. */
const MAX_CHANNELS = 4;

/** UserError when the sizes of a config don't go together. */
export function checkVitConfig(config: VitConfig, where: string): void {
  const { imageSize, patchSize, hiddenSize, heads, channels } = config;
  if (imageSize.height % patchSize !== 0 || imageSize.width % patchSize !== 0) {
    throw new UserError(
      `${where}: expected an image size divisible by the patch size ${patchSize}, ` +
        `got ${imageSize.height}×${imageSize.width}`,
    );
  }
  if (hiddenSize % heads !== 0)
    throw new UserError(`${where}: expected hidden_size divisible by ${heads} heads, got ${hiddenSize}`);
  if (channels > MAX_CHANNELS)
    throw new UserError(
      `${where}: expected num_channels from 1 to ${MAX_CHANNELS}, got ${channels}`,
      'Pictures have no more channels.',
    );
  if (patchCount(config) + classTokens(config) > 1 << 16)
    throw new UserError(`${where}: ${patchCount(config)} patches a picture are too many`);
}

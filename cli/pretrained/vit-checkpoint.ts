/** ViT and DeiT in Hugging Face's words: the only place that knows their names for them. */
import { UserError } from '../io/errors.ts';
import type { TensorSpec } from '../models/layers.ts';
import { classTokens, createVit, patchCount, type VitConfig, type VitVariant } from '../models/vit.ts';
import { type Architecture, checkpointName, type StoredPart, wholePart } from './architecture.ts';
import { type ConfigFields, headFields, MAX_LAYERS, readConfigFields } from './config-fields.ts';
import { adaptPositions, fitPictures } from './pictures.ts';

const BLOCK_NAMES: Readonly<Record<string, string>> = {
  norm1: 'layernorm_before',
  query: 'attention.attention.query',
  key: 'attention.attention.key',
  value: 'attention.attention.value',
  attention: 'attention.output.dense',
  norm2: 'layernorm_after',
  up: 'intermediate.dense',
  down: 'output.dense',
};

const OTHER_NAMES: Readonly<Record<string, string>> = {
  'patch.weight': 'embeddings.patch_embeddings.projection.weight',
  'patch.bias': 'embeddings.patch_embeddings.projection.bias',
  'embedding.position': 'embeddings.position_embeddings',
  'norm.weight': 'layernorm.weight',
  'norm.bias': 'layernorm.bias',
};

/** Names of the heads, which have no prefix. */
const HEAD_NAMES: Readonly<Record<VitVariant, Readonly<Record<string, string>>>> = {
  vit: { head: 'classifier' },
  deit: { head: 'classifier' },
  'deit-with-teacher': { head: 'cls_classifier', distilled: 'distillation_classifier' },
};

/**
 * Their tensors that hold one of ours: the patch projection is a Conv2d, class tokens and positions have leading ones.
 */
function storedAs({ name, shape }: TensorSpec, config: VitConfig): readonly StoredPart[] {
  const { variant, hiddenSize: D, channels, patchSize } = config;
  const [layer, suffix] = name.split('.');
  const head = HEAD_NAMES[variant][layer];
  const factor = variant === 'deit-with-teacher' ? 2 : 1; // see VitVariant
  if (head) return [wholePart(`${head}.${suffix}`, shape, { factor })];
  const prefix = variant === 'vit' ? 'vit.' : 'deit.';
  if (name === 'embedding.cls') {
    const tokens = variant === 'vit' ? ['cls_token'] : ['cls_token', 'distillation_token'];
    return tokens.map((token) => wholePart(`${prefix}embeddings.${token}`, [1, 1, D]));
  }
  const theirs = prefix + checkpointName(name, 'encoder.layer', BLOCK_NAMES, OTHER_NAMES);
  if (name === 'patch.weight') return [wholePart(theirs, [D, channels, patchSize, patchSize])];
  if (name === 'embedding.position') return [wholePart(theirs, [1, patchCount(config) + classTokens(config), D])];
  return [wholePart(theirs, shape)];
}

const WITH_TEACHER = 'DeiTForImageClassificationWithTeacher';

function deitVariant(fields: ConfigFields): VitVariant {
  return fields.architectures().includes(WITH_TEACHER) ? 'deit-with-teacher' : 'deit';
}

function readConfig(json: unknown, path: string, variantOf: (fields: ConfigFields) => VitVariant): VitConfig {
  const fields = readConfigFields(json, path);
  const act = fields.text('hidden_act', 'gelu');
  if (!fields.flag('qkv_bias', true))
    throw new UserError(
      `${path}: expected qkv_bias true, got false`,
      'Models whose query, key and value have no bias are not supported.',
    );
  if (act !== 'gelu')
    throw new UserError(`${path}: expected hidden_act gelu, got ${act}`, 'Only the exact GELU is supported.');
  const patch = fields.size('patch_size', 16);
  if (patch.height !== patch.width)
    throw new UserError(`${path}: expected patch_size to be a square, got ${patch.height}×${patch.width}`);
  const config: VitConfig = {
    variant: variantOf(fields),
    imageSize: fields.size('image_size', 224),
    patchSize: patch.height,
    channels: fields.count('num_channels', 3),
    hiddenSize: fields.count('hidden_size', 768),
    layers: fields.count('num_hidden_layers', 12, MAX_LAYERS),
    heads: fields.count('num_attention_heads', 12),
    intermediateSize: fields.count('intermediate_size', 3072),
    layerNormEpsilon: fields.number('layer_norm_eps', 1e-12),
    initializerRange: fields.number('initializer_range', 0.02),
    labels: fields.labels(),
    problemType: fields.problemType(),
  };
  checkConfig(config, path);
  return config;
}

/** UserError when the sizes of a config don't go together. */
function checkConfig(config: VitConfig, where: string): void {
  const { imageSize, patchSize, hiddenSize, heads } = config;
  if (imageSize.height % patchSize !== 0 || imageSize.width % patchSize !== 0) {
    throw new UserError(
      `${where}: expected an image size divisible by the patch size ${patchSize}, ` +
        `got ${imageSize.height}×${imageSize.width}`,
    );
  }
  if (hiddenSize % heads !== 0)
    throw new UserError(`${where}: expected hidden_size divisible by ${heads} heads, got ${hiddenSize}`);
  // See `tokens`.
  if (patchCount(config) % classTokens(config) !== 0)
    throw new UserError(
      `${where}: expected an even number of patches beside two class tokens, got ${patchCount(config)}`,
    );
  if (patchCount(config) > 1 << 16)
    throw new UserError(`${where}: ${patchCount(config)} patches a picture are too many`);
}

const ARCHITECTURE_NAMES: Readonly<Record<VitVariant, string>> = {
  vit: 'ViTForImageClassification',
  deit: 'DeiTForImageClassification',
  'deit-with-teacher': WITH_TEACHER,
};

function writeConfig(config: VitConfig): Record<string, unknown> {
  const { height, width } = config.imageSize;
  return {
    architectures: [ARCHITECTURE_NAMES[config.variant]],
    model_type: config.variant === 'vit' ? 'vit' : 'deit',
    image_size: height === width ? height : [height, width],
    patch_size: config.patchSize,
    num_channels: config.channels,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    intermediate_size: config.intermediateSize,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    qkv_bias: true,
    layer_norm_eps: config.layerNormEpsilon,
    initializer_range: config.initializerRange,
    ...headFields(config),
  };
}

const shared = { checkConfig, writeConfig, create: createVit, fit: fitPictures, storedAs, adapt: adaptPositions };

/** ViTForImageClassification (Dosovitskiy et al. 2020). */
export const vitArchitecture: Architecture<VitConfig> = {
  ...shared,
  modelType: 'vit',
  readConfig: (json, path) => readConfig(json, path, () => 'vit'),
  basePrefix: 'vit.',
};

/** DeiTForImageClassification, with a teacher or without (Touvron et al. 2021). */
export const deitArchitecture: Architecture<VitConfig> = {
  ...shared,
  modelType: 'deit',
  readConfig: (json, path) => readConfig(json, path, deitVariant),
  basePrefix: 'deit.',
};

/** ViT in Hugging Face's words: the only place that knows their names for it. */
import type { Shape } from '../graph/graph.ts';
import { UserError } from '../io/errors.ts';
import { createVit, patchCount, type VitConfig } from '../models/vit.ts';
import { readConfigFields } from './config-fields.ts';
import type { Architecture } from './architecture.ts';

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
  'patch.weight': 'vit.embeddings.patch_embeddings.projection.weight',
  'patch.bias': 'vit.embeddings.patch_embeddings.projection.bias',
  'embedding.cls': 'vit.embeddings.cls_token',
  'embedding.position': 'vit.embeddings.position_embeddings',
  'norm.weight': 'vit.layernorm.weight',
  'norm.bias': 'vit.layernorm.bias',
  'head.weight': 'classifier.weight',
  'head.bias': 'classifier.bias',
};

function checkpointName(name: string): string {
  const inBlock = /^block\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name);
  if (!inBlock) return OTHER_NAMES[name];
  const [, block, layer, suffix] = inBlock;
  return `vit.encoder.layer.${block}.${BLOCK_NAMES[layer]}.${suffix}`;
}

/** Their shape where it isn't ours: the patch projection is a Conv2d, class token and positions have leading ones. */
function checkpointShape(name: string, shape: Shape, config: VitConfig): Shape {
  if (name === 'patch.weight') return [shape[0], config.channels, config.patchSize, config.patchSize];
  if (name === 'embedding.cls') return [1, 1, ...shape];
  if (name === 'embedding.position') return [1, ...shape];
  return shape;
}

/** Every layer has its entries in the layer table: a lie here would fill the memory before a tensor is looked for. */
const MAX_LAYERS = 1000;

function readConfig(json: unknown, path: string): VitConfig {
  const fields = readConfigFields(json, path);
  const act = fields.text('hidden_act', 'gelu');
  if (!fields.flag('qkv_bias', true)) throw new UserError(`${path}: expected qkv_bias true, got false`, 'Models whose query, key and value have no bias are not supported.');
  if (act !== 'gelu') throw new UserError(`${path}: expected hidden_act gelu, got ${act}`, 'Only the exact GELU is supported.');
  const patch = fields.size('patch_size', 16);
  if (patch.height !== patch.width) throw new UserError(`${path}: expected patch_size to be a square, got ${patch.height}×${patch.width}`);
  const config: VitConfig = {
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
  };
  checkConfig(config, path);
  return config;
}

/** UserError when the sizes of a config don't go together. */
function checkConfig(config: VitConfig, where: string): void {
  const { imageSize, patchSize, hiddenSize, heads } = config;
  if (imageSize.height % patchSize !== 0 || imageSize.width % patchSize !== 0) {
    throw new UserError(`${where}: expected an image size divisible by the patch size ${patchSize}, got ${imageSize.height}×${imageSize.width}`);
  }
  if (hiddenSize % heads !== 0) throw new UserError(`${where}: expected hidden_size divisible by ${heads} heads, got ${hiddenSize}`);
  if (patchCount(config) > 1 << 16) throw new UserError(`${where}: ${patchCount(config)} patches a picture are too many`);
}

function writeConfig(config: VitConfig): Record<string, unknown> {
  const { height, width } = config.imageSize;
  return {
    architectures: ['ViTForImageClassification'],
    model_type: 'vit',
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
    id2label: Object.fromEntries(config.labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(config.labels.map((label, i) => [label, i])),
  };
}

export const vitArchitecture: Architecture = {
  modelType: 'vit',
  readConfig,
  checkConfig,
  writeConfig,
  create: createVit,
  checkpointName,
  checkpointShape,
  basePrefix: 'vit.',
};

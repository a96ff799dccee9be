/** DINOv2 in Hugging Face's words, with and without registers: the only place that knows their names for it. */
import type { TensorSpec } from '../models/layers.ts';
import { createVit, type VitConfig } from '../models/vit.ts';
import type { Architecture, ConstantTensor } from './architecture.ts';
import { headFields, readConfigFields } from './config-fields.ts';
import { adaptPositions, fitToPreprocessor } from './pictures.ts';
import { checkVitConfig, readVitSizes, writeVitSizes } from './vit-config.ts';
import { storedByNames, type VitNames, withoutTheirPositions } from './vit-names.ts';

const LAYER_SCALES = { attention: 'layer_scale1.lambda1', down: 'layer_scale2.lambda1' };

function namesOf({ registers, gated }: VitConfig): VitNames {
  return {
    prefix: prefixOf(registers),
    blocks: 'encoder.layer.',
    inBlock: {
      norm1: 'norm1',
      query: 'attention.attention.query',
      key: 'attention.attention.key',
      value: 'attention.attention.value',
      attention: 'attention.output.dense',
      norm2: 'norm2',
      gate: 'mlp.weights_in',
      up: gated ? 'mlp.weights_in' : 'mlp.fc1',
      down: gated ? 'mlp.weights_out' : 'mlp.fc2',
    },
    joined: gated ? [['gate', 'up']] : [],
    layerScale: LAYER_SCALES,
    patch: 'embeddings.patch_embeddings.projection',
    position: 'embeddings.position_embeddings',
    tokens: () => [
      { name: 'embeddings.cls_token', count: 1, positions: true },
      ...(registers ? [{ name: 'embeddings.register_tokens', count: registers, positions: false }] : []),
    ],
    norms: { norm: 'layernorm' },
    heads: { head: 'classifier' },
  };
}

function prefixOf(registers: number | undefined): string {
  return registers ? 'dinov2_with_registers.' : 'dinov2.';
}

function readConfig(json: unknown, path: string, hasRegisters: boolean): VitConfig {
  const fields = readConfigFields(json, path);
  const sizes = readVitSizes(fields, path, { patchSize: hasRegisters ? 16 : 14, layerNormEpsilon: 1e-6 });
  const gated = fields.flag('use_swiglu_ffn', false);
  const wide = Math.floor(sizes.hiddenSize * fields.number('mlp_ratio', 4));
  const config: VitConfig = {
    variant: 'dinov2',
    ...sizes,
    intermediateSize: gated ? gatedWidth(wide) : wide,
    ...(gated ? { gated, activation: 'silu' } : {}),
    ...(hasRegisters ? { registers: fields.count('num_register_tokens', 4, 256) } : {}),
    ...(fields.flag('qkv_bias', true) ? {} : { qkvBias: false }),
    labels: fields.labels(),
    problemType: fields.problemType(),
  };
  checkVitConfig(config, path);
  return config;
}

/** SwiGLU keeps two thirds, in whole eights (transformers' Dinov2SwiGLUFFN). */
function gatedWidth(wide: number): number {
  return Math.floor((Math.floor((wide * 2) / 3) + 7) / 8) * 8;
}

/** What gives the width back: see readConfig. A whole number where there is one, for transformers 5 takes no other. */
function mlpRatio({ gated, intermediateSize, hiddenSize }: VitConfig): number {
  if (!gated) return intermediateSize / hiddenSize;
  const ratio = (intermediateSize * 1.5) / hiddenSize;
  const whole = [Math.floor(ratio), Math.ceil(ratio)];
  return whole.find((candidate) => gatedWidth(candidate * hiddenSize) === intermediateSize) ?? ratio;
}

function writeConfig(config: VitConfig): Record<string, unknown> {
  const { registers, gated } = config;
  return {
    architectures: [registers ? 'Dinov2WithRegistersForImageClassification' : 'Dinov2ForImageClassification'],
    model_type: registers ? 'dinov2_with_registers' : 'dinov2',
    ...writeVitSizes(config),
    mlp_ratio: mlpRatio(config),
    use_swiglu_ffn: gated ?? false,
    ...(registers ? { num_register_tokens: registers } : {}),
    use_mask_token: false,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    drop_path_rate: 0,
    qkv_bias: true,
    ...headFields(config),
  };
}

/** LayerScale is in the weights since they were read. */
function constants(config: VitConfig): ConstantTensor[] {
  const { prefix, blocks } = namesOf(config);
  const mask = { name: `${prefix}embeddings.mask_token`, shape: [1, config.hiddenSize], value: 0 };
  const scales = Array.from({ length: config.layers }, (_, i) =>
    Object.values(LAYER_SCALES).map((name) => ({
      name: `${prefix}${blocks}${i}.${name}`,
      shape: [config.hiddenSize],
      value: 1,
    })),
  ).flat();
  // Of pre-training; with registers it is always there.
  return config.registers ? [...scales, mask] : scales;
}

function architecture(modelType: string, hasRegisters: boolean): Architecture<VitConfig> {
  return {
    modelType,
    readConfig: (json, path) => readConfig(json, path, hasRegisters),
    checkConfig: checkVitConfig,
    writeConfig,
    create: createVit,
    fit: fitToPreprocessor,
    storedAs: (spec: TensorSpec, config) => storedByNames(namesOf(config), spec, config),
    constants,
    settled: (tensors, config) => withoutTheirPositions(namesOf(config), tensors, config),
    // Its graph with registers resizes the positions with antialiasing.
    adapt: (spec, data, stored, config, notices) =>
      adaptPositions(spec, data, stored, config, notices, hasRegisters ? 'antialiased' : 'plain'),
    basePrefix: hasRegisters ? prefixOf(1) : prefixOf(0),
  };
}

/** Dinov2ForImageClassification (Oquab et al. 2023): LayerScale; the head reads class token and mean of the patches. */
export const dinov2Architecture = architecture('dinov2', false);

/** Dinov2WithRegistersForImageClassification (Darcet et al. 2023). */
export const dinov2WithRegistersArchitecture = architecture('dinov2_with_registers', true);

/** ViT, DeiT and ViT-MSN in Hugging Face's words: the only place that knows their names for them. */
import type { TensorSpec } from '../models/layers.ts';
import { createVit, type VitConfig, type VitVariant } from '../models/vit.ts';
import type { Architecture } from './architecture.ts';
import { type ConfigFields, headFields, readConfigFields } from './config-fields.ts';
import { adaptPositions, fitPictures } from './pictures.ts';
import type { Shapes } from './reading.ts';
import type { Tensors } from './tensor-file.ts';
import { fitTimm, readTimmConfig } from './timm-config.ts';
import { readTimm } from './timm-names.ts';
import { readTorchvision } from './torchvision-names.ts';
import { checkVitConfig, readVitSizes, writeVitSizes } from './vit-config.ts';
import { classTokenNamed, storedByNames, type VitNames, withoutTheirPositions } from './vit-names.ts';

const VIT: VitNames = {
  prefix: 'vit.',
  blocks: 'encoder.layer.',
  inBlock: {
    norm1: 'layernorm_before',
    query: 'attention.attention.query',
    key: 'attention.attention.key',
    value: 'attention.attention.value',
    attention: 'attention.output.dense',
    norm2: 'layernorm_after',
    up: 'intermediate.dense',
    down: 'output.dense',
  },
  patch: 'embeddings.patch_embeddings.projection',
  position: 'embeddings.position_embeddings',
  tokens: classTokenNamed('embeddings.cls_token'),
  norms: { norm: 'layernorm' },
  heads: { head: 'classifier' },
};

const DEIT: VitNames = {
  ...VIT,
  prefix: 'deit.',
  tokens: () =>
    ['embeddings.cls_token', 'embeddings.distillation_token'].map((name) => ({ name, count: 1, positions: true })),
};

type ClassicVariant = Extract<VitVariant, 'vit' | 'deit' | 'deit-with-teacher' | 'vit-msn'>;

const NAMES: Readonly<Record<ClassicVariant, VitNames>> = {
  vit: VIT,
  deit: DEIT,
  'deit-with-teacher': { ...DEIT, heads: { head: 'cls_classifier', distilled: 'distillation_classifier' } },
  'vit-msn': VIT,
};

const WITH_TEACHER = 'DeiTForImageClassificationWithTeacher';

const WRITTEN: Readonly<Record<ClassicVariant, { readonly architecture: string; readonly modelType: string }>> = {
  vit: { architecture: 'ViTForImageClassification', modelType: 'vit' },
  deit: { architecture: 'DeiTForImageClassification', modelType: 'deit' },
  'deit-with-teacher': { architecture: WITH_TEACHER, modelType: 'deit' },
  'vit-msn': { architecture: 'ViTMSNForImageClassification', modelType: 'vit_msn' },
};

function namesOf({ variant }: VitConfig): VitNames {
  return NAMES[variant as ClassicVariant];
}

function deitVariant(fields: ConfigFields): VitVariant {
  return fields.architectures().includes(WITH_TEACHER) ? 'deit-with-teacher' : 'deit';
}

function readConfig(
  json: unknown,
  path: string,
  layerNormEpsilon: number,
  variantOf: (fields: ConfigFields) => VitVariant,
): VitConfig {
  const fields = readConfigFields(json, path);
  const config: VitConfig = {
    variant: variantOf(fields),
    ...readVitSizes(fields, path, { patchSize: 16, layerNormEpsilon }),
    intermediateSize: fields.count('intermediate_size', 3072),
    ...(fields.flag('qkv_bias', true) ? {} : { qkvBias: false }),
    labels: fields.labels(),
    problemType: fields.problemType(),
  };
  checkVitConfig(config, path);
  return config;
}

function writeConfig(config: VitConfig): Record<string, unknown> {
  const { architecture, modelType } = WRITTEN[config.variant as ClassicVariant];
  return {
    architectures: [architecture],
    model_type: modelType,
    ...writeVitSizes(config),
    intermediate_size: config.intermediateSize,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    qkv_bias: true,
    ...headFields(config),
  };
}

/** What these families share. */
const shared = {
  checkConfig: checkVitConfig,
  writeConfig,
  create: createVit,
  fit: fitPictures,
  storedAs: (spec: TensorSpec, config: VitConfig) => storedByNames(namesOf(config), spec, config),
  settled: (tensors: Tensors, config: VitConfig) => withoutTheirPositions(namesOf(config), tensors, config),
  adapt: adaptPositions,
  foreign: (shapes: Shapes, path: string) => readTimm(shapes, path) ?? readTorchvision(shapes),
};

/** ViTForImageClassification (Dosovitskiy et al. 2020). */
export const vitArchitecture: Architecture<VitConfig> = {
  ...shared,
  modelType: 'vit',
  readConfig: (json, path) => readConfig(json, path, 1e-12, () => 'vit'),
  basePrefix: VIT.prefix,
};

/** ViTMSNForImageClassification (Assran et al. 2022). */
export const vitMsnArchitecture: Architecture<VitConfig> = {
  ...shared,
  modelType: 'vit_msn',
  readConfig: (json, path) => readConfig(json, path, 1e-6, () => 'vit-msn'),
  basePrefix: VIT.prefix,
};

/** DeiTForImageClassification, with a teacher or without (Touvron et al. 2021). */
export const deitArchitecture: Architecture<VitConfig> = {
  ...shared,
  modelType: 'deit',
  readConfig: (json, path) => readConfig(json, path, 1e-12, deitVariant),
  // Where config.json names no class, the heads do.
  toldBy: (json, shapes) =>
    shapes.has('cls_classifier.weight') && shapes.has('distillation_classifier.weight')
      ? { ...json, architectures: [WITH_TEACHER] }
      : json,
  basePrefix: DEIT.prefix,
};

/** timm's ViT and DeiT; what is made of them is written as transformers' ViT or DeiT. */
export const timmArchitecture: Architecture<VitConfig> = {
  ...shared,
  modelType: 'timm',
  readConfig: readTimmConfig,
  fit: fitTimm,
  basePrefix: VIT.prefix,
};

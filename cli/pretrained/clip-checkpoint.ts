/** The vision towers of CLIP and SigLIP as classifiers, in Hugging Face's words: the only place that knows their names. */
import { isObject, type JsonObject } from '../../runtime/artifact/schema.ts';
import { UserError } from '../io/errors.ts';
import type { TensorSpec } from '../models/layers.ts';
import { createVit, type VitConfig } from '../models/vit.ts';
import type { Architecture, ConstantTensor } from './architecture.ts';
import { headFields, readConfigFields } from './config-fields.ts';
import { adaptPositions, fitPictures } from './pictures.ts';
import { checkVitConfig, readVitSizes, type VitDefaults, writeVitSizes } from './vit-config.ts';
import { classTokenNamed, storedByNames, type VitNames } from './vit-names.ts';

const CLIP: VitNames = {
  prefix: 'vision_model.',
  blocks: 'encoder.layers.',
  inBlock: {
    norm1: 'layer_norm1',
    query: 'self_attn.q_proj',
    key: 'self_attn.k_proj',
    value: 'self_attn.v_proj',
    attention: 'self_attn.out_proj',
    norm2: 'layer_norm2',
    up: 'mlp.fc1',
    down: 'mlp.fc2',
  },
  patch: 'embeddings.patch_embedding',
  position: 'embeddings.position_embedding.weight',
  tokens: classTokenNamed('embeddings.class_embedding'),
  flat: true,
  // The library's spelling.
  norms: { normBefore: 'pre_layrnorm', norm: 'post_layernorm' },
  heads: { head: 'classifier' },
};

const NAMES = { clip: CLIP, siglip: { ...CLIP, tokens: () => [] } } as const satisfies Record<string, VitNames>;

const DEFAULTS: Readonly<Record<keyof typeof NAMES, VitDefaults>> = {
  clip: { patchSize: 32, layerNormEpsilon: 1e-5, hiddenAct: 'quick_gelu' },
  siglip: { patchSize: 16, layerNormEpsilon: 1e-6, hiddenAct: 'gelu_pytorch_tanh' },
};

function namesOf({ variant }: VitConfig): VitNames {
  return NAMES[variant as keyof typeof NAMES];
}

/** The sizes stand in `vision_config`, the labels beside it; a tower of its own has all in one. */
function readConfig(json: unknown, path: string, variant: keyof typeof NAMES): VitConfig {
  const whole = readConfigFields(json, path);
  const { vision_config: nested = json } = json as JsonObject;
  if (!isObject(nested)) throw new UserError(`${path}: expected vision_config to be an object`);
  const fields = readConfigFields(nested, path);
  const config: VitConfig = {
    variant,
    ...readVitSizes(fields, path, DEFAULTS[variant]),
    intermediateSize: fields.count('intermediate_size', 3072),
    labels: whole.labels(),
    problemType: whole.problemType(),
  };
  checkVitConfig(config, path);
  return config;
}

const ARCHITECTURES = { clip: 'CLIPForImageClassification', siglip: 'SiglipForImageClassification' } as const;

function writeConfig(config: VitConfig): Record<string, unknown> {
  const variant = config.variant as keyof typeof NAMES;
  return {
    architectures: [ARCHITECTURES[variant]],
    model_type: variant,
    vision_config: {
      model_type: `${variant}_vision_model`,
      ...writeVitSizes(config),
      intermediate_size: config.intermediateSize,
      attention_dropout: 0,
      // Its own head, which no classifier uses.
      ...(variant === 'siglip' ? { vision_use_head: false } : {}),
    },
    ...headFields(config),
  };
}

/** CLIP has a norm after its blocks, for what is no classifier. */
function constants({ variant, hiddenSize }: VitConfig): ConstantTensor[] {
  if (variant !== 'clip') return [];
  const name = `${CLIP.prefix}${CLIP.norms.norm}`;
  return [
    { name: `${name}.weight`, shape: [hiddenSize], value: 1 },
    { name: `${name}.bias`, shape: [hiddenSize], value: 0 },
  ];
}

function architecture(modelType: string, variant: keyof typeof NAMES): Architecture<VitConfig> {
  return {
    modelType,
    readConfig: (json, path) => readConfig(json, path, variant),
    checkConfig: checkVitConfig,
    writeConfig,
    create: createVit,
    fit: fitPictures,
    storedAs: (spec: TensorSpec, config) => storedByNames(namesOf(config), spec, config),
    constants,
    adapt: adaptPositions,
    basePrefix: CLIP.prefix,
  };
}

/**
 * CLIPForImageClassification (Radford et al. 2021): a norm before the blocks, and a head on the mean of the patches. The
 * vision tower of a CLIP is one without a head.
 */
export const clipArchitectures = [architecture('clip', 'clip'), architecture('clip_vision_model', 'clip')];

/** SiglipForImageClassification (Zhai et al. 2023): no class token, and a head on the mean of the patches. */
export const siglipArchitectures = [architecture('siglip', 'siglip'), architecture('siglip_vision_model', 'siglip')];

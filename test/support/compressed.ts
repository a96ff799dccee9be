/** Tiny compressed models, as a run holds them: random factors, biases and norms, so that nothing vanishes. */
import { f32Tensor } from '../../cli/compress/stored-tensors.ts';

import { resolveRanks } from '../../cli/pclora/rank.ts';
import type { Architecture, ModelConfig } from '../../cli/pretrained/architecture.ts';
import { bertArchitecture } from '../../cli/pretrained/bert-checkpoint.ts';
import { initialTensors } from '../../cli/pretrained/initial.ts';
import type { Preprocessing } from '../../cli/pretrained/preprocessing.ts';
import { textLimits } from '../../cli/pretrained/texts.ts';
import { vitArchitecture } from '../../cli/pretrained/vit-checkpoint.ts';
import { type TrainedModel, weightSpecs } from '../../cli/train/trained-model.ts';
import { defaultImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { random } from '../../runtime/random.ts';
import { tinyBertConfig } from './tiny-bert.ts';
import { tinyTokenizer } from './tiny-tokenizer.ts';
import { tinyConfig } from './tiny-vit.ts';

/** Ranks by layer name or kind (`up`, `qkv`), `embedding.word` that of the word table. */
export type TinyRanks = Readonly<Record<string, number>>;

/** A ViT of 12 × 2 blocks with 3 heads, its layers of rank r where `ranks` names no other. */
export function compressedVit(rank: number, ranks: TinyRanks = {}): TrainedModel {
  const image = defaultImagePreprocess(tinyConfig.imageSize);
  return compressed(vitArchitecture, tinyConfig, { kind: 'image', image }, rank, ranks);
}

/** A BERT of the same sizes. */
export function compressedBert(rank: number, ranks: TinyRanks = {}): TrainedModel {
  const preprocessing = {
    kind: 'text' as const,
    tokenizer: tinyTokenizer(tinyBertConfig.vocabSize),
    maxTokens: tinyBertConfig.tokens,
    types: true,
    limits: textLimits(tinyBertConfig),
  };
  return compressed(bertArchitecture, tinyBertConfig, preprocessing, rank, ranks);
}

function compressed<C extends ModelConfig>(
  architecture: Architecture<C>,
  config: C,
  preprocessing: Preprocessing,
  rank: number,
  given: TinyRanks,
): TrainedModel {
  const model = architecture.create(config);
  const { 'embedding.word': embeddingRank, ...perLayer } = given;
  const ranks = resolveRanks(model.layers, { rank, perLayer, embeddingRank, force: true, fuseQkv: 'qkv' in given });
  const trained = {
    architecture: architecture as Architecture,
    config,
    model,
    preprocessing,
    compression: {
      method: 'pc-lora' as const,
      rank: Math.max(...ranks.values()),
      ranks: Object.fromEntries(ranks),
      scaling: 0.7,
      schedule: 'sine',
      init: 'svd',
    },
    precision: 'f32' as const,
    record: null,
    source: 'tiny',
  };
  const specs = weightSpecs(model, trained.compression).map((spec) => ({ ...spec, start: 'normal' as const }));
  const values = initialTensors(specs, config.initializerRange, random(21));
  return { ...trained, stored: new Map(specs.map(({ name, shape }) => [name, f32Tensor(values.get(name)!, shape)])) };
}

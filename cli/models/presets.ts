/** Models from scratch, by name: the usual ViTs and BERTs, and small ones that two cores train. */
import { assumedProblemType } from '../../runtime/artifact/problem-type.ts';
import { type BertConfig, createBert } from './bert.ts';
import type { Model } from './model.ts';
import { createVit, type VitConfig } from './vit.ts';

type VitSizes = Pick<VitConfig, 'patchSize' | 'hiddenSize' | 'layers' | 'heads' | 'intermediateSize'> & {
  readonly side: number;
};

const VITS = {
  'vit-pico': { side: 32, patchSize: 8, hiddenSize: 64, layers: 4, heads: 4, intermediateSize: 256 },
  'vit-nano': { side: 32, patchSize: 4, hiddenSize: 128, layers: 4, heads: 4, intermediateSize: 512 },
  'vit-ti16': { side: 224, patchSize: 16, hiddenSize: 192, layers: 12, heads: 3, intermediateSize: 768 },
  'vit-s16': { side: 224, patchSize: 16, hiddenSize: 384, layers: 12, heads: 6, intermediateSize: 1536 },
  'vit-b16': { side: 224, patchSize: 16, hiddenSize: 768, layers: 12, heads: 12, intermediateSize: 3072 },
  'vit-l16': { side: 224, patchSize: 16, hiddenSize: 1024, layers: 24, heads: 16, intermediateSize: 4096 },
} as const satisfies Record<string, VitSizes>;

type BertSizes = Pick<BertConfig, 'hiddenSize' | 'layers' | 'heads' | 'intermediateSize'>;

/** bert-base-uncased, the smaller ones of Turc et al. 2019, and one for trying things out. */
const BERTS = {
  'bert-pico': { hiddenSize: 64, layers: 2, heads: 2, intermediateSize: 256 },
  'bert-tiny': { hiddenSize: 128, layers: 2, heads: 2, intermediateSize: 512 },
  'bert-mini': { hiddenSize: 256, layers: 4, heads: 4, intermediateSize: 1024 },
  'bert-small': { hiddenSize: 512, layers: 4, heads: 8, intermediateSize: 2048 },
  'bert-base': { hiddenSize: 768, layers: 12, heads: 12, intermediateSize: 3072 },
} as const satisfies Record<string, BertSizes>;

/** The longest sequence of a BERT preset. */
export const BERT_POSITIONS = 512;

/** The name of a model for pictures. */
export type VitPreset = keyof typeof VITS;
/** The name of a model for texts. */
export type BertPreset = keyof typeof BERTS;
/** What --model takes in place of a folder. */
export type Preset = VitPreset | BertPreset;

/** The names of all models for pictures, smallest first. */
export const VIT_PRESETS = Object.keys(VITS) as VitPreset[];
/** The names of all models for texts, smallest first. */
export const BERT_PRESETS = Object.keys(BERTS) as BertPreset[];
/** All names, those for pictures first. */
export const PRESETS: readonly Preset[] = [...VIT_PRESETS, ...BERT_PRESETS];

/** Whether the name is a preset for pictures; false for any other, such as a folder's. */
export function isVitPreset(name: string): name is VitPreset {
  return Object.hasOwn(VITS, name);
}

/** Whether the name is a preset for texts; false for any other, such as a folder's. */
export function isBertPreset(name: string): name is BertPreset {
  return Object.hasOwn(BERTS, name);
}

/** The config of a ViT preset for these labels. */
export function vitPreset(
  preset: VitPreset,
  labels: readonly string[],
  problemType = assumedProblemType(labels.length),
): VitConfig {
  const { side, ...sizes } = VITS[preset];
  return {
    ...sizes,
    variant: 'vit',
    imageSize: { height: side, width: side },
    channels: 3,
    layerNormEpsilon: 1e-12,
    activation: 'gelu',
    initializerRange: 0.02,
    labels,
    problemType,
  };
}

/** The config of a BERT preset for these labels and sequences of `tokens`, at most `BERT_POSITIONS`. */
export function bertPreset(
  preset: BertPreset,
  labels: readonly string[],
  tokens: number,
  problemType = assumedProblemType(labels.length),
): BertConfig {
  return {
    ...BERTS[preset],
    variant: 'bert',
    embeddingSize: BERTS[preset].hiddenSize,
    activation: 'gelu',
    vocabSize: 30_522,
    maxPositions: BERT_POSITIONS,
    typeVocabSize: 2,
    layerNormEpsilon: 1e-12,
    initializerRange: 0.02,
    headDropout: 0.1,
    tokens,
    labels,
    problemType,
  };
}

/** The model of a preset; null where no preset has that name. `tokens` is for texts. */
export function presetModel(name: string, labels: readonly string[], tokens: number): Model | null {
  if (isVitPreset(name)) return createVit(vitPreset(name, labels));
  if (isBertPreset(name)) return createBert(bertPreset(name, labels, tokens));
  return null;
}

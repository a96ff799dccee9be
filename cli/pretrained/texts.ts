/** What all architectures that read texts have in common. */
import { join } from 'node:path';
import { isObject, type JsonObject } from '../../runtime/artifact/schema.ts';
import { createAnyTokenizer } from '../../runtime/text/any-tokenizer.ts';
import { ROBERTA_PAD, type TextLimits } from '../../runtime/text/limits.ts';
import { UserError } from '../io/errors.ts';
import { exists, readJson } from '../io/files.ts';
import type { BertConfig, BertVariant } from '../models/bert.ts';
import { loadTokenizerJson } from '../text/tokenizer-files.ts';
import type { FitOptions } from './architecture.ts';
import { type ConfigFields, headFields, MAX_LAYERS } from './config-fields.ts';
import { hiddenActName, readHiddenAct } from './hidden-act.ts';
import type { TextPreprocessing } from './preprocessing.ts';

/** A text's greatest length where nobody asks for another. */
const USUAL_TOKENS = 512;

/** The config for these labels and this greatest length, and the tokenizer. */
export async function fitTexts(
  folder: string,
  stored: BertConfig,
  options: FitOptions,
): Promise<{ config: BertConfig; preprocessing: TextPreprocessing }> {
  if (options.imageSize !== undefined) throw new UserError(`${folder} is a model of texts, which have no image size`);
  const settings = await tokenizerSettings(folder);
  const { maxPositions, vocabSize, typeVocabSize } = stored;
  const tokens = options.maxTokens ?? writtenLimit(settings, maxPositions) ?? stored.tokens;
  if (tokens > maxPositions) {
    throw new UserError(
      `${folder}: expected at most ${maxPositions} tokens, for which it has positions, got ${tokens}`,
      'Ask for shorter texts.',
    );
  }
  const tokenizer = await loadTokenizerJson(folder);
  const { vocabSize: known, types } = createAnyTokenizer(tokenizer);
  if (known > vocabSize) {
    throw new UserError(
      `${folder}: the tokenizer has ids up to ${known - 1}, the checkpoint has embeddings for ${vocabSize}`,
      'Does the tokenizer belong to these weights?',
    );
  }
  if (typeVocabSize > 0 && types.single > typeVocabSize) {
    throw new UserError(
      `${folder}: the tokenizer tells ${types.single} types of tokens apart, ` +
        `the checkpoint has embeddings for ${typeVocabSize}`,
      'Does the tokenizer belong to these weights?',
    );
  }
  const { labels = stored.labels, problemType = stored.problemType } = options;
  const config = { ...stored, labels, problemType, tokens };
  const limits = textLimits(config);
  return { config, preprocessing: { kind: 'text', tokenizer, maxTokens: tokens, types: typeVocabSize > 0, limits } };
}

/** What a model can't be asked, though its tokenizer takes it. */
export function textLimits({ variant, typeVocabSize }: BertConfig): TextLimits {
  return {
    types: typeVocabSize > 0 ? typeVocabSize : null,
    placeless: variant === 'roberta' ? ROBERTA_PAD : null,
  };
}

async function tokenizerSettings(folder: string): Promise<JsonObject> {
  const path = join(folder, 'tokenizer_config.json');
  if (!(await exists(path))) return {};
  const json = await readJson(path);
  if (!isObject(json)) throw new UserError(`${path}: expected a JSON object`);
  return json;
}

/**
 * model_max_length; null where it is absent or beyond the positions, as 1e30 is, which transformers writes for "none".
 */
function writtenLimit({ model_max_length: limit }: JsonObject, maxPositions: number): number | null {
  return Number.isInteger(limit) && (limit as number) >= 1 && (limit as number) <= maxPositions
    ? (limit as number)
    : null;
}

/** The longest text that a model with these positions takes where nobody says. */
export function usualTokens(maxPositions: number): number {
  return Math.min(maxPositions, USUAL_TOKENS);
}

/** UserError when the sizes of a config don't go together. */
export function checkTextConfig({ hiddenSize, heads, headDropout }: BertConfig, where: string): void {
  if (hiddenSize % heads !== 0)
    throw new UserError(`${where}: expected a hidden size divisible by ${heads} heads, got ${hiddenSize}`);
  if (headDropout >= 1) throw new UserError(`${where}: expected the head's dropout to be below 1, got ${headDropout}`);
}

/** UserError where a config asks for something that the graph of ../models/bert.ts does not compute. */
export function expectSupported(fields: ConfigFields, path: string): void {
  if (fields.flag('is_decoder', false))
    throw new UserError(
      `${path}: expected is_decoder false, got true`,
      'A decoder, whose tokens see only those before them, is not supported.',
    );
  if (fields.flag('add_cross_attention', false))
    throw new UserError(
      `${path}: expected add_cross_attention false, got true`,
      'A model that attends to another one is not supported.',
    );
  const positions = fields.text('position_embedding_type', 'absolute');
  if (positions !== 'absolute')
    throw new UserError(
      `${path}: expected position_embedding_type absolute, got ${positions}`,
      'Only a table of positions is supported.',
    );
}

/** What families that have the same fields differ in. */
export interface EncoderDefaults {
  readonly vocabSize: number;
  readonly hiddenSize?: number;
  readonly heads?: number;
  readonly intermediateSize?: number;
  /** Of the embeddings, where a config says it, apart from the blocks' width. */
  readonly embeddingSize?: number;
  /** Rows of the position table that are for no token. */
  readonly reserved: number;
}

/** The fields of BERT and of those that followed it. */
export function readEncoderConfig(
  variant: BertVariant,
  fields: ConfigFields,
  path: string,
  defaults: EncoderDefaults,
): BertConfig {
  expectSupported(fields, path);
  const { reserved } = defaults;
  const stored = fields.count('max_position_embeddings', 512);
  const hiddenSize = fields.count('hidden_size', defaults.hiddenSize ?? 768);
  if (stored <= reserved)
    throw new UserError(`${path}: expected max_position_embeddings above ${reserved}, got ${stored}`);
  const config: BertConfig = {
    variant,
    vocabSize: fields.count('vocab_size', defaults.vocabSize),
    maxPositions: stored - reserved,
    typeVocabSize: fields.count('type_vocab_size', 2),
    embeddingSize:
      defaults.embeddingSize === undefined ? hiddenSize : fields.count('embedding_size', defaults.embeddingSize),
    hiddenSize,
    layers: fields.count('num_hidden_layers', 12, MAX_LAYERS),
    heads: fields.count('num_attention_heads', defaults.heads ?? 12),
    intermediateSize: fields.count('intermediate_size', defaults.intermediateSize ?? 3072),
    layerNormEpsilon: fields.number('layer_norm_eps', 1e-12),
    activation: readHiddenAct(fields, 'hidden_act', path),
    initializerRange: fields.number('initializer_range', 0.02),
    tokens: usualTokens(stored - reserved),
    headDropout: fields.number('classifier_dropout', fields.number('hidden_dropout_prob', 0.1)),
    labels: fields.labels(),
    problemType: fields.problemType(),
  };
  checkTextConfig(config, path);
  return config;
}

/** What `readEncoderConfig` reads. */
export function writeEncoderConfig(config: BertConfig, reserved: number): Record<string, unknown> {
  return {
    vocab_size: config.vocabSize,
    max_position_embeddings: config.maxPositions + reserved,
    type_vocab_size: config.typeVocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    intermediate_size: config.intermediateSize,
    hidden_act: hiddenActName(config.activation),
    position_embedding_type: 'absolute',
    layer_norm_eps: config.layerNormEpsilon,
    initializer_range: config.initializerRange,
    classifier_dropout: config.headDropout,
    ...headFields(config),
  };
}

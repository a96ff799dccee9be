/** DistilBERT in Hugging Face's words: the only place that knows their names for it. */
import { type BertConfig, createBert } from '../models/bert.ts';
import { type Architecture, checkpointName, wholePart } from './architecture.ts';
import { headFields, MAX_LAYERS, readConfigFields } from './config-fields.ts';
import { hiddenActName, readHiddenAct } from './hidden-act.ts';
import { checkTextConfig, expectSupported, fitTexts, usualTokens } from './texts.ts';

const BLOCK_NAMES: Readonly<Record<string, string>> = {
  query: 'attention.q_lin',
  key: 'attention.k_lin',
  value: 'attention.v_lin',
  attention: 'attention.out_lin',
  norm1: 'sa_layer_norm',
  up: 'ffn.lin1',
  down: 'ffn.lin2',
  norm2: 'output_layer_norm',
};

const OTHER_NAMES: Readonly<Record<string, string>> = {
  'embedding.word': 'distilbert.embeddings.word_embeddings.weight',
  'embedding.position': 'distilbert.embeddings.position_embeddings.weight',
  'norm.weight': 'distilbert.embeddings.LayerNorm.weight',
  'norm.bias': 'distilbert.embeddings.LayerNorm.bias',
  'pooler.weight': 'pre_classifier.weight',
  'pooler.bias': 'pre_classifier.bias',
  'head.weight': 'classifier.weight',
  'head.bias': 'classifier.bias',
};

/** Not in the config: transformers has it as a number in the code. */
const LAYER_NORM_EPSILON = 1e-12;

function readConfig(json: unknown, path: string): BertConfig {
  const fields = readConfigFields(json, path);
  expectSupported(fields, path);
  const maxPositions = fields.count('max_position_embeddings', 512);
  const config: BertConfig = {
    variant: 'distilbert',
    vocabSize: fields.count('vocab_size', 30_522),
    maxPositions,
    typeVocabSize: 0,
    embeddingSize: fields.count('dim', 768),
    hiddenSize: fields.count('dim', 768),
    layers: fields.count('n_layers', 6, MAX_LAYERS),
    heads: fields.count('n_heads', 12),
    intermediateSize: fields.count('hidden_dim', 3072),
    layerNormEpsilon: LAYER_NORM_EPSILON,
    activation: readHiddenAct(fields, 'activation', path),
    initializerRange: fields.number('initializer_range', 0.02),
    tokens: usualTokens(maxPositions),
    headDropout: fields.number('seq_classif_dropout', 0.2),
    labels: fields.labels(),
    problemType: fields.problemType(),
  };
  checkTextConfig(config, path);
  return config;
}

function writeConfig(config: BertConfig): Record<string, unknown> {
  return {
    architectures: ['DistilBertForSequenceClassification'],
    model_type: 'distilbert',
    vocab_size: config.vocabSize,
    max_position_embeddings: config.maxPositions,
    sinusoidal_pos_embds: false,
    dim: config.hiddenSize,
    n_layers: config.layers,
    n_heads: config.heads,
    hidden_dim: config.intermediateSize,
    activation: hiddenActName(config.activation),
    initializer_range: config.initializerRange,
    seq_classif_dropout: config.headDropout,
    ...headFields(config),
  };
}

/** DistilBertForSequenceClassification (Sanh et al. 2019): no types of tokens. */
export const distilbertArchitecture: Architecture<BertConfig> = {
  modelType: 'distilbert',
  readConfig,
  checkConfig: checkTextConfig,
  writeConfig,
  create: createBert,
  fit: fitTexts,
  storedAs: ({ name, shape }) => [
    wholePart(checkpointName(name, 'distilbert.transformer.layer', BLOCK_NAMES, OTHER_NAMES), shape),
  ],
  adapt: (_, data) => data,
  basePrefix: 'distilbert.',
};

/** BERT in Hugging Face's words: the only place that knows their names for it. */
import { type BertConfig, createBert } from '../models/bert.ts';
import { type Architecture, checkpointName, wholePart } from './architecture.ts';
import { readConfigFields } from './config-fields.ts';
import { checkTextConfig, fitTexts, readEncoderConfig, writeEncoderConfig } from './texts.ts';

/** RoBERTa has them too. */
export const BERT_BLOCK_NAMES: Readonly<Record<string, string>> = {
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  attention: 'attention.output.dense',
  norm1: 'attention.output.LayerNorm',
  up: 'intermediate.dense',
  down: 'output.dense',
  norm2: 'output.LayerNorm',
};

const OTHER_NAMES: Readonly<Record<string, string>> = {
  'embedding.word': 'bert.embeddings.word_embeddings.weight',
  'embedding.position': 'bert.embeddings.position_embeddings.weight',
  'embedding.type': 'bert.embeddings.token_type_embeddings.weight',
  'norm.weight': 'bert.embeddings.LayerNorm.weight',
  'norm.bias': 'bert.embeddings.LayerNorm.bias',
  'pooler.weight': 'bert.pooler.dense.weight',
  'pooler.bias': 'bert.pooler.dense.bias',
  'head.weight': 'classifier.weight',
  'head.bias': 'classifier.bias',
};

/** BertForSequenceClassification (Devlin et al. 2018): two types of tokens, a pooler before the head. */
export const bertArchitecture: Architecture<BertConfig> = {
  modelType: 'bert',
  readConfig: (json, path) =>
    readEncoderConfig('bert', readConfigFields(json, path), path, { maxPositions: 512, typeVocabSize: 2, reserved: 0 }),
  checkConfig: checkTextConfig,
  writeConfig: (config) => ({
    architectures: ['BertForSequenceClassification'],
    model_type: 'bert',
    ...writeEncoderConfig(config, 0),
  }),
  create: createBert,
  fit: fitTexts,
  storedAs: ({ name, shape }) => [
    wholePart(checkpointName(name, 'bert.encoder.layer', BERT_BLOCK_NAMES, OTHER_NAMES), shape),
  ],
  adapt: (_, data) => data,
  basePrefix: 'bert.',
};

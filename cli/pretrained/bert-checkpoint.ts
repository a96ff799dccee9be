/** BERT and ERNIE in Hugging Face's words: the only place that knows their names. */
import { type BertConfig, createBert } from '../models/bert.ts';
import { type Architecture, checkpointName, wholePart } from './architecture.ts';
import { readConfigFields } from './config-fields.ts';
import { checkTextConfig, fitTexts, readEncoderConfig, writeEncoderConfig } from './texts.ts';

/** RoBERTa and ELECTRA have them too. */
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

/** Names outside the blocks and the head, which RoBERTa and ELECTRA have too. */
export function encoderNames(prefix: string): Readonly<Record<string, string>> {
  return {
    'embedding.word': `${prefix}embeddings.word_embeddings.weight`,
    'embedding.position': `${prefix}embeddings.position_embeddings.weight`,
    'embedding.type': `${prefix}embeddings.token_type_embeddings.weight`,
    'norm.weight': `${prefix}embeddings.LayerNorm.weight`,
    'norm.bias': `${prefix}embeddings.LayerNorm.bias`,
  };
}

function bertNames(prefix: string): Readonly<Record<string, string>> {
  return {
    ...encoderNames(prefix),
    'pooler.weight': `${prefix}pooler.dense.weight`,
    'pooler.bias': `${prefix}pooler.dense.bias`,
    'head.weight': 'classifier.weight',
    'head.bias': 'classifier.bias',
  };
}

const BERT_NAMES = bertNames('bert.');

/** BertForSequenceClassification (Devlin et al. 2018): two types of tokens, a pooler before the head. */
export const bertArchitecture: Architecture<BertConfig> = {
  modelType: 'bert',
  readConfig: (json, path) =>
    readEncoderConfig('bert', readConfigFields(json, path), path, { vocabSize: 30_522, reserved: 0 }),
  checkConfig: checkTextConfig,
  writeConfig: (config) => ({
    architectures: ['BertForSequenceClassification'],
    model_type: 'bert',
    ...writeEncoderConfig(config, 0),
  }),
  create: createBert,
  fit: fitTexts,
  storedAs: ({ name, shape }) => [
    wholePart(checkpointName(name, 'bert.encoder.layer', BERT_BLOCK_NAMES, BERT_NAMES), shape),
  ],
  adapt: (_, data) => data,
  basePrefix: 'bert.',
};

const ERNIE_NAMES = bertNames('ernie.');

/**
 * ErnieForSequenceClassification (Sun et al. 2019): BERT. Where it knows tasks (`use_task_id`, ERNIE 3.0), texts that
 * name none are of the first, whose row is part of every position; it is written as a model without tasks.
 */
export const ernieArchitecture: Architecture<BertConfig> = {
  modelType: 'ernie',
  readConfig(json, path) {
    const fields = readConfigFields(json, path);
    const config = readEncoderConfig('bert', fields, path, { vocabSize: 30_522, reserved: 0 });
    return fields.flag('use_task_id', false)
      ? { ...config, taskTypes: fields.count('task_type_vocab_size', 3) }
      : config;
  },
  checkConfig: checkTextConfig,
  writeConfig: (config) => ({
    architectures: ['ErnieForSequenceClassification'],
    model_type: 'ernie',
    use_task_id: false,
    ...writeEncoderConfig(config, 0),
  }),
  create: createBert,
  fit: fitTexts,
  storedAs: ({ name, shape }) => [
    wholePart(checkpointName(name, 'ernie.encoder.layer', BERT_BLOCK_NAMES, ERNIE_NAMES), shape),
  ],
  addedRow: ({ name }, { taskTypes, hiddenSize }) =>
    name === 'embedding.position' && taskTypes !== undefined
      ? wholePart('ernie.embeddings.task_type_embeddings.weight', [taskTypes, hiddenSize])
      : null,
  adapt: (_, data) => data,
  basePrefix: 'ernie.',
};

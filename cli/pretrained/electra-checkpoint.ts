/** ELECTRA in Hugging Face's words: the only place that knows their names for it. */
import { type BertConfig, createBert } from '../models/bert.ts';
import { type Architecture, checkpointName, wholePart } from './architecture.ts';
import { BERT_BLOCK_NAMES, encoderNames } from './bert-checkpoint.ts';
import { readConfigFields } from './config-fields.ts';
import { checkTextConfig, fitTexts, readEncoderConfig, writeEncoderConfig } from './texts.ts';

const NAMES: Readonly<Record<string, string>> = {
  ...encoderNames('electra.'),
  'embedding.projection.weight': 'electra.embeddings_project.weight',
  'embedding.projection.bias': 'electra.embeddings_project.bias',
  'pooler.weight': 'classifier.dense.weight',
  'pooler.bias': 'classifier.dense.bias',
  'head.weight': 'classifier.out_proj.weight',
  'head.bias': 'classifier.out_proj.bias',
};

/** ElectraForSequenceClassification (Clark et al. 2020): narrow embeddings, GELU in the head. */
export const electraArchitecture: Architecture<BertConfig> = {
  modelType: 'electra',
  readConfig: (json, path) =>
    readEncoderConfig('electra', readConfigFields(json, path), path, {
      vocabSize: 30_522,
      hiddenSize: 256,
      embeddingSize: 128,
      heads: 4,
      intermediateSize: 1024,
      reserved: 0,
    }),
  checkConfig: checkTextConfig,
  writeConfig: (config) => ({
    architectures: ['ElectraForSequenceClassification'],
    model_type: 'electra',
    embedding_size: config.embeddingSize,
    ...writeEncoderConfig(config, 0),
  }),
  create: createBert,
  fit: fitTexts,
  storedAs: ({ name, shape }) => [
    wholePart(checkpointName(name, 'electra.encoder.layer', BERT_BLOCK_NAMES, NAMES), shape),
  ],
  adapt: (_, data) => data,
  basePrefix: 'electra.',
};

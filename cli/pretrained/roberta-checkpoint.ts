/** RoBERTa in Hugging Face's words: the only place that knows their names for it. */
import { UserError } from '../io/errors.ts';
import { type BertConfig, createBert } from '../models/bert.ts';
import { type Architecture, checkpointName, wholePart } from './architecture.ts';
import { BERT_BLOCK_NAMES } from './bert-checkpoint.ts';
import { readConfigFields } from './config-fields.ts';
import { checkTextConfig, fitTexts, readEncoderConfig, writeEncoderConfig } from './texts.ts';

const OTHER_NAMES: Readonly<Record<string, string>> = {
  'embedding.word': 'roberta.embeddings.word_embeddings.weight',
  'embedding.position': 'roberta.embeddings.position_embeddings.weight',
  'embedding.type': 'roberta.embeddings.token_type_embeddings.weight',
  'norm.weight': 'roberta.embeddings.LayerNorm.weight',
  'norm.bias': 'roberta.embeddings.LayerNorm.bias',
  'pooler.weight': 'classifier.dense.weight',
  'pooler.bias': 'classifier.dense.bias',
  'head.weight': 'classifier.out_proj.weight',
  'head.bias': 'classifier.out_proj.bias',
};

/** The id of padding, whose place in the position table padding has too. */
const PAD = 1;
/** A text's first token is at the place after padding's: no token is ever at the ones before. */
const RESERVED = PAD + 1;

function readConfig(json: unknown, path: string): BertConfig {
  const fields = readConfigFields(json, path);
  const pad = fields.number('pad_token_id', PAD);
  if (pad !== PAD)
    throw new UserError(
      `${path}: expected pad_token_id ${PAD}, got ${pad}`,
      'Positions are counted from it; other places are not supported.',
    );
  return readEncoderConfig('roberta', fields, path, { maxPositions: 512, typeVocabSize: 2, reserved: RESERVED });
}

/**
 * RobertaForSequenceClassification (Liu et al. 2019): its two first rows of positions stand for no token, and are left
 * out.
 */
export const robertaArchitecture: Architecture<BertConfig> = {
  modelType: 'roberta',
  readConfig,
  checkConfig: checkTextConfig,
  writeConfig: (config) => ({
    architectures: ['RobertaForSequenceClassification'],
    model_type: 'roberta',
    ...writeEncoderConfig(config, RESERVED),
    bos_token_id: 0,
    pad_token_id: PAD,
    eos_token_id: 2,
  }),
  create: createBert,
  fit: fitTexts,
  storedAs({ name, shape }) {
    const theirs = checkpointName(name, 'roberta.encoder.layer', BERT_BLOCK_NAMES, OTHER_NAMES);
    if (name !== 'embedding.position') return [wholePart(theirs, shape)];
    const [rows, width] = shape;
    return [wholePart(theirs, [rows + RESERVED, width], { unused: RESERVED * width })];
  },
  adapt: (_, data) => data,
  basePrefix: 'roberta.',
};

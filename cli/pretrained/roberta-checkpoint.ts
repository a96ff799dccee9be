/** RoBERTa, and those that compute as it does, in Hugging Face's words: the only place that knows their names. */
import { ROBERTA_PAD as PAD } from '../../runtime/text/limits.ts';
import { UserError } from '../io/errors.ts';
import { type BertConfig, createBert } from '../models/bert.ts';
import { type Architecture, checkpointName, wholePart } from './architecture.ts';
import { BERT_BLOCK_NAMES, encoderNames } from './bert-checkpoint.ts';
import { type ConfigFields, readConfigFields } from './config-fields.ts';
import { checkTextConfig, fitTexts, readEncoderConfig, writeEncoderConfig } from './texts.ts';

/** A text's first token is at the place after padding's: no token is ever at the ones before. */
const RESERVED = PAD + 1;

/** What a family that computes as RoBERTa calls itself. */
interface Family {
  readonly modelType: string;
  /** Of transformers' class for classification, which `architectures` names. */
  readonly className: string;
  /** Before the names of all tensors but the head's. */
  readonly prefix: string;
  readonly vocabSize: number;
}

function expectPad(fields: ConfigFields, path: string): void {
  const pad = fields.number('pad_token_id', PAD);
  if (pad !== PAD)
    throw new UserError(
      `${path}: expected pad_token_id ${PAD}, got ${pad}`,
      'Positions are counted from it; other places are not supported.',
    );
}

/** Two first rows of positions stand for no token, and are left out. */
function robertaFamily({ modelType, className, prefix, vocabSize }: Family): Architecture<BertConfig> {
  const names: Readonly<Record<string, string>> = {
    ...encoderNames(prefix),
    'pooler.weight': 'classifier.dense.weight',
    'pooler.bias': 'classifier.dense.bias',
    'head.weight': 'classifier.out_proj.weight',
    'head.bias': 'classifier.out_proj.bias',
  };
  return {
    modelType,
    readConfig(json, path) {
      const fields = readConfigFields(json, path);
      expectPad(fields, path);
      return readEncoderConfig('roberta', fields, path, { vocabSize, reserved: RESERVED });
    },
    checkConfig: checkTextConfig,
    writeConfig: (config) => ({
      architectures: [className],
      model_type: modelType,
      ...writeEncoderConfig(config, RESERVED),
      bos_token_id: 0,
      pad_token_id: PAD,
      eos_token_id: 2,
    }),
    create: createBert,
    fit: fitTexts,
    storedAs({ name, shape }) {
      const theirs = checkpointName(name, `${prefix}encoder.layer`, BERT_BLOCK_NAMES, names);
      if (name !== 'embedding.position') return [wholePart(theirs, shape)];
      const [rows, width] = shape;
      return [wholePart(theirs, [rows + RESERVED, width], { unused: RESERVED * width })];
    },
    adapt: (_, data) => data,
    basePrefix: prefix,
  };
}

/** RobertaForSequenceClassification (Liu et al. 2019). */
export const robertaArchitecture = robertaFamily({
  modelType: 'roberta',
  className: 'RobertaForSequenceClassification',
  prefix: 'roberta.',
  vocabSize: 50_265,
});

/** XLMRobertaForSequenceClassification (Conneau et al. 2019): a hundred languages. */
export const xlmRobertaArchitecture = robertaFamily({
  modelType: 'xlm-roberta',
  className: 'XLMRobertaForSequenceClassification',
  prefix: 'roberta.',
  vocabSize: 30_522,
});

/** CamembertForSequenceClassification (Martin et al. 2019): French. */
export const camembertArchitecture = robertaFamily({
  modelType: 'camembert',
  className: 'CamembertForSequenceClassification',
  prefix: 'roberta.',
  vocabSize: 30_522,
});

/** Data2VecTextForSequenceClassification (Baevski et al. 2022). */
export const data2vecTextArchitecture = robertaFamily({
  modelType: 'data2vec-text',
  className: 'Data2VecTextForSequenceClassification',
  prefix: 'data2vec_text.',
  vocabSize: 30_522,
});

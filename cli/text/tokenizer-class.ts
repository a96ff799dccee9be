/**
 * transformers' classes of tokenizers. Since its version 5 most of them take no more than vocabulary and merges of a
 * tokenizer.json, and make normalizer, pre-tokenizer and special tokens anew, by tokenizer_config.json: which class it
 * names decides what a text becomes.
 */
import type { JsonObject } from '../../runtime/artifact/schema.ts';
import { UserError } from '../io/errors.ts';

/** How a class makes its tokenizer; `written`: of tokenizer.json as it is. */
export type TokenizerKind = 'bert' | 'roberta' | 'gpt2' | 'xlm-roberta' | 'camembert' | 'written';

/** A class that Slim computes as transformers does. */
export interface TokenizerClass {
  readonly name: string;
  readonly kind: TokenizerKind;
  /** Whether a model is given the types of tokens where tokenizer_config.json does not say. */
  readonly types: boolean;
}

const KINDS: Readonly<Record<string, Omit<TokenizerClass, 'name'>>> = {
  BertTokenizer: { kind: 'bert', types: true },
  ElectraTokenizer: { kind: 'bert', types: true },
  MobileBertTokenizer: { kind: 'bert', types: true },
  LayoutLMTokenizer: { kind: 'bert', types: true },
  SqueezeBertTokenizer: { kind: 'bert', types: true },
  DistilBertTokenizer: { kind: 'bert', types: false },
  RobertaTokenizer: { kind: 'roberta', types: false },
  BartTokenizer: { kind: 'roberta', types: false },
  LongformerTokenizer: { kind: 'roberta', types: false },
  LEDTokenizer: { kind: 'roberta', types: false },
  GPT2Tokenizer: { kind: 'gpt2', types: false },
  XLMRobertaTokenizer: { kind: 'xlm-roberta', types: false },
  CamembertTokenizer: { kind: 'camembert', types: false },
  PreTrainedTokenizer: { kind: 'written', types: false },
  TokenizersBackend: { kind: 'written', types: false },
  PythonBackend: { kind: 'written', types: false },
};

const BY_MODEL_TYPE: Readonly<Record<string, string>> = {
  bert: 'BertTokenizer',
  distilbert: 'BertTokenizer',
  electra: 'BertTokenizer',
  ernie: 'BertTokenizer',
  roberta: 'RobertaTokenizer',
  'data2vec-text': 'RobertaTokenizer',
  'xlm-roberta': 'XLMRobertaTokenizer',
  camembert: 'CamembertTokenizer',
};

/**
 * The class of a folder's tokenizer, by tokenizer_config.json (`settings`), else by config.json (`model`): its
 * tokenizer_class, or the usual one of its model_type. null where neither tells. UserError names a class that Slim does
 * not read.
 */
export function tokenizerClass(folder: string, settings: JsonObject, model: JsonObject): TokenizerClass | null {
  if (settings.auto_map !== undefined && settings.auto_map !== null)
    throw new UserError(
      `${folder}: its tokenizer runs code of its own (auto_map in tokenizer_config.json), which Slim does not`,
      SAVE_AS_JSON,
    );
  const given = settings.tokenizer_class ?? model.tokenizer_class ?? BY_MODEL_TYPE[String(model.model_type)];
  if (given === undefined || given === null) return null;
  const name = String(given);
  const known = KINDS[name.replace(/Fast$/, '')];
  if (known === undefined)
    throw new UserError(
      `${folder}: a tokenizer of class ${name} is not read`,
      `Slim reads ${Object.keys(KINDS).slice(0, -2).join(', ')}, and what transformers loads as PreTrainedTokenizerFast.`,
    );
  return { name, ...known };
}

/** What to do with a tokenizer whose files are none that Slim reads. */
export const SAVE_AS_JSON =
  'A tokenizer.json that stands for itself beside {"tokenizer_class": "PreTrainedTokenizerFast"} is read.';

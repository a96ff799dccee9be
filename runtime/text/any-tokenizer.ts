/** Tokenizers of every model that is known; hosts that need fewer bytes leave Unigram out (tokenizer.ts alone). */
import { isObject } from '../artifact/schema.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';
import { createUnigramTokenizer } from './unigram.ts';

/** Whether the model of a tokenizer.json is Unigram. Files of before 2020 do not name it, but have scores. */
export function isUnigram(json: unknown): boolean {
  if (!isObject(json) || !isObject(json.model)) return false;
  const { type, vocab } = json.model;
  return type === 'Unigram' || (type === undefined && Array.isArray(vocab));
}

/**
 * Makes a tokenizer of a tokenizer.json: WordPiece, byte-level BPE or Unigram. Throws PreprocessError `bad-spec` naming
 * what is wrong with it, or not supported.
 */
export function createAnyTokenizer(json: unknown): Tokenizer {
  return isUnigram(json) ? createUnigramTokenizer(json) : createTokenizer(json);
}

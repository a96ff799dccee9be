import type { JsonObject } from '../../runtime/artifact/schema.ts';

/** A token that stands for no text, such as [CLS], and its id. */
export interface SpecialToken {
  readonly content: string;
  readonly id: number;
}

/** What a tokenizer.json is made of. */
export interface BertTokenizerParts {
  readonly vocab: ReadonlyMap<string, number>;
  readonly addedTokens: readonly JsonObject[];
  readonly cls: SpecialToken;
  readonly sep: SpecialToken;
  readonly unk: SpecialToken;
  /** These three as tokenizer_config.json has them, unchecked. */
  readonly lowercase: unknown;
  readonly stripAccents: unknown;
  readonly chineseCharacters: unknown;
}

/** The tokenizer.json that transformers makes of a BERT vocabulary. */
export function bertTokenizerJson({
  vocab,
  addedTokens,
  cls,
  sep,
  unk,
  lowercase,
  stripAccents,
  chineseCharacters,
}: BertTokenizerParts): JsonObject {
  const a = { Sequence: { id: 'A', type_id: 0 } };
  const b = { Sequence: { id: 'B', type_id: 1 } };
  const token = ({ content }: SpecialToken, type_id = 0): JsonObject => ({ SpecialToken: { id: content, type_id } });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens,
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: chineseCharacters,
      strip_accents: stripAccents,
      lowercase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [token(cls), a, token(sep)],
      pair: [token(cls), a, token(sep), b, token(sep, 1)],
      special_tokens: Object.fromEntries(
        [cls, sep].map(({ content, id }) => [content, { id: content, ids: [id], tokens: [content] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: unk.content,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: MAX_WORD_CHARACTERS,
      vocab: Object.fromEntries(vocab),
    },
  };
}

/** BERT's: longer words are unknown. */
export const MAX_WORD_CHARACTERS = 100;

/** An entry of `added_tokens`; with `lstrip` the token takes the white space before it. */
export function specialTokenJson({ content, id }: SpecialToken, lstrip = false): JsonObject {
  return { id, content, single_word: false, lstrip, rstrip: false, normalized: false, special: true };
}

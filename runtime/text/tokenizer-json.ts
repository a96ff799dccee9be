/**
 * tokenizer.json, the format of Hugging Face's tokenizers, as a stranger may have written it. Of all that it can
 * describe, what texts for classification come with is read: WordPiece as BERT has it, and byte-level BPE as RoBERTa
 * and ModernBERT have it. Nothing in it is run: no regular expression comes from the file, and names such as
 * `__proto__` are tokens like others, since they only ever lie in a Map.
 */
import {
  isObject,
  list,
  mismatch,
  object,
  oneOf,
  type Parsed,
  type Read,
  valueThat,
  wholeFrom,
} from '../artifact/schema.ts';
import { ofSpec } from '../preprocess/spec.ts';

/** No known vocabulary comes near it. */
export const MAX_VOCABULARY = 2 ** 20;
const MAX_ID = 2 ** 21 - 1;
const MAX_MERGES = 2 ** 21;
const MAX_TOKEN_LENGTH = 1024;
const MAX_ADDED = 2 ** 14;
/** Special tokens around the texts. */
const MAX_TEMPLATE = 16;
/** WordPiece looks a word's every beginning up; BERT's words are at most 100 characters. */
const MAX_WORD_CHARACTERS = 256;

/** A token's id. */
export const id = wholeFrom(0, MAX_ID);
/** A boolean. */
export const flag = valueThat<boolean>('true or false', (json) => typeof json === 'boolean');
/** A token, or a part of one. */
export const token = valueThat<string>(
  `a string of at most ${MAX_TOKEN_LENGTH} characters`,
  (json) => typeof json === 'string' && json.length <= MAX_TOKEN_LENGTH,
);
/** A setting that is off. */
export const nothing = valueThat<null>(
  'nothing',
  (json) => json === null || json === undefined || json === '' || json === false || json === 0,
);

/** What is absent or null is `otherwise`. */
export function optional<T, D>(read: Read<T>, otherwise: D): Read<T | D> {
  return (where, json) => (json === undefined || json === null ? otherwise : read(where, json));
}

/** An object that has these fields; others are none of our business. */
export function having<F extends Readonly<Record<string, Read<unknown>>>>(fields: F): Read<Parsed<F>> {
  return (where, json) => {
    const given = object(where, json);
    return Object.fromEntries(
      Object.entries(fields).map(([name, field]) => [
        name,
        field(`${where}.${name}`, Object.hasOwn(given, name) ? given[name] : undefined),
      ]),
    ) as Parsed<F>;
  };
}

/** An object of one of several types, told by its field `type`; `otherwise` where it has none. */
export function typed<Table extends Readonly<Record<string, Read<unknown>>>>(
  types: Table,
  otherwise: (json: unknown) => string | undefined = () => undefined,
) {
  type Result = {
    [Name in keyof Table]: { readonly type: Name; readonly value: Table[Name] extends Read<infer T> ? T : never };
  }[keyof Table];
  const names = oneOf(...Object.keys(types));
  return ((where, json) => {
    const type = names(`${where}.type`, object(where, json).type ?? otherwise(json));
    return { type, value: types[type](where, json) };
  }) as Read<Result>;
}

/** Token by token its id; no id twice. */
const vocabulary: Read<ReadonlyMap<string, number>> = (where, json) => {
  const entries = Object.entries(object(where, json));
  wholeFrom(1, MAX_VOCABULARY)(`${where}: tokens`, entries.length);
  const ids = new Set<number>();
  for (const [name, value] of entries) {
    token(where, name);
    if (ids.has(id(where, value))) throw mismatch(where, `an id of its own for each token`, value);
    ids.add(value as number);
  }
  return new Map(entries as [string, number][]);
};

/** "a b" in older files, ["a", "b"] in newer ones. */
const merge: Read<readonly [string, string]> = (where, json) => {
  const parts = typeof json === 'string' ? json.split(' ') : json;
  return list(token, 2, 2)(where, parts) as readonly [string, string];
};

const wordPiece = having({
  vocab: vocabulary,
  unk_token: token,
  continuing_subword_prefix: optional(token, '##'),
  max_input_chars_per_word: optional(wholeFrom(1, MAX_WORD_CHARACTERS), 100),
});

const bpe = having({
  vocab: vocabulary,
  merges: list(merge, 0, MAX_MERGES),
  unk_token: optional(token, null),
  continuing_subword_prefix: nothing,
  end_of_word_suffix: nothing,
  dropout: nothing,
  fuse_unk: nothing,
  byte_fallback: nothing,
  ignore_merges: optional(flag, false),
});

/** Files of before 2020 do not say which model it is. */
const model = typed({ WordPiece: wordPiece, BPE: bpe }, (json) =>
  isObject(json) && 'merges' in json ? 'BPE' : isObject(json) && 'unk_token' in json ? 'WordPiece' : undefined,
);

const bertNormalizer = having({
  clean_text: optional(flag, true),
  handle_chinese_chars: optional(flag, true),
  /** null: as `lowercase`. */
  strip_accents: optional(flag, null),
  lowercase: optional(flag, true),
});

const empty = having({});
/** Normalizers beside any model. */
export const unicode = { NFC: empty, NFD: empty, NFKC: empty, NFKD: empty, Lowercase: empty };
const normalizer = typed({
  BertNormalizer: bertNormalizer,
  ...unicode,
  Sequence: having({ normalizers: list(typed(unicode), 0, 8) }),
});

const byteLevel = having({
  add_prefix_space: optional(flag, true),
  use_regex: optional(
    valueThat<true>('true', (json) => json === true),
    true,
  ),
});
const preTokenizer = typed({
  BertPreTokenizer: empty,
  ByteLevel: byteLevel,
  Sequence: having({ pretokenizers: list(typed({ ByteLevel: byteLevel }), 1, 1) }),
});

const special: Read<readonly [string, number]> = (where, json) => {
  const [name, value] = list<unknown>((_, item) => item, 2, 2)(where, json);
  return [token(`${where}[0]`, name), id(`${where}[1]`, value)];
};

const typeId = wholeFrom(0, 255);
const place = having({
  SpecialToken: optional(having({ id: token, type_id: typeId }), null),
  Sequence: optional(having({ id: oneOf('A', 'B'), type_id: typeId }), null),
});
const template: Read<
  readonly { readonly ids: readonly string[]; readonly sequence: 'A' | 'B' | null; readonly type: number }[]
> = (where, json) =>
  list(
    place,
    1,
    MAX_TEMPLATE,
  )(where, json).map(({ SpecialToken, Sequence }, i) => {
    if ((SpecialToken === null) === (Sequence === null))
      throw mismatch(`${where}[${i}]`, 'a SpecialToken or a Sequence', json);
    return SpecialToken === null
      ? { ids: [], sequence: Sequence!.id, type: Sequence!.type_id }
      : { ids: [SpecialToken.id], sequence: null, type: SpecialToken.type_id };
  });

const specialTokens: Read<ReadonlyMap<string, readonly number[]>> = (where, json) =>
  new Map(
    Object.entries(object(where, json)).map(([name, value]) => [
      name,
      having({ ids: list(id, 1, MAX_TEMPLATE) })(`${where}.${name.slice(0, 40)}`, value).ids,
    ]),
  );

const processors = {
  TemplateProcessing: having({ single: template, pair: template, special_tokens: specialTokens }),
  BertProcessing: having({ cls: special, sep: special }),
  RobertaProcessing: having({ cls: special, sep: special }),
  ByteLevel: empty,
};
const postProcessor = typed({ ...processors, Sequence: having({ processors: list(typed(processors), 0, 4) }) });

const addedToken = having({
  id,
  content: valueThat<string>(
    `a string of 1 to ${MAX_TOKEN_LENGTH} characters`,
    (json) => typeof json === 'string' && json.length > 0 && json.length <= MAX_TOKEN_LENGTH,
  ),
  single_word: optional(flag, false),
  lstrip: optional(flag, false),
  rstrip: optional(flag, false),
  normalized: optional(flag, null),
  special: optional(flag, false),
});

const STRATEGIES = { LongestFirst: 'longest_first', OnlyFirst: 'only_first', OnlySecond: 'only_second' } as const;
const truncation = having({
  strategy: optional(oneOf(...(Object.keys(STRATEGIES) as (keyof typeof STRATEGIES)[])), 'LongestFirst' as const),
  direction: optional(oneOf('Left', 'Right'), 'Right' as const),
});

/** What does not depend on the model. */
export const commonFields = {
  added_tokens: optional(list(addedToken, 0, MAX_ADDED), []),
  post_processor: optional(postProcessor, null),
  truncation: optional(truncation, null),
  padding: optional(having({ pad_id: optional(id, null) }), null),
};

const tokenizerJson = having({
  model,
  normalizer: optional(normalizer, null),
  pre_tokenizer: optional(preTokenizer, null),
  ...commonFields,
});

/** The fields that do not depend on the model, as they were read. */
export type CommonJson = Parsed<typeof commonFields>;

/** A file that was read: what may be left out has its default. */
export type TokenizerJson = Parsed<typeof tokenizerJson>;
/** `model` of type WordPiece. */
export type WordPieceJson = Parsed<typeof wordPiece>;
/** `model` of type BPE. */
export type BpeJson = Parsed<typeof bpe>;
/** `normalizer` of type BertNormalizer. */
export type BertNormalizerJson = Parsed<typeof bertNormalizer>;
/** Any `normalizer` that is known, told apart by `type`. */
export type NormalizerJson = NonNullable<TokenizerJson['normalizer']>;
/** An entry of `added_tokens`, which is found in a text before all else. */
export type AddedTokenJson = Parsed<typeof addedToken>;
/** Any `post_processor` that is known, told apart by `type`. */
export type PostProcessorJson = NonNullable<TokenizerJson['post_processor']>;

/**
 * Checks what came from outside (a folder, an artifact). Throws PreprocessError `bad-spec` naming what is wrong or not
 * supported.
 */
export function readTokenizerJson(json: unknown): TokenizerJson {
  return ofSpec(tokenizerJson)('tokenizer', json);
}

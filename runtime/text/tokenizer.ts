/** Texts become token ids, by what a tokenizer.json says. The same code for training and for serving. */
import { failing, mismatch } from '../artifact/schema.ts';
import { PreprocessError } from '../preprocess/error.ts';
import { createAddedTokens } from './added-tokens.ts';
import { bertWords, lowerCase, normalizeBert, windows } from './bert-words.ts';
import { createByteLevelBpe } from './byte-level.ts';
import { specialCount, type TemplateItem, type Templates, templatesOf } from './template.ts';
import { TokenStream } from './token-stream.ts';
import {
  type AddedTokenJson,
  type CommonJson,
  type NormalizerJson,
  readTokenizerJson,
  type TokenizerJson,
} from './tokenizer-json.ts';
import { keptTokens } from './truncate.ts';
import { createWordPiece } from './wordpiece.ts';

/** T tokens, special ones included, without padding. */
export interface Encoding {
  /** (T) */
  readonly ids: Int32Array;
  /** (T), 0 for the first text, 1 for the second; as the tokenizer says. */
  readonly types: Int32Array;
  /** Tokens cut off: 0 where none was, else a number that they are at least, since what is cut off is not tokenized. */
  readonly truncated: number;
}

/** What a tokenizer.json does with texts. */
export interface Tokenizer {
  /** All ids are below it. */
  readonly vocabSize: number;
  /** All types are below it, of one text and of two. */
  readonly types: { readonly single: number; readonly pair: number };
  /** What batches are filled up with. */
  readonly padId: number;
  /** Special tokens around a text, and around two. */
  readonly specials: { readonly single: number; readonly pair: number };
  /**
   * The tokens of a text, or of two, with the special tokens around them, at most `maxTokens`: T of them, as many as
   * there are, without padding. Takes time in proportion to `maxTokens`, not to the texts, unless the tokenizer keeps
   * the end of a text (direction Left).
   * @throws RangeError where `maxTokens` leaves no room beside the special tokens.
   */
  encode(text: string, pair: string | null, maxTokens: number): Encoding;
}

/**
 * Makes a tokenizer of a tokenizer.json. Throws PreprocessError `bad-spec` naming what is wrong with it, or not
 * supported.
 */
export function createTokenizer(json: unknown): Tokenizer {
  const spec = readTokenizerJson(json);
  return assembled(spec, () => (spec.model.type === 'WordPiece' ? bertPipeline(spec) : byteLevelPipeline(spec)), [
    ...spec.model.value.vocab.values(),
  ]);
}

/**
 * A tokenizer of its parts: what a model of tokens does with a text, and what every tokenizer.json says around it.
 * `ids` are the vocabulary's. Mismatches become PreprocessErrors.
 */
export function assembled(spec: CommonJson, pipeline: () => Pipeline, ids: readonly number[]): Tokenizer {
  return failing(
    (message) => new PreprocessError('bad-spec', message),
    () => tokenizerOf(spec, pipeline(), ids),
  )('tokenizer', spec);
}

/** What each normalized piece of a text becomes. */
export interface Pipeline {
  /** Of a text as a whole or in pieces, where `windows` may part it. */
  readonly normalize: (text: string) => string;
  readonly parts: (text: string) => Iterable<string>;
  /** Word by word, of the pieces of one normalized text. */
  readonly tokens: (pieces: Iterable<string>) => Iterable<readonly number[]>;
}

function tokenizerOf(spec: CommonJson, { normalize, parts, tokens }: Pipeline, modelIds: readonly number[]): Tokenizer {
  const templates = templatesOf(spec.post_processor);
  const isNormalized = ({ normalized, special }: AddedTokenJson): boolean => normalized ?? !special;
  const raw = createAddedTokens(
    spec.added_tokens.filter((token) => !isNormalized(token)),
    (content) => content,
  );
  const normalizedTokens = spec.added_tokens.filter(isNormalized);
  const normalized = createAddedTokens(normalizedTokens, normalize);

  function* wordsOf(text: string): Generator<readonly number[]> {
    for (const part of raw(text)) {
      if (typeof part === 'number') yield [part];
      else if (normalizedTokens.length === 0) yield* tokens(mapped(parts(part), normalize));
      else yield* normalizedWords(normalize(part));
    }
  }

  function* normalizedWords(text: string): Generator<readonly number[]> {
    for (const part of normalized(text)) {
      if (typeof part === 'number') yield [part];
      else yield* tokens(parts(part));
    }
  }

  const { strategy, direction } = spec.truncation ?? { strategy: 'LongestFirst', direction: 'Right' };
  return {
    vocabSize: 1 + greatestId(modelIds, spec, templates),
    types: { single: typeCount(templates.single), pair: typeCount(templates.pair) },
    padId: spec.padding?.pad_id ?? spec.added_tokens.find(({ content }) => /^(\[PAD\]|<pad>)$/i.test(content))?.id ?? 0,
    specials: { single: specialCount(templates.single), pair: specialCount(templates.pair) },
    encode(text, pair, maxTokens) {
      const template = pair === null ? templates.single : templates.pair;
      const room = maxTokens - specialCount(template);
      if (!(room >= 0))
        throw new RangeError(`encode: expected room for ${specialCount(template)} special tokens, got ${maxTokens}`);
      const [A, B] = [text, pair ?? ''].map((one) => new TokenStream(wordsOf(one), direction));
      // Of two texts that are both cut, the longer one keeps the odd token; beyond `maxTokens` the original stops
      // counting, too.
      const [first, second] = [A, B].map((stream) => stream.count(Math.max(maxTokens, room + 1)));
      const [keptFirst, keptSecond] = keptTokens(first, second, room, strategy);
      return {
        ...filled(template, { A: A.keep(keptFirst), B: B.keep(keptSecond) }),
        truncated: first - keptFirst + second - keptSecond,
      };
    },
  };
}

function bertPipeline({ model, normalizer, pre_tokenizer }: TokenizerJson): Pipeline {
  if (model.type !== 'WordPiece') throw mismatch('tokenizer.model', 'WordPiece', model.type);
  if (normalizer !== null && normalizer.type !== 'BertNormalizer')
    throw mismatch('tokenizer.normalizer', 'BertNormalizer beside WordPiece', normalizer.type);
  if (pre_tokenizer?.type !== 'BertPreTokenizer')
    throw mismatch('tokenizer.pre_tokenizer', 'BertPreTokenizer beside WordPiece', pre_tokenizer?.type);
  const { vocab, unk_token, max_input_chars_per_word } = model.value;
  const unknown = vocab.get(unk_token);
  if (unknown === undefined)
    throw mismatch('tokenizer.model.vocab', `the unknown token ${unk_token.slice(0, 40)}`, undefined);
  const wordPiece = createWordPiece(model.value, unknown);
  return {
    normalize: (text) => (normalizer === null ? text : normalizeBert(text, normalizer.value)),
    parts: windows,
    *tokens(pieces) {
      for (const word of bertWords(pieces, max_input_chars_per_word)) yield wordPiece(word);
    },
  };
}

function byteLevelPipeline({ model, normalizer, pre_tokenizer }: TokenizerJson): Pipeline {
  if (model.type !== 'BPE') throw mismatch('tokenizer.model', 'BPE', model.type);
  const only = pre_tokenizer?.type === 'Sequence' ? pre_tokenizer.value.pretokenizers[0] : pre_tokenizer;
  if (only?.type !== 'ByteLevel') throw mismatch('tokenizer.pre_tokenizer', 'ByteLevel beside BPE', only?.type);
  const { vocab, merges } = model.value;
  for (const [a, b] of merges) {
    const missing = [a, b, a + b].find((token) => !vocab.has(token));
    if (missing !== undefined) throw mismatch('tokenizer.model.merges', 'tokens of the vocabulary', missing);
  }
  const { unk_token } = model.value;
  if (unk_token !== null && !vocab.has(unk_token))
    throw mismatch('tokenizer.model.vocab', `the unknown token ${unk_token.slice(0, 40)}`, undefined);
  const bpe = createByteLevelBpe(model.value, only.value);
  return {
    normalize: (text) => unicodeNormalized(text, normalizer),
    parts: (text) => [text],
    *tokens(pieces) {
      for (const piece of pieces) yield* bpe(piece);
    },
  };
}

function unicodeNormalized(text: string, normalizer: NormalizerJson | null): string {
  switch (normalizer?.type) {
    case undefined:
      return text;
    case 'Sequence':
      return normalizer.value.normalizers.reduce((result, one) => unicodeNormalized(result, one), text);
    case 'Lowercase':
      return lowerCase(text);
    case 'BertNormalizer':
      return normalizeBert(text, normalizer.value);
    default:
      return text.normalize(normalizer!.type);
  }
}

function typeCount(items: readonly TemplateItem[]): number {
  return 1 + Math.max(...items.map(({ type }) => type));
}

function greatestId(
  modelIds: readonly number[],
  { added_tokens, padding }: CommonJson,
  { single, pair }: Templates,
): number {
  let greatest = padding?.pad_id ?? 0;
  for (const id of modelIds) greatest = Math.max(greatest, id);
  for (const { id } of added_tokens) greatest = Math.max(greatest, id);
  for (const { ids } of [...single, ...pair])
    if (typeof ids !== 'string') for (const id of ids) greatest = Math.max(greatest, id);
  return greatest;
}

function* mapped(texts: Iterable<string>, change: (text: string) => string): Generator<string> {
  for (const text of texts) yield change(text);
}

function filled(
  template: readonly TemplateItem[],
  kept: Readonly<Record<'A' | 'B', readonly number[]>>,
): Pick<Encoding, 'ids' | 'types'> {
  const items = template.map(({ ids, type }) => ({ ids: typeof ids === 'string' ? kept[ids] : ids, type }));
  return {
    ids: Int32Array.from(items.flatMap(({ ids }) => ids)),
    types: Int32Array.from(items.flatMap(({ ids, type }) => ids.map(() => type))),
  };
}

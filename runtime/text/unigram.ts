/**
 * Unigram (Kudo 2018), as SentencePiece's models of XLM-RoBERTa and CamemBERT have it: of all ways to spell a word, the
 * one whose tokens' scores add up to most. It is what Hugging Face's tokenizers (Rust) compute, to the tie and the
 * rounding; the library for JavaScript was not taken: it has NFKC in place of SentencePiece's rules, splits no words at
 * the space's mark and keeps unknown characters apart.
 */
import { list, mismatch, oneOf, type Parsed, type Read, valueThat } from '../artifact/schema.ts';
import { ofSpec } from '../preprocess/spec.ts';
import { apart, lowerCase } from './bert-words.ts';
import { wordWindows } from './byte-level.ts';
import { createPrecompiled } from './precompiled.ts';
import { assembled, type Pipeline, type Tokenizer } from './tokenizer.ts';
import {
  commonFields,
  flag,
  having,
  id,
  MAX_VOCABULARY,
  nothing,
  optional,
  token,
  typed,
  unicode,
} from './tokenizer-json.ts';

const score = valueThat<number>('a finite number', Number.isFinite);
const scored: Read<readonly [string, number]> = (where, json) => {
  const [name, value] = list<unknown>((_, item) => item, 2, 2)(where, json);
  return [token(`${where}[0]`, name), score(`${where}[1]`, value)];
};

const unigram = having({
  vocab: list(scored, 1, MAX_VOCABULARY),
  unk_id: optional(id, null),
  byte_fallback: nothing,
});

const string = valueThat<string>('a string', (json) => typeof json === 'string');
/** The one pattern of SentencePiece's converters; no other is run. */
const pattern = having({ String: optional(string, null), Regex: optional(oneOf(' {2,}'), null) });
const normalizers = {
  ...unicode,
  Precompiled: having({ precompiled_charsmap: optional(string, '') }),
  Strip: having({ strip_left: optional(flag, true), strip_right: optional(flag, true) }),
  Replace: having({ pattern, content: string }),
};
const normalizer = typed({ ...normalizers, Sequence: having({ normalizers: list(typed(normalizers), 0, 8) }) });

const metaspace = having({
  replacement: optional(oneOf('\u2581'), '\u2581' as const),
  prepend_scheme: optional(oneOf('always', 'never'), null),
  /** What older files say in its stead. */
  add_prefix_space: optional(flag, true),
  split: optional(flag, true),
});
const preTokenizers = { Metaspace: metaspace, WhitespaceSplit: having({}) };
const preTokenizer = typed({
  ...preTokenizers,
  Sequence: having({ pretokenizers: list(typed(preTokenizers), 1, 2) }),
});

const unigramJson = having({
  model: typed({ Unigram: unigram }, () => 'Unigram'),
  normalizer: optional(normalizer, null),
  pre_tokenizer: preTokenizer,
  ...commonFields,
});

type UnigramJson = Parsed<typeof unigramJson>;
type Metaspace = Parsed<typeof metaspace>;

/** A tokenizer of a tokenizer.json whose model is Unigram. Throws PreprocessError `bad-spec`. */
export function createUnigramTokenizer(json: unknown): Tokenizer {
  const spec = ofSpec(unigramJson)('tokenizer', json);
  return assembled(
    spec,
    () => unigramPipeline(spec),
    spec.model.value.vocab.map((_, index) => index),
  );
}

function unigramPipeline({ model, normalizer: normal, pre_tokenizer }: UnigramJson): Pipeline {
  const { onWhiteSpace, mark } = preTokenization(pre_tokenizer);
  const spell = createUnigram(model.value);
  const normalizing = normal?.type === 'Sequence' ? normal.value.normalizers : [normal];
  const steps = normalizing.map(normalizerOf);
  // White space is taken off a whole text, not off its windows.
  const isWhole = normalizing.some((step) => step?.type === 'Strip');
  return {
    normalize: (text) => steps.reduce((result, step) => step(result), text),
    parts: (text) => (isWhole ? [text] : wordWindows(text)),
    *tokens(pieces) {
      let begins = true;
      for (const piece of pieces) {
        // A window that begins within a word goes on with it.
        const prefix = mark.prepends && (begins || /^\p{White_Space}/u.test(piece));
        const words = onWhiteSpace ? piece.split(/\p{White_Space}+/u).filter((word) => word !== '') : [piece];
        for (const [i, word] of words.entries())
          for (const part of marked(word, prefix || (mark.prepends && i > 0), mark.split)) yield spell(part);
        begins = false;
      }
    },
  };
}

function preTokenization(json: UnigramJson['pre_tokenizer']): {
  readonly onWhiteSpace: boolean;
  readonly mark: { readonly prepends: boolean; readonly split: boolean };
} {
  const all = json.type === 'Sequence' ? json.value.pretokenizers : [json];
  const last = all.at(-1);
  if (last?.type !== 'Metaspace' || all.slice(0, -1).some(({ type }) => type !== 'WhitespaceSplit'))
    throw mismatch(
      'tokenizer.pre_tokenizer',
      'Metaspace, or WhitespaceSplit and Metaspace, beside Unigram',
      all.map(({ type }) => type),
    );
  const { prepend_scheme, add_prefix_space, split } = last.value as Metaspace;
  return {
    onWhiteSpace: all.length === 2,
    mark: { prepends: prepend_scheme === null ? add_prefix_space : prepend_scheme === 'always', split },
  };
}

/** A word with marks for its spaces, apart before each of them. */
function marked(word: string, prefix: boolean, split: boolean): string[] {
  const text = word.replaceAll(' ', '\u2581');
  const whole = prefix && !text.startsWith('\u2581') ? `\u2581${text}` : text;
  return split ? whole.split(/(?=\u2581)/) : [whole];
}

function normalizerOf(step: UnigramJson['normalizer']): (text: string) => string {
  switch (step?.type) {
    case undefined:
      return (text) => text;
    case 'Precompiled':
      return createPrecompiled(step.value.precompiled_charsmap);
    case 'Lowercase':
      return lowerCase;
    case 'Strip': {
      const { strip_left, strip_right } = step.value;
      return (text) => {
        const begun = strip_left ? text.replace(/^\p{White_Space}+/u, '') : text;
        return strip_right ? begun.slice(0, begun.length - spacesAtEnd(begun)) : begun;
      };
    }
    case 'Replace': {
      const { pattern: replaced, content } = step.value;
      if (replaced.Regex !== null) return (text) => text.replace(/ {2,}/g, () => content);
      const { String: given } = replaced;
      return given === null || given === '' ? (text) => text : (text) => text.replaceAll(given, () => content);
    }
    case 'Sequence':
      throw mismatch('tokenizer.normalizer', 'no sequence within a sequence', 'Sequence');
    default:
      return (text) => text.normalize(step!.type);
  }
}

/** From the end: a pattern that ends there would be tried at every space. */
function spacesAtEnd(text: string): number {
  let count = 0;
  while (count < text.length && /\p{White_Space}/u.test(text[text.length - 1 - count])) count++;
  return count;
}

/** The library's: an unknown character costs so much more than the worst token. */
const UNKNOWN_PENALTY = 10;
/** A stranger's texts fill a table of words no further; longer words are spelled each time. */
const CACHED_WORDS = 2 ** 15;
const CACHED_LENGTH = 32;

/** The best spelling of a word (Viterbi), in time in proportion to its length. Unknown characters in a row are one token. */
function createUnigram({ vocab, unk_id }: Parsed<typeof unigram>): (word: string) => readonly number[] {
  if (unk_id !== null && unk_id >= vocab.length)
    throw mismatch('tokenizer.model.unk_id', `an id below ${vocab.length}`, unk_id);
  const ids = new Map(vocab.map(([content], index) => [content, index]));
  const lengths = [...new Set(vocab.map(([content]) => content.length))].filter((n) => n > 0).sort((a, b) => a - b);
  const unknownScore = vocab.reduce((least, [, value]) => Math.min(least, value), Infinity) - UNKNOWN_PENALTY;
  const cache = new Map<string, readonly number[]>();

  function spelled(word: string): readonly number[] {
    const scores = new Float64Array(word.length + 1);
    const startOf = new Int32Array(word.length + 1).fill(-1);
    const idOf = new Int32Array(word.length + 1);
    const reach = (start: number, end: number, value: number, tokenId: number): void => {
      const candidate = value + scores[start];
      if (startOf[end] !== -1 && !(candidate > scores[end])) return;
      scores[end] = candidate;
      startOf[end] = start;
      idOf[end] = tokenId;
    };
    for (let start = 0, width = 0; start < word.length; start += width) {
      width = word.codePointAt(start)! > 0xffff ? 2 : 1;
      let hasCharacter = false;
      for (const length of lengths) {
        if (start + length > word.length) break;
        const known = ids.get(word.slice(start, start + length));
        if (known === undefined) continue;
        reach(start, start + length, vocab[known][1], known);
        hasCharacter ||= length === width;
      }
      if (!hasCharacter) reach(start, start + width, unknownScore, unk_id ?? -1);
    }
    return path(word, startOf, idOf);
  }

  /** From the end back: what spells the word, unknown characters in a row as one. */
  function path(word: string, startOf: Int32Array, idOf: Int32Array): number[] {
    const found: number[] = [];
    for (let end = word.length; end > 0; end = startOf[end]) {
      // Without a token for them, unknown characters are nothing.
      if (idOf[end] === -1 || (idOf[end] === unk_id && found.at(-1) === unk_id)) continue;
      found.push(idOf[end]);
    }
    return found.reverse();
  }

  return (word) => {
    const known = cache.get(word);
    if (known !== undefined) return known;
    const found = spelled(word);
    if (word.length > CACHED_LENGTH) return found;
    if (cache.size >= CACHED_WORDS) cache.clear();
    cache.set(apart(word), found);
    return found;
  };
}

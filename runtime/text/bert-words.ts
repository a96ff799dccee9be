/**
 * BERT's words (Devlin et al. 2018): what the normalizer and pre-tokenizer of that name give in Hugging Face's
 * tokenizers (Rust), whose every code point it was compared with. They differ where the two follow other versions of
 * Unicode (1,200 code points). The library for JavaScript was not taken for this part: it takes 8.5 s for 10 MB of
 * text, which must be normalized whole, and knows no ideographs beyond U+FFFF.
 */
import type { BertNormalizerJson } from './tokenizer-json.ts';

/** Blocks that follow each other are one range. U+2B820 to U+2B91F are left out as in the original. */
const IDEOGRAPH =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B81F}\u{2B920}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/gu;
const REMOVED = /[\0\uFFFD]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu;
/** Two letters of Unicode 8, which the original goes by, are marks today; the other marks since then did not exist. */
const ACCENT = /(?![\u1885\u1886])\p{Mn}/gu;
/** A punctuation mark, by itself, or a word. */
const WORDS = /([\p{P}!-/:-@[-`{-~])|[^\p{White_Space}\p{P}!-/:-@[-`{-~]+/gu;
const BEYOND_ASCII = /[^ -~]/;

/**
 * A text as its words are looked for: cleaned of control characters, ideographs set apart, without accents, in lower
 * case, each where the options say so. `strip_accents` null is as `lowercase`.
 */
export function normalizeBert(
  text: string,
  { clean_text, handle_chinese_chars, strip_accents, lowercase }: BertNormalizerJson,
): string {
  if (!BEYOND_ASCII.test(text)) return lowercase ? text.toLowerCase() : text;
  let normal = text;
  if (clean_text) normal = normal.replace(REMOVED, '').replace(/\p{White_Space}/gu, ' ');
  if (handle_chinese_chars) normal = normal.replace(IDEOGRAPH, ' $& ');
  if (strip_accents ?? lowercase) normal = normal.normalize('NFD').replace(ACCENT, '');
  return lowercase ? lowerCase(normal) : normal;
}

/** Character by character, as Rust has it; JavaScript makes ς of a Σ that ends a word. */
export function lowerCase(text: string): string {
  return text.replaceAll('Σ', 'σ').toLowerCase();
}

const WINDOW = 4096;
/** Not all at once: for a loop of millions, a regular expression's engine runs out of stack. */
const MARKS = /\p{M}{1,1024}/uy;

/**
 * A text in pieces that can be normalized one by one: no mark is parted from its letter, no surrogate from its other
 * half.
 */
export function* windows(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    let end = start + WINDOW;
    if (isLowSurrogate(text, end)) end++;
    MARKS.lastIndex = end;
    while (MARKS.test(text)) end = MARKS.lastIndex;
    yield text.slice(start, end);
    start = end;
  }
}

function isLowSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00;
}

/**
 * The words and marks of a text given in normalized pieces. Of words above `maxCharacters` only so much comes that they
 * stay above it.
 */
export function* bertWords(pieces: Iterable<string>, maxCharacters: number): Generator<string> {
  /** A word that may go on in the next piece. */
  let open = '';
  for (const piece of pieces) {
    let end = 0;
    for (const { 0: found, 1: mark, index } of piece.matchAll(WORDS)) {
      const goesOn = index === 0 && mark === undefined;
      if (open !== '' && !goesOn) {
        yield open;
        open = '';
      }
      if (mark === undefined) open = `${open}${found}`.slice(0, 2 * maxCharacters + 2);
      else yield mark;
      end = index + found.length;
    }
    if (open !== '' && end < piece.length) {
      yield open;
      open = '';
    }
  }
  if (open !== '') yield open;
}

/** A word to be kept: engines make it a view of its text, which would stay as long. */
export function apart(word: string): string {
  return Array.from(word).join('');
}

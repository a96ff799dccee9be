/**
 * Byte-level BPE (GPT-2, RoBERTa, ModernBERT): pieces of a text, their UTF-8 bytes written as characters, merged by
 * rank.
 */
import { BPE } from '@huggingface/tokenizers';
import type { BpeJson } from './tokenizer-json.ts';

/** GPT-2's pieces, with Unicode's white space, which JavaScript's \s is not quite. */
const PIECES =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/**
 * A text is split window by window, so that what is cut off need not be; a window ends before a space between two
 * words, where a piece ends, too.
 */
const WINDOW = 4096;
const BETWEEN_WORDS = /(?<=\P{White_Space}) (?=\P{White_Space})/gu;

/**
 * Where so much text holds no space between words, a window ends anyway: the one difference from the original, and only
 * beyond it.
 */
const LONGEST_WINDOW = 16_384;

/** By byte its character: printable ones of Latin-1 stand for themselves, the others come from U+0100 on. */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  let next = 256;
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

/** In tokenizer.json's words: with `add_prefix_space` a text begins like a word within one. */
export interface ByteLevelOptions {
  readonly add_prefix_space: boolean;
}

/** The ids of a text, piece by piece, which has no added tokens in it. */
export function createByteLevelBpe(
  json: BpeJson,
  { add_prefix_space }: ByteLevelOptions,
): (text: string) => Iterable<readonly number[]> {
  const { vocab, merges, unk_token, ignore_merges } = json;
  const bpe = new BPE({
    type: 'BPE',
    vocab: Object.fromEntries(vocab),
    merges: merges as [string, string][],
    unk_token: unk_token ?? undefined,
    ignore_merges,
  } as ConstructorParameters<typeof BPE>[0]);
  const encoder = new TextEncoder();
  const unknown = vocab.get(unk_token ?? '');
  /** A byte that the vocabulary lacks is the unknown token, or nothing where there is none. No byte's character is it. */
  const gap = unknown === undefined ? '' : '\0';
  const characterOf = (byte: number): string => (vocab.has(BYTE_CHARACTERS[byte]) ? BYTE_CHARACTERS[byte] : gap);
  const merged = (known: string): number[] =>
    known ? bpe.encode([known]).map((token) => vocab.get(token) as number) : [];

  return function* (text) {
    const prefixed = add_prefix_space && !text.startsWith(' ') ? ` ${text}` : text;
    for (const window of wordWindows(prefixed)) {
      for (const piece of window.match(PIECES) ?? []) {
        const parts = Array.from(encoder.encode(piece), characterOf).join('').split('\0');
        yield parts.flatMap((part, i) => (i > 0 ? [unknown as number, ...merged(part)] : merged(part)));
      }
    }
  };
}

/** A text in windows that end before a space between two words, where they are not too long. */
export function* wordWindows(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const longest = text.slice(start, start + LONGEST_WINDOW);
    BETWEEN_WORDS.lastIndex = WINDOW;
    const end =
      start + longest.length === text.length ? longest.length : (BETWEEN_WORDS.exec(longest)?.index ?? longest.length);
    // A half of a surrogate pair would be no character.
    const apart = start + end < text.length && (text.charCodeAt(start + end) & 0xfc00) === 0xdc00 ? 1 : 0;
    yield text.slice(start, start + end + apart);
    start += end + apart;
  }
}

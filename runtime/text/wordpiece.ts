import { apart } from './bert-words.ts';
import type { WordPieceJson } from './tokenizer-json.ts';

/**
 * Words are few and come again; a table that a stranger's texts fill is emptied at this size, and takes no longer ones.
 */
const CACHED_WORDS = 2 ** 15;
const CACHED_LENGTH = 32;

/**
 * WordPiece: a word as the longest token that it begins with, then the longest that the rest begins with, and so on;
 * one unknown token where that leads nowhere or the word is too long. No piece longer than the longest token is looked
 * up, so that a word takes time in proportion to its length (the library's takes its square: 0.9 s for a sequence of
 * 510 words made for it).
 */
export function createWordPiece(
  { vocab, unk_token, continuing_subword_prefix: prefix, max_input_chars_per_word }: WordPieceJson,
  unknown: number,
): (word: string) => readonly number[] {
  const rest = new Map<string, number>();
  let longest = unk_token.length;
  for (const [token, id] of vocab) {
    longest = Math.max(longest, token.length);
    if (token.startsWith(prefix)) rest.set(token.slice(prefix.length), id);
  }
  const cache = new Map<string, readonly number[]>();

  function pieces(word: string): readonly number[] {
    if (word.length > max_input_chars_per_word && [...word].length > max_input_chars_per_word) return [unknown];
    const ids: number[] = [];
    for (let start = 0; start < word.length; ) {
      const tokens = start === 0 ? vocab : rest;
      let end = Math.min(word.length, start + longest);
      while (end > start && !tokens.has(word.slice(start, end))) end--;
      if (end === start) return [unknown];
      ids.push(tokens.get(word.slice(start, end)) as number);
      start = end;
    }
    return ids;
  }

  return (word) => {
    const known = cache.get(word);
    if (known !== undefined) return known;
    const ids = pieces(word);
    if (word.length > CACHED_LENGTH) return ids;
    if (cache.size >= CACHED_WORDS) cache.clear();
    cache.set(apart(word), ids);
    return ids;
  };
}

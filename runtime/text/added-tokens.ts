import type { AddedTokenJson } from './tokenizer-json.ts';

const WORD_BEFORE = /[\p{L}\p{N}\p{M}\p{Pc}]$/u;
const WORD_AFTER = /^[\p{L}\p{N}\p{M}\p{Pc}]/u;
const SPACE = /\p{White_Space}/u;

/** Finds added tokens, such as [SEP], in a text before it is split: gives ids of those, and what lies between. The longest goes first. */
export function createAddedTokens(tokens: readonly AddedTokenJson[], contentOf: (content: string) => string): (text: string) => Iterable<string | number> {
  const byFirst = new Map<string, (AddedTokenJson & { readonly written: string })[]>();
  for (const token of tokens) {
    const written = contentOf(token.content);
    if (written === '') continue;
    byFirst.set(written[0], [...(byFirst.get(written[0]) ?? []), { ...token, written }]);
  }
  if (byFirst.size === 0) return (text) => (text === '' ? [] : [text]);
  for (const candidates of byFirst.values()) candidates.sort((a, b) => b.written.length - a.written.length);
  const first = new RegExp(`[${[...byFirst.keys()].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}]`, 'g');

  return function* (text) {
    let done = 0;
    first.lastIndex = 0;
    for (let from = 0; from < text.length;) {
      first.lastIndex = from;
      const at = first.exec(text)?.index;
      if (at === undefined) break;
      const token = byFirst.get(text[at])!.find(({ written }) => text.startsWith(written, at));
      from = at + (token?.written.length ?? 1);
      if (token === undefined || (token.single_word && (WORD_BEFORE.test(text.slice(Math.max(0, at - 2), at)) || WORD_AFTER.test(text.slice(from, from + 2))))) continue;
      let begin = at;
      if (token.lstrip) while (begin > done && SPACE.test(text[begin - 1])) begin--;
      if (token.rstrip) while (from < text.length && SPACE.test(text[from])) from++;
      if (begin > done) yield text.slice(done, begin);
      yield token.id;
      done = from;
    }
    if (done < text.length) yield text.slice(done);
  };
}

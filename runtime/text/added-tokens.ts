import type { AddedTokenJson } from './tokenizer-json.ts';

const WORD_BEFORE = /[\p{L}\p{N}\p{M}\p{Pc}]$/u;
const WORD_AFTER = /^[\p{L}\p{N}\p{M}\p{Pc}]/u;
const SPACE = /\p{White_Space}/u;

/** Tokens by their characters: a step costs the same however many there are. */
interface Branch {
  readonly next: Map<string, Branch>;
  token: AddedTokenJson | null;
}

/**
 * Finds added tokens, such as [SEP], in a text before it is split: gives ids of those, and what lies between. The
 * longest goes first.
 */
export function createAddedTokens(
  tokens: readonly AddedTokenJson[],
  contentOf: (content: string) => string,
): (text: string) => Iterable<string | number> {
  const root: Branch = { next: new Map(), token: null };
  for (const token of tokens) {
    let branch = root;
    for (const unit of contentOf(token.content).split('')) {
      const next = branch.next.get(unit) ?? { next: new Map(), token: null };
      branch.next.set(unit, next);
      branch = next;
    }
    if (branch !== root) branch.token ??= token;
  }
  if (root.next.size === 0) return (text) => (text === '' ? [] : [text]);
  const first = new RegExp(
    `[${[...root.next.keys()].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}]`,
    'g',
  );

  /** The longest token at a place, and where it ends. */
  function tokenAt(text: string, at: number): { readonly token: AddedTokenJson; readonly end: number } | null {
    let found: ReturnType<typeof tokenAt> = null;
    let branch: Branch | undefined = root;
    for (let end = at; branch !== undefined; end++) {
      if (branch.token !== null) found = { token: branch.token, end };
      branch = branch.next.get(text.charAt(end));
    }
    return found;
  }

  return function* (text) {
    let done = 0;
    for (let from = 0; from < text.length; ) {
      first.lastIndex = from;
      if (!first.test(text)) break;
      const at = first.lastIndex - 1;
      const found = tokenAt(text, at);
      from = found?.end ?? at + 1;
      if (found === null) continue;
      const { token } = found;
      if (
        token.single_word &&
        (WORD_BEFORE.test(text.slice(Math.max(0, at - 2), at)) || WORD_AFTER.test(text.slice(from, from + 2)))
      )
        continue;
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

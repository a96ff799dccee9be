/** Tokens as people read them: the pieces of a vocabulary, joined to words. */
import { isObject } from '../../runtime/artifact/schema.ts';
import { BYTE_CHARACTERS } from '../../runtime/text/byte-level.ts';

/** A word of a text, and which of its tokens it is made of. */
export interface Word {
  readonly text: string;
  readonly tokens: readonly number[];
}

/** What a tokenizer.json calls its tokens. */
export interface Pieces {
  /** The words of a tokenized text, without special tokens. */
  wordsOf(ids: ArrayLike<number>): Word[];
}

/** SentencePiece's mark of a word's beginning, and byte-level BPE's. */
const MARKS = ['\u2581', '\u0120'];

/** The pieces of a tokenizer.json that a tokenizer was made of. */
export function createPieces(json: unknown): Pieces {
  const { model, added_tokens: added } = json as { readonly model: Record<string, unknown>; added_tokens?: unknown };
  const pieces = new Map(Array.isArray(model.vocab) ? listed(model.vocab) : named(model.vocab));
  const isByteLevel = !Array.isArray(model.vocab) && 'merges' in model;
  const prefix = typeof model.continuing_subword_prefix === 'string' ? model.continuing_subword_prefix : '##';
  const special = new Set<number>();
  for (const token of Array.isArray(added) ? added.filter(isObject) : []) {
    pieces.set(token.id as number, token.content as string);
    if (token.special === true) special.add(token.id as number);
  }
  const hasMarks = isByteLevel || Array.isArray(model.vocab);
  const begins = (piece: string): boolean =>
    hasMarks ? MARKS.some((mark) => piece.startsWith(mark)) : !piece.startsWith(prefix);
  const bare = (piece: string): string =>
    hasMarks ? unmarked(piece) : begins(piece) ? piece : piece.slice(prefix.length);
  return {
    wordsOf(ids) {
      const words: { pieces: string[]; tokens: number[] }[] = [];
      let isOpen = false;
      Array.from(ids).forEach((id, token) => {
        const piece = pieces.get(id) ?? '\uFFFD';
        if (special.has(id)) isOpen = false;
        else if (isOpen && !begins(piece)) {
          words[words.length - 1].pieces.push(bare(piece));
          words[words.length - 1].tokens.push(token);
        } else {
          words.push({ pieces: [bare(piece)], tokens: [token] });
          isOpen = true;
        }
      });
      return words.map(({ pieces: parts, tokens }) => ({
        text: isByteLevel ? decoded(parts.join('')) : parts.join(''),
        tokens,
      }));
    },
  };
}

/** Unigram's pieces stand in the order of their ids, each beside its score. */
function listed(vocabulary: readonly unknown[]): [number, string][] {
  return vocabulary.map((entry, id) => [id, String((entry as readonly unknown[])[0])]);
}

function named(vocabulary: unknown): [number, string][] {
  return Object.entries(vocabulary as Readonly<Record<string, number>>).map(([piece, id]) => [id, piece]);
}

function unmarked(piece: string): string {
  return MARKS.some((mark) => piece.startsWith(mark)) ? piece.slice(1) : piece;
}

const BYTES = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));

/** Characters that stand for bytes, as the text that these bytes are. */
function decoded(characters: string): string {
  return new TextDecoder().decode(Uint8Array.from(characters, (character) => BYTES.get(character) ?? 0x3f));
}

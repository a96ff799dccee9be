/** A text's tokens as far as anybody asked for them, word by word: what will be cut off is never tokenized. */
export class TokenStream {
  private readonly words: Iterator<readonly number[]>;
  private readonly fromEnd: boolean;
  private readonly taken: number[] = [];

  /** Counts from a text's end where `direction`, which is where it is cut, is Left. All its words are made then. */
  constructor(words: Iterable<readonly number[]>, direction: 'Left' | 'Right') {
    this.fromEnd = direction === 'Left';
    this.words = (this.fromEnd ? [...words].reverse().map((ids) => [...ids].reverse()) : words)[Symbol.iterator]();
  }

  /** How many tokens there are. Stops after the word that makes them `enough`. */
  count(enough: number): number {
    while (this.taken.length < enough) {
      const { done, value } = this.words.next();
      if (done) break;
      this.taken.push(...value);
    }
    return this.taken.length;
  }

  /** So many of the tokens that were counted, in the text's order. */
  keep(tokens: number): readonly number[] {
    const kept = this.taken.slice(0, tokens);
    return this.fromEnd ? kept.reverse() : kept;
  }
}

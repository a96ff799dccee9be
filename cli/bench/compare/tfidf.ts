/**
 * TF-IDF of words and of letters, as scikit-learn counts them (TfidfVectorizer with sublinear_tf): what an engineer would
 * try first on texts. Words of two letters or more, alone and in pairs; and within each word, with a space on either
 * side, all runs of two to five letters.
 */

/** A sparse vector: places ascending, and what is there. */
export interface Sparse {
  readonly places: Int32Array;
  readonly values: Float64Array;
}

/** What is known of the terms of the training texts. */
export interface Vocabulary {
  /** In the order of their places. */
  readonly terms: readonly string[];
  /** ln((1 + texts) / (1 + texts with the term)) + 1 */
  readonly idf: readonly number[];
}

/** Both vocabularies; those of letters come after those of words. */
export interface Features {
  readonly words: Vocabulary;
  readonly letters: Vocabulary;
}

/** Terms of fewer texts are left out. */
const LEAST_TEXTS = 2;

/** The terms of a text, each as often as it occurs. */
type Analyzer = (text: string) => string[];

/** a film → film · a good film → good, film, good film */
export const wordTerms: Analyzer = (text) => {
  const words = text.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) ?? [];
  return [...words, ...words.slice(1).map((word, i) => `${words[i]} ${word}`)];
};

const SHORTEST = 2;
const LONGEST = 5;

/** ab → ' a', 'ab', 'b ', ' ab', 'ab ', ' ab ' */
export const letterTerms: Analyzer = (text) => {
  const terms: string[] = [];
  for (const word of text.toLowerCase().split(/\s+/)) {
    if (word === '') continue;
    const letters = lettersOf(` ${word} `);
    // A word that is no longer than this is one term, once.
    for (let length = SHORTEST; length <= LONGEST; length++) {
      for (let at = 0; at === 0 || at + length <= letters.length; at++)
        terms.push(joined(letters.slice(at, at + length)));
      if (length >= letters.length) break;
    }
  }
  return terms;
};

/** By code points, as Python has them; a string where its own units are the same, for it is cut much faster. */
const lettersOf = (word: string): string | readonly string[] => (/[\ud800-\udfff]/.test(word) ? [...word] : word);
const joined = (letters: string | readonly string[]): string =>
  typeof letters === 'string' ? letters : letters.join('');

/** Learns both vocabularies from the training texts. */
export function learnFeatures(texts: readonly string[], leastTexts = LEAST_TEXTS): Features {
  return { words: learn(texts, wordTerms, leastTexts), letters: learn(texts, letterTerms, leastTexts) };
}

function learn(texts: readonly string[], analyze: Analyzer, leastTexts: number): Vocabulary {
  const textsWith = new Map<string, number>();
  for (const text of texts)
    for (const term of new Set(analyze(text))) textsWith.set(term, (textsWith.get(term) ?? 0) + 1);
  const kept = [...textsWith].filter(([, count]) => count >= leastTexts).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    terms: kept.map(([term]) => term),
    idf: kept.map(([, count]) => Math.log((1 + texts.length) / (1 + count)) + 1),
  };
}

/** How a text becomes a vector of these features. */
export function vectorizer({ words, letters }: Features): (text: string) => Sparse {
  const parts = [
    { vocabulary: words, analyze: wordTerms, offset: 0 },
    { vocabulary: letters, analyze: letterTerms, offset: words.terms.length },
  ].map(({ vocabulary: { terms, idf }, ...part }) => ({
    ...part,
    idf,
    places: new Map(terms.map((term, place) => [term, place])),
  }));
  return (text) => {
    const found = parts.map(({ places, idf, analyze, offset }) =>
      weighted(countTerms(analyze(text), places), idf, offset),
    );
    return {
      places: Int32Array.from(found.flatMap(({ places }) => places)),
      values: Float64Array.from(found.flatMap(({ values }) => values)),
    };
  };
}

function countTerms(terms: readonly string[], places: ReadonlyMap<string, number>): [place: number, count: number][] {
  const counts = new Map<number, number>();
  for (const term of terms) {
    const place = places.get(term);
    if (place !== undefined) counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a - b);
}

/** (1 + ln count)·idf, of length 1. */
function weighted(
  counts: readonly [place: number, count: number][],
  idf: readonly number[],
  offset: number,
): { readonly places: number[]; readonly values: number[] } {
  const values = counts.map(([place, count]) => (1 + Math.log(count)) * idf[place]);
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return {
    places: counts.map(([place]) => offset + place),
    values: length === 0 ? values : values.map((value) => value / length),
  };
}

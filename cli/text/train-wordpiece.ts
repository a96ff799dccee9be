/**
 * Learns a WordPiece vocabulary from texts, as Hugging Face's WordPieceTrainer does: byte-pair encoding (Sennrich et
 * al. 2016) whose pieces within a word begin with ##. Where that one goes by the order of a hash table, this one goes
 * by code points: the same texts give the same vocabulary.
 */
import { apart, bertWords, normalizeBert, windows } from '../../runtime/text/bert-words.ts';
import { UserError } from '../io/errors.ts';
import { bertTokenizerJson, MAX_WORD_CHARACTERS, specialTokenJson } from './bert-json.ts';

/** How large a vocabulary is learnt, and from what of the texts. */
export interface WordPieceTraining {
  /** Special tokens and single characters included. */
  readonly vocabSize: number;
  /** Lower case, and no accents. */
  readonly lowercase: boolean;
  /** Pairs that are rarer are not merged; 2 unless given. */
  readonly minFrequency?: number;
  /** The most frequent characters are kept, 1,000 unless given; words lose the others. */
  readonly maxCharacters?: number;
  /** Distinct words that are counted at a time, 2 million unless given; above, the rarest are forgotten. */
  readonly maxWords?: number;
}

const SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const PREFIX = '##';

/**
 * A tokenizer.json like BERT's with up to `vocabSize` tokens: [PAD], [UNK], [CLS], [SEP] and [MASK] as 0 to 4,
 * characters, what they begin inside of words, then merges, the most frequent first. Reads the texts once; memory grows
 * with the number of distinct words.
 * @throws UserError where there are no words, or `vocabSize` is too small for the characters
 */
export async function trainWordPiece(
  texts: AsyncIterable<string> | Iterable<string>,
  options: WordPieceTraining,
): Promise<unknown> {
  const { vocabSize, lowercase, minFrequency = 2, maxCharacters = 1000 } = options;
  const counts = await countWords(texts, options);
  if (counts.size === 0) throw new UserError('the texts hold no words to learn a vocabulary from');
  const vocab = new Map(SPECIALS.map((token, id) => [token, id]));
  const { words, tokens } = spell(counts, maxCharacters, vocab);
  if (vocab.size > vocabSize) {
    throw new UserError(
      `a vocabulary of ${vocabSize} tokens has no room for ${vocab.size} special tokens and characters`,
      `Take at least ${2 * vocab.size}.`,
    );
  }
  mergePairs(words, tokens, vocab, vocabSize, minFrequency);
  const special = (content: string) => ({ content, id: vocab.get(content) as number });
  return bertTokenizerJson({
    vocab,
    addedTokens: SPECIALS.map((token) => specialTokenJson(special(token))),
    cls: special('[CLS]'),
    sep: special('[SEP]'),
    unk: special('[UNK]'),
    lowercase,
    stripAccents: null,
    chineseCharacters: true,
  });
}

/** How often each word comes. */
async function countWords(
  texts: AsyncIterable<string> | Iterable<string>,
  { lowercase, maxWords = 2_000_000 }: WordPieceTraining,
): Promise<Map<string, number>> {
  const normalizer = { clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase };
  const normalized = function* (text: string): Generator<string> {
    for (const window of windows(text)) yield normalizeBert(window, normalizer);
  };
  const counts = new Map<string, number>();
  let rare = 1;
  for await (const text of texts) {
    for (const word of bertWords(normalized(text), MAX_WORD_CHARACTERS)) {
      // A longer one is unknown whatever the vocabulary.
      if (word.length > MAX_WORD_CHARACTERS) continue;
      const count = counts.get(word);
      if (count === undefined) counts.set(apart(word), 1);
      else counts.set(word, count + 1);
    }
    while (counts.size > maxWords) {
      for (const [word, count] of counts) if (count <= rare) counts.delete(word);
      rare++;
    }
  }
  return counts;
}

interface Word {
  /** Tokens, which merging makes fewer. */
  ids: number[];
  readonly count: number;
}

/** Words as their characters, which become tokens: first those that are there, then what they begin inside of words. */
function spell(
  counts: ReadonlyMap<string, number>,
  maxCharacters: number,
  vocab: Map<string, number>,
): { readonly words: readonly Word[]; readonly tokens: string[] } {
  const ordered = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  const frequency = new Map<string, number>();
  for (const [word, count] of ordered)
    for (const character of word) frequency.set(character, (frequency.get(character) ?? 0) + count);
  const alphabet = [...frequency]
    .sort(([a, m], [b, n]) => n - m || byCodePoint(a, b))
    .slice(0, maxCharacters)
    .map(([character]) => character)
    .sort(byCodePoint);
  for (const character of alphabet) vocab.set(character, vocab.size);
  const known = new Set(alphabet);
  const spelled = ordered.map(([word, count]) => ({
    characters: [...word].filter((character) => known.has(character)),
    first: known.has(String.fromCodePoint(word.codePointAt(0) as number)),
    count,
  }));
  const inside = new Set(spelled.flatMap(({ characters, first }) => characters.slice(first ? 1 : 0)));
  for (const character of [...inside].sort(byCodePoint)) vocab.set(PREFIX + character, vocab.size);
  const words = spelled.map(({ characters, first, count }) => ({
    ids: characters.map((character, i) => vocab.get(first && i === 0 ? character : PREFIX + character) as number),
    count,
  }));
  return { words: words.filter(({ ids }) => ids.length > 1), tokens: [...vocab.keys()] };
}

function byCodePoint(a: string, b: string): number {
  return (a.codePointAt(0) as number) - (b.codePointAt(0) as number);
}

interface Pair {
  readonly left: number;
  readonly right: number;
  count: number;
  /** Words that hold it, or did; some twice. */
  readonly words: number[];
}

/**
 * Merges the most frequent pair, again and again; of equally frequent ones that with the smaller ids. Counts follow
 * what a merge changes.
 */
function mergePairs(
  words: readonly Word[],
  tokens: string[],
  vocab: Map<string, number>,
  vocabSize: number,
  minFrequency: number,
): void {
  const pairs = new Map<number, Pair>();
  const changed = new Set<Pair>();
  const add = (left: number, right: number, change: number, word: number): void => {
    const key = left * 2 ** 26 + right;
    const pair = pairs.get(key) ?? { left, right, count: 0, words: [] };
    pairs.set(key, pair);
    pair.count += change;
    if (change < 0) return;
    if (pair.words.at(-1) !== word) pair.words.push(word);
    changed.add(pair);
  };
  for (const [w, { ids, count }] of words.entries())
    for (let i = 1; i < ids.length; i++) add(ids[i - 1], ids[i], count, w);

  // A pair lies in it with the count it had then; one that has fewer now goes back.
  const queue = new Queue<{ readonly pair: Pair; readonly count: number }>(
    (a, b) => b.count - a.count || a.pair.left - b.pair.left || a.pair.right - b.pair.right,
  );
  const queueChanged = (): void => {
    for (const pair of changed) queue.push({ pair, count: pair.count });
    changed.clear();
  };
  queueChanged();
  while (vocab.size < vocabSize) {
    const next = queue.pop();
    if (next === undefined) return;
    const { pair, count } = next;
    if (pair.count !== count) {
      if (pair.count > 0 && pair.count < count) queue.push({ pair, count: pair.count });
      continue;
    }
    if (count < Math.max(1, minFrequency)) return;
    const token = tokens[pair.left] + tokens[pair.right].slice(PREFIX.length);
    const id = vocab.get(token) ?? vocab.size;
    if (id === vocab.size) {
      vocab.set(token, id);
      tokens.push(token);
    }
    for (const w of pair.words) mergeIn(words[w], pair, id, (left, right, change) => add(left, right, change, w));
    pairs.delete(pair.left * 2 ** 26 + pair.right);
    pair.count = 0;
    queueChanged();
  }
}

/** Merges a pair wherever a word holds it, telling which pairs come and go. */
function mergeIn(
  word: Word,
  { left, right }: Pair,
  id: number,
  tell: (left: number, right: number, change: number) => void,
): void {
  const { ids, count } = word;
  const merged: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] !== left || ids[i + 1] !== right) {
      merged.push(ids[i]);
      continue;
    }
    const before = merged.at(-1);
    const after = ids[i + 2];
    if (before !== undefined) {
      tell(before, left, -count);
      tell(before, id, count);
    }
    if (after !== undefined) {
      tell(right, after, -count);
      tell(id, after, count);
    }
    merged.push(id);
    i++;
  }
  word.ids = merged;
}

/** A binary heap: the first by `order` comes out first. */
class Queue<T> {
  private readonly order: (a: T, b: T) => number;
  private readonly items: T[] = [];

  constructor(order: (a: T, b: T) => number) {
    this.order = order;
  }

  push(item: T): void {
    let at = this.items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.order(this.items[parent], item) <= 0) break;
      this.items[at] = this.items[parent];
      at = parent;
    }
    this.items[at] = item;
  }

  pop(): T | undefined {
    const [first] = this.items;
    const last = this.items.pop();
    if (last === undefined || this.items.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < this.items.length && this.order(this.items[child + 1], this.items[child]) < 0) child++;
      if (child >= this.items.length || this.order(last, this.items[child]) <= 0) break;
      this.items[at] = this.items[child];
      at = child;
    }
    this.items[at] = last;
    return first;
  }
}

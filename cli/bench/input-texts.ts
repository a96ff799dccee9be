/** How many texts a second training gets from its data, with nothing else computing, and what takes the time. */
import type { Encoding, Tokenizer } from '../../runtime/text/tokenizer.ts';
import { textBatches } from '../data/text/batches.ts';
import type { TextRow, TextRows } from '../data/text/dataset.ts';
import { encodeRows } from '../data/text/encoded.ts';
import { throwIfInterrupted } from '../io/io.ts';
import { type PartTime, type PartTimer, partTimer } from './part-times.ts';

/** What of the texts' way is timed: the first two happen once, before training. */
export const TEXT_PARTS = ['read', 'tokenize', 'assemble'] as const;
/** One of them. */
export type TextPart = (typeof TEXT_PARTS)[number];

/** How texts get ready. */
export interface TextInput {
  readonly texts: number;
  /** Batches of tokens that are there already, as every epoch takes them. */
  readonly textsPerSecond: number;
  /** Reading and tokenizing, once before the first epoch. */
  readonly tokenizedPerSecond: number;
  /** Of one text. */
  readonly parts: Partial<Record<TextPart, PartTime>>;
}

/** What is measured. */
export interface TextInputOptions {
  readonly tokenizer: Tokenizer;
  readonly maxTokens: number;
  readonly batchSize: number;
  readonly seed: number;
  /** Texts to go over, at most. */
  readonly count: number;
  readonly signal: AbortSignal;
  readonly onText: (done: number, total: number, what: string) => void;
}

/** Reads the first texts, tokenizes them and makes batches of them, a step after the other. */
export async function benchTexts(all: TextRows, options: TextInputOptions): Promise<TextInput> {
  const { tokenizer, maxTokens, signal } = options;
  const count = Math.min(options.count, all.size);
  const timer = partTimer<TextPart>();
  const rows = await readRows(all, count, timer, options);
  const tokens = new Map<TextRow, Encoding>();
  for (const row of rows) {
    throwIfInterrupted(signal);
    tokens.set(row, await timer.time('tokenize', () => tokenizer.encode(row.text, row.pair, maxTokens)));
    options.onText(tokens.size, count, 'tokenized');
  }
  const textsPerSecond = await batchSpeed(rows, tokens, timer, options);
  const parts = timer.times();
  const onceMs = (parts.read?.meanMs ?? 0) + (parts.tokenize?.meanMs ?? 0);
  return { texts: count, textsPerSecond, tokenizedPerSecond: 1000 / onceMs, parts };
}

async function readRows(
  all: TextRows,
  count: number,
  timer: PartTimer<TextPart>,
  { signal }: TextInputOptions,
): Promise<TextRow[]> {
  const rows: TextRow[] = [];
  const remaining = all.rows()[Symbol.asyncIterator]();
  while (rows.length < count) {
    throwIfInterrupted(signal);
    const { value, done } = await timer.time('read', () => remaining.next());
    if (done) break;
    rows.push(value);
  }
  await remaining.return?.();
  return rows;
}

/** Texts a second in batches, whose times count as the parts of their texts. */
async function batchSpeed(
  rows: readonly TextRow[],
  tokens: ReadonlyMap<TextRow, Encoding>,
  timer: PartTimer<TextPart>,
  { tokenizer, batchSize, seed, signal }: TextInputOptions,
): Promise<number> {
  async function* again(): AsyncGenerator<TextRow> {
    yield* rows;
  }
  const encoded = await encodeRows({ size: rows.length, rows: again }, (row) => tokens.get(row)!);
  try {
    const options = { batchSize, seed, shuffle: true, padId: tokenizer.padId };
    for await (const _ of textBatches(encoded, options)) throwIfInterrupted(signal); // Code is compiled.
    let last = performance.now();
    let ms = 0;
    for await (const { size } of textBatches(encoded, { ...options, epoch: 1 })) {
      const took = performance.now() - last;
      timer.add('assemble', took / size);
      ms += took;
      throwIfInterrupted(signal);
      last = performance.now();
    }
    return (1000 * rows.length) / ms;
  } finally {
    await encoded.close();
  }
}

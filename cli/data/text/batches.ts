/** Batches of texts of like length: short ones don't pay for long ones. */
import { random, shuffled } from '../../../runtime/random.ts';
import { batchCount, type Pass } from '../pass.ts';
import { batchTargets, type Target, type Targets } from '../target.ts';
import type { EncodedSplit } from './encoded.ts';

/** A batch of texts, padded to one length. */
export interface TextBatch {
  /** (batchSize, tokens) i32, padded at the right with the tokenizer's padding. */
  readonly ids: Int32Array;
  /** (batchSize, tokens) i32 */
  readonly types: Int32Array;
  /** (batchSize, tokens): 1 for a token, 0 for padding. */
  readonly mask: Float32Array;
  readonly labels: Targets;
  /** How many rows are texts. */
  readonly size: number;
  /** Which texts they are, by their places in the split. */
  readonly rows: readonly number[];
  /** One of `paddedLengths`. */
  readonly tokens: number;
}

/** `padId` is what ids are padded with. */
export interface TextBatchOptions extends Pass {
  readonly padId: number;
}

/** A program is compiled for each padded length, so there are few of them. */
const MOST_LENGTHS = 8;
const LENGTH_STEP = 8;

/** Batches that are sorted together: so many that lengths are alike, so few that an epoch's order stays random. */
const SORTED_BATCHES = 32;

/**
 * One pass over all texts. Without `shuffle` the shortest come first. The batches depend on the texts and the options.
 */
export async function* textBatches(
  split: EncodedSplit,
  options: TextBatchOptions,
): AsyncGenerator<TextBatch, void, void> {
  const lengths = paddedLengths(split);
  for (const rows of batchRows(split, options)) {
    const longest = rows.reduce((most, i) => Math.max(most, split.length(i)), 0);
    yield await makeBatch(split, rows, lengths.find((length) => length >= longest)!, options);
  }
}

/**
 * The lengths that batches are padded to, ascending: each is for as many texts as the others, rounded up; the last
 * takes the longest.
 */
export function paddedLengths({ size, length }: Pick<EncodedSplit, 'size' | 'length'>): number[] {
  const sorted = Int32Array.from({ length: size }, (_, i) => length(i)).sort();
  const longest = sorted[size - 1] ?? 0;
  const quantile = (part: number): number => sorted[Math.min(size - 1, Math.ceil((part / MOST_LENGTHS) * size))] ?? 0;
  const rounded = Array.from({ length: MOST_LENGTHS }, (_, i) =>
    Math.min(longest, Math.ceil(quantile(i + 1) / LENGTH_STEP) * LENGTH_STEP),
  );
  return [...new Set([...rounded, longest])].sort((a, b) => a - b);
}

function* batchRows(
  split: EncodedSplit,
  { batchSize, seed, epoch = 0, shuffle = false, dropLast = false }: Pass,
): Generator<readonly number[]> {
  const byLength = (a: number, b: number): number => split.length(a) - split.length(b) || a - b;
  const count = batchCount(split.size, { batchSize, dropLast });
  const source = random(seed, epoch);
  const order = shuffle
    ? [...shuffled(split.size, source)]
    : Array.from({ length: split.size }, (_, i) => i).sort(byLength);
  const rows = order.slice(0, count * batchSize);
  if (!shuffle) {
    for (let batch = 0; batch < count; batch++) yield rows.slice(batch * batchSize, (batch + 1) * batchSize);
    return;
  }
  for (let begin = 0; begin < count; begin += SORTED_BATCHES) {
    const alike = rows.slice(begin * batchSize, (begin + SORTED_BATCHES) * batchSize).sort(byLength);
    for (const batch of shuffled(Math.ceil(alike.length / batchSize), source))
      yield alike.slice(batch * batchSize, (batch + 1) * batchSize);
  }
}

async function makeBatch(
  split: EncodedSplit,
  rows: readonly number[],
  tokens: number,
  { batchSize, padId }: TextBatchOptions,
): Promise<TextBatch> {
  const ids = new Int32Array(batchSize * tokens).fill(padId);
  const types = new Int32Array(batchSize * tokens);
  const mask = new Float32Array(batchSize * tokens);
  const targets: Target[] = new Array(rows.length);
  await Promise.all(
    rows.map(async (i, row) => {
      const encoding = await split.read(i);
      ids.set(encoding.ids, row * tokens);
      types.set(encoding.types, row * tokens);
      mask.fill(1, row * tokens, row * tokens + encoding.ids.length);
      targets[row] = encoding.label;
    }),
  );
  return { ids, types, mask, labels: batchTargets(targets, batchSize), size: rows.length, rows, tokens };
}

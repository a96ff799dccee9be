/** One part of all rows, for jobs that share them out. */
import type { InputRow, RowSource } from './row.ts';

/** Part `index` (from 1 on) of `of`. */
export interface Shard {
  readonly index: number;
  readonly of: number;
}

/** Rows from `begin` on, before `end`. */
export interface RowRange {
  readonly begin: number;
  readonly end: number;
}

/**
 * The rows of a part: neighbours, so that the parts' outputs one after another are one run's. Reads all rows, to count
 * them, and tells how many there are so far.
 */
export async function rangeOf(
  source: RowSource,
  { index, of }: Shard,
  onRow: (count: number) => void,
): Promise<RowRange> {
  let count = 0;
  for await (const _ of source.rows()) onRow(++count);
  const border = (part: number): number => Math.floor((part * count) / of);
  return { begin: border(index - 1), end: border(index) };
}

/** The rows within a range; those after it are not read. */
export async function* rowsWithin(source: RowSource, { begin, end }: RowRange): AsyncGenerator<InputRow, void, void> {
  let i = 0;
  if (begin === end) return;
  for await (const row of source.rows()) {
    if (i >= begin) yield row;
    if (++i >= end) return;
  }
}

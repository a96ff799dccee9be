/** Samples that a model is trained on and judged by: their accuracy says nothing of new data. */

import { createHash } from 'node:crypto';
import { counted, plural } from '../io/words.ts';

/** 48 bits of a sample's content: in a million samples two that differ are taken for the same once in 500 data sets. */
export function contentDigest(content: Uint8Array | string): number {
  return createHash('sha1').update(content).digest().readUIntBE(0, 6);
}

/** How many of the judging samples are among the training ones, told to the user; none where there is none. */
export function duplicateNotices(train: readonly number[], test: readonly number[], one: string): readonly string[] {
  const known = Float64Array.from(train).sort();
  const count = test.reduce((sum, digest) => sum + (includes(known, digest) ? 1 : 0), 0);
  if (count === 0) return [];
  return [
    `${count} of the ${counted(test.length, one)} that ${plural(test.length, 'judges', 'judge')} ` +
      `${plural(count, 'is', 'are')} among the training ${one}s, too: accuracy looks better ` +
      'than it is on new ones. Remove one of each pair.',
  ];
}

function includes(sorted: Float64Array, value: number): boolean {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === value;
}

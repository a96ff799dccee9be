/**
 * Where buffers lie in the arena. Two buffers may share bytes when no step needs both. Greedy by size: the largest
 * first, each at the lowest offset that is free for as long as it lives (Pisarchyk, Lee 2020, arXiv 2001.03288).
 */
import { alignUp } from '../../runtime/artifact/steps.ts';

/** A piece of the arena before it has a place. */
export interface Slot {
  readonly bytes: number;
  /** The first and last step that need it. */
  first: number;
  last: number;
}

/** The offset of each buffer in bytes, a multiple of `ALIGNMENT`, and the size of the arena that holds them all. */
export interface Layout {
  readonly offsets: ReadonlyMap<Slot, number>;
  readonly arenaBytes: number;
}

/** Places all buffers; the order in which they are given decides between equally large ones. */
export function layOut(buffers: readonly Slot[]): Layout {
  const offsets = new Map<Slot, number>();
  let arenaBytes = 0;
  for (const buffer of [...buffers].sort((a, b) => b.bytes - a.bytes)) {
    const offset = lowestFree(buffer, offsets);
    offsets.set(buffer, offset);
    arenaBytes = Math.max(arenaBytes, offset + alignUp(buffer.bytes));
  }
  return { offsets, arenaBytes };
}

function lowestFree(buffer: Slot, placed: ReadonlyMap<Slot, number>): number {
  const taken = [...placed]
    .filter(([other]) => other.first <= buffer.last && buffer.first <= other.last)
    .sort(([, a], [, b]) => a - b);
  let offset = 0;
  for (const [other, at] of taken) {
    if (offset + buffer.bytes <= at) break;
    offset = Math.max(offset, at + alignUp(other.bytes));
  }
  return offset;
}

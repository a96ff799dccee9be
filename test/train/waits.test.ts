import { expect, it } from 'vitest';
import { createWaitShare, withWaits } from '../../cli/train/waits.ts';

it('tells how long each item was waited for, and not how long it was used', async () => {
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  async function* slow(): AsyncGenerator<number> {
    await pause(60);
    yield 1;
    yield 2;
  }
  const waits: number[] = [];
  for await (const { item, waitedMs } of withWaits(slow())) {
    expect(item).toBe(waits.length + 1);
    waits.push(waitedMs);
    await pause(60);
  }
  // A timer never fires early by more than its own resolution.
  expect(waits[0]).toBeGreaterThan(55);
  expect(waits[1]).toBeLessThan(waits[0]);
});

it('adds up what was waited, as a share of all', () => {
  const { add, share } = createWaitShare();
  expect(share()).toBe(0);
  add(30, 40);
  add(0, 60);
  expect(share()).toBeCloseTo(0.3, 12);
});

/** Rows under way, counted: no clock says how many there are. */
import { describe, expect, it } from 'vitest';
import { inFlight } from '../../cli/predict/in-flight.ts';
import { random } from '../../runtime/random.ts';

const never = new AbortController().signal;

/** Items 0 to count - 1, and how many were read so far. */
function counting(count: number, bytes = 1) {
  const told = { read: 0 };
  async function* items() {
    for (let i = 0; i < count; i++) {
      told.read++;
      yield { bytes, i };
    }
  }
  return { told, items: items() };
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const soon = (turns: number): Promise<void> =>
  turns === 0 ? Promise.resolve() : new Promise((resolve) => setImmediate(() => resolve(soon(turns - 1))));

describe('inFlight', () => {
  it('keeps the order, and never more under way than it may', async () => {
    const { told, items } = counting(1000);
    const source = random(1);
    let [running, most, given] = [0, 0, 0];
    const job = async ({ i }: { i: number }): Promise<number> => {
      most = Math.max(most, ++running);
      await soon(source.below(4));
      running--;
      return i;
    };
    for await (const i of inFlight(items, { rows: 7, bytes: Infinity }, job, never)) {
      expect(i).toBe(given++);
      // One that was read waits for room.
      expect(told.read - given).toBeLessThanOrEqual(8);
      if (given % 100 === 0) await soon(20);
    }
    expect(given).toBe(1000);
    expect(most).toBe(7);
  });

  it('reads no further than a taker that stands still lets it', async () => {
    const { told, items } = counting(1000);
    const rows = inFlight(items, { rows: 5, bytes: Infinity }, async ({ i }) => i, never);
    expect((await rows.next()).value).toBe(0);
    await soon(50);
    expect(told.read).toBe(7);
    await rows.return();
  });

  it('counts bytes, and begins one item however large', async () => {
    const { told, items } = counting(20, 1000);
    const rows = inFlight(items, { rows: 100, bytes: 2500 }, async ({ i }) => i, never);
    expect((await rows.next()).value).toBe(0);
    await soon(50);
    expect(told.read).toBe(5);
    const large = inFlight(counting(3, 1e9).items, { rows: 100, bytes: 1 }, async ({ i }) => i, never);
    expect(await collected(large)).toEqual([0, 1, 2]);
  });

  it('gives what is before a failure, of a job or of reading, and then throws it', async () => {
    const given: number[] = [];
    const take = async (rows: AsyncIterable<number>): Promise<void> => {
      for await (const i of rows) given.push(i);
    };
    const job = async ({ i }: { i: number }): Promise<number> => {
      if (i === 3) throw new Error('job 3');
      return i;
    };
    await expect(take(inFlight(counting(9).items, { rows: 9, bytes: 9 }, job, never))).rejects.toThrow('job 3');
    expect(given.splice(0)).toEqual([0, 1, 2]);
    async function* broken() {
      yield* counting(4).items;
      throw new Error('the file ends');
    }
    const all = inFlight(broken(), { rows: 2, bytes: 9 }, async ({ i }) => i, never);
    await expect(take(all)).rejects.toThrow('the file ends');
    expect(given).toEqual([0, 1, 2, 3]);
  });

  it('ends where it is interrupted, also while nothing comes', async () => {
    const interrupt = new AbortController();
    async function* slow() {
      yield { bytes: 1, i: 0 };
      await new Promise(() => undefined);
    }
    const rows = inFlight(slow(), { rows: 2, bytes: 9 }, async ({ i }) => i, interrupt.signal);
    expect((await rows.next()).value).toBe(0);
    const waiting = rows.next();
    interrupt.abort();
    expect((await waiting).done).toBe(true);
  });

  it('gives nothing of nothing', async () => {
    expect(await collected(inFlight(counting(0).items, { rows: 2, bytes: 9 }, async () => 1, never))).toEqual([]);
  });
});

/** An item, and how long whoever asked for it had to wait. */
export interface Waited<T> {
  readonly item: T;
  readonly waitedMs: number;
}

/** The same items, each with the time that it was waited for. */
export async function* withWaits<T>(items: AsyncIterable<T>): AsyncGenerator<Waited<T>> {
  let asked = performance.now();
  for await (const item of items) {
    yield { item, waitedMs: performance.now() - asked };
    asked = performance.now();
  }
}

/** How much of the time a job waited for its data. */
export interface WaitShare {
  /** @param elapsedMs of one turn, what was waited among it */
  add(waitedMs: number, elapsedMs: number): void;
  /** 0 to 1; 0 before the first turn. */
  share(): number;
}

/** Adds up waits and the time that they are part of. */
export function createWaitShare(): WaitShare {
  let waited = 0;
  let elapsed = 0;
  return {
    add(waitedMs, elapsedMs) {
      waited += waitedMs;
      elapsed += elapsedMs;
    },
    share: () => (elapsed === 0 ? 0 : waited / elapsed),
  };
}

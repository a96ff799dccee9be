/** As many rows under way as keep all threads busy, and never more: whatever is to come waits on the disk. */

/** How much may be under way: begun, or done and not yet taken. */
export interface InFlight {
  readonly rows: number;
  /** One row is begun, however large. */
  readonly bytes: number;
}

/**
 * What `job` makes of each item, in the items' order. Items are read on while results are waited for, until so many are
 * under way. Ends early, with what is done in order, where the signal is aborted. A failure of a job, or of reading, is
 * thrown when all before it is given.
 */
export async function* inFlight<T extends { readonly bytes: number }, R>(
  items: AsyncIterable<T>,
  most: InFlight,
  job: (item: T) => Promise<R>,
  signal: AbortSignal,
): AsyncGenerator<R, void, void> {
  const queue: Begun<R>[] = [];
  let bytes = 0;
  let ended = false;
  let failure: { readonly error: unknown } | null = null;
  /** Of one promise for each change: racing with one that stays would keep every row in memory. */
  let wake = (): void => undefined;
  let change = Promise.resolve();
  const tell = (): void => {
    wake();
    change = new Promise((resolve) => {
      wake = resolve;
    });
  };
  const stop = (): void => {
    ended = true;
    tell();
  };
  const isFull = (): boolean => queue.length >= most.rows || (queue.length > 0 && bytes >= most.bytes);
  const readOn = async (): Promise<void> => {
    try {
      for await (const item of items) {
        while (isFull() && !ended) await change;
        if (ended) return;
        const begun: Begun<R> = { result: job(item), bytes: item.bytes, isSettled: false };
        const settle = (): void => {
          begun.isSettled = true;
          tell();
        };
        begun.result.then(settle, settle);
        queue.push(begun);
        bytes += item.bytes;
        tell();
      }
    } catch (error) {
      failure = { error };
    } finally {
      stop();
    }
  };
  tell();
  signal.addEventListener('abort', stop, { once: true });
  const reading = readOn();
  const isWaiting = (): boolean => (queue.length === 0 ? !ended : !queue[0].isSettled);
  try {
    while (true) {
      while (isWaiting() && !signal.aborted) await change;
      const head = signal.aborted ? undefined : queue.shift();
      if (head === undefined) break;
      bytes -= head.bytes;
      tell();
      yield await head.result;
    }
    if (signal.aborted) return;
    await reading;
    if (failure !== null) throw (failure as { readonly error: unknown }).error;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

interface Begun<R> {
  readonly result: Promise<R>;
  readonly bytes: number;
  isSettled: boolean;
}

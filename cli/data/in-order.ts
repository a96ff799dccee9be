/** Jobs in the making at a time, for each thread: one being worked on, one ready. */
export const AHEAD_PER_WORKER = 2;

/**
 * What `job` makes of each item, in the items' order, with up to `ahead` jobs begun before their turn. A failure is
 * thrown when its turn comes.
 */
export async function* inOrder<T, R>(
  items: Iterable<T>,
  ahead: number,
  job: (item: T) => Promise<R>,
): AsyncGenerator<R, void, void> {
  const remaining = items[Symbol.iterator]();
  const begun: Promise<R>[] = [];
  const beginNext = (): void => {
    const { value, done } = remaining.next();
    if (done) return;
    const result = job(value);
    // Until its turn comes it must not count as unhandled.
    result.catch(() => undefined);
    begun.push(result);
  };
  for (let i = 0; i < Math.max(1, ahead); i++) beginNext();
  for (let next = begun.shift(); next !== undefined; next = begun.shift()) {
    const ready = await next;
    beginNext();
    yield ready;
  }
}

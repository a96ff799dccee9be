/** A promise that others settle: Promise.withResolvers, which Node 20 lacks. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

export function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'];
  const promise = new Promise<T>((settle) => { resolve = settle; });
  return { promise, resolve: resolve! };
}

/** What a promise gives, or something else where it takes longer. */
export async function within<T, E>(limitMs: number, promise: Promise<T>, otherwise: E): Promise<T | E> {
  let timer: NodeJS.Timeout;
  const late = new Promise<E>((resolve) => { timer = setTimeout(() => resolve(otherwise), limitMs); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

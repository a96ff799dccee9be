import { Problem } from './problem.ts';

/** How much is taken on. */
export interface AdmissionLimits {
  /** Predictions that may be under way or wait at a time. */
  readonly maxPending: number;
  /** From the moment that a request is admitted. */
  readonly deadlineMs: number;
}

/** Decides which requests are answered: not too many at a time, none for too long, none for a client that has left. */
export interface Admission {
  /** Predictions under way or waiting. */
  pending(): number;
  /**
   * Does the work of a request that makes `predictions` of them. Its signal is aborted at the deadline (with a
   * TimeoutError) and when the client leaves. Rejects with Problem 503 where too many are pending, 504 at the deadline,
   * 499 where the client has left.
   */
  run<T>(predictions: number, client: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
}

/**
 * A refusal comes so late. Clients that ask again at once, whatever Retry-After says, would otherwise take the
 * processor from those who are being answered: with 30 of them beside 34 that were admitted, 147 answers a second
 * became of 1,050 (two cores, `slim bench serve --connections 64`).
 */
const REFUSAL_MS = 200;

/**
 * Counts for this process or isolate. A request of more predictions than the limit is admitted where nothing else is
 * pending.
 */
export function createAdmission({ maxPending, deadlineMs }: AdmissionLimits): Admission {
  let pending = 0;
  return {
    pending: () => pending,
    async run(predictions, client, work) {
      // A list longer than the limit is admitted alone: else it never would be.
      if (pending > 0 && pending + predictions > maxPending) {
        const problem = new Problem(503, `${pending} predictions are pending: try again later`, 'busy', {
          'retry-after': '1',
        });
        await new Promise((resolve) => setTimeout(resolve, REFUSAL_MS));
        throw problem;
      }
      pending += predictions;
      try {
        return await untilDeadline(deadlineMs, client, work);
      } finally {
        pending -= predictions;
      }
    },
  };
}

/** Waits for the work, but no longer than the deadline or the client allow. */
function untilDeadline<T>(
  deadlineMs: number,
  client: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const stop = (reason: DOMException, problem: Problem): void => {
      controller.abort(reason);
      reject(problem);
    };
    const leave = (): void =>
      stop(new DOMException('the client left', 'AbortError'), new Problem(499, 'the client left'));
    const timer = setTimeout(
      () =>
        stop(
          new DOMException('the deadline has passed', 'TimeoutError'),
          new Problem(504, `no answer within ${deadlineMs} ms`),
        ),
      deadlineMs,
    );
    client.addEventListener('abort', leave);
    if (client.aborted) leave();
    work(controller.signal)
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
        client.removeEventListener('abort', leave);
      });
  });
}

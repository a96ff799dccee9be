/** A served model under load: what it answers, how soon, and how much memory it takes meanwhile. */
import { createHistogram } from 'node:perf_hooks';
import { throwIfInterrupted } from '../io/io.ts';
import { bytesPerMinute, type MemorySample, residentBytes } from './resident-memory.ts';
import type { LoadRequest } from './serve-request.ts';

/** The server that is asked. */
export interface LoadTarget {
  /** Without a slash at the end. */
  readonly url: string;
  readonly token?: string;
  /** Of a server on this machine; null for any other. */
  readonly pid: number | null;
}

/** How hard it is asked, and for how long. The signal ends the test with `Interrupted`. */
export interface LoadOptions {
  /** Each sends its next request when it has an answer to the one before. */
  readonly connections: number;
  /** Not counted. */
  readonly warmUpSeconds: number;
  readonly durationSeconds: number;
  readonly signal: AbortSignal;
  /** Told about once a second. */
  onSecond?(elapsedSeconds: number, answered: number): void;
}

/** Requests by what became of them. */
export interface Counts {
  readonly '2xx': number;
  /** Too many requests of one client. */
  readonly '429': number;
  /** More than the server had room for. */
  readonly '503': number;
  readonly otherStatuses: number;
  /** Connections that failed. */
  readonly errors: number;
  /** Answers that did not come in time. */
  readonly timeouts: number;
}

/** In milliseconds. */
export interface LatencyPercentiles {
  readonly p50: number;
  readonly p97_5: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * Resident memory of the server's process: before the first request, after the warm-up, while it is measured and at the
 * end.
 */
export interface Memory {
  readonly startBytes: number;
  readonly warmBytes: number;
  /** About one a second. */
  readonly samples: readonly MemorySample[];
  readonly endBytes: number;
  /** Over the last half of the samples; null where they are too few to tell. */
  readonly lastHalfBytesPerMinute: number | null;
}

/** What a load test measured, the warm-up left out. */
export interface ServeLoad {
  /** That the server took part in: at least what was asked for. */
  readonly seconds: number;
  /** Answered with 2xx. */
  readonly requestsPerSecond: number;
  /** Of the answers with 2xx, from request to answer; null where there are none. */
  readonly latencyMs: LatencyPercentiles | null;
  readonly counts: Counts;
  /** Null where nobody tells. */
  readonly memory: Memory | null;
}

/** Slower than the server's own deadline: what it gives up is its answer, not a timeout of ours. */
const TIMEOUT_SECONDS = 60;

/** Sends the same request again and again. @throws Interrupted */
export async function benchServe(target: LoadTarget, request: LoadRequest, options: LoadOptions): Promise<ServeLoad> {
  const { warmUpSeconds, durationSeconds, onSecond } = options;
  const resident = async (): Promise<number | null> => (target.pid === null ? null : residentBytes(target.pid));
  const startBytes = await resident();
  if (warmUpSeconds > 0) await runLoad(target, request, warmUpSeconds, options, onSecond);
  const warmBytes = await resident();
  const samples: MemorySample[] = [];
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  const sample = async (): Promise<void> => {
    const bytes = await resident();
    if (bytes !== null) samples.push({ seconds: elapsed(), bytes });
  };
  const load = await runLoad(target, request, durationSeconds, options, (seconds, answered) => {
    void sample();
    onSecond?.(warmUpSeconds + seconds, answered);
  });
  const endBytes = await resident();
  const memory =
    startBytes === null || warmBytes === null || endBytes === null
      ? null
      : { startBytes, warmBytes, samples, endBytes, lastHalfBytesPerMinute: lastHalfSlope(samples) };
  return { ...load, memory };
}

/** Two or three samples would tell of one garbage collection, more or less. */
const FEWEST_SAMPLES = 5;

/**
 * Growth in bytes a minute over the last half of the samples, when what grows at the start has settled; null where that
 * half has fewer than five.
 */
export function lastHalfSlope(samples: readonly MemorySample[]): number | null {
  const lastHalf = samples.slice(Math.floor(samples.length / 2));
  return lastHalf.length < FEWEST_SAMPLES ? null : bytesPerMinute(lastHalf);
}

async function runLoad(
  { url, token }: LoadTarget,
  { contentType, body }: LoadRequest,
  seconds: number,
  { connections, signal }: LoadOptions,
  onSecond: LoadOptions['onSecond'],
): Promise<Omit<ServeLoad, 'memory'>> {
  const { default: autocannon } = await import('autocannon');
  throwIfInterrupted(signal);
  const statuses = new Map<number, number>();
  // autocannon's own latencies are whole milliseconds, and hold refusals, which are quick.
  const micros = createHistogram({ figures: 4 });
  const headers = { 'content-type': contentType, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  const began = performance.now();
  const { errors, timeouts, duration } = await new Promise<
    Pick<import('autocannon').Result, 'errors' | 'timeouts' | 'duration'>
  >((resolve, reject) => {
    const instance = autocannon(
      {
        url: `${url}/v1/predict`,
        method: 'POST',
        headers,
        body,
        connections,
        duration: seconds,
        timeout: TIMEOUT_SECONDS,
        sampleInt: 100,
      },
      (error: unknown, result) => {
        signal.removeEventListener('abort', stop);
        if (error) reject(error as Error);
        else resolve(result);
      },
    );
    const stop = (): void => instance.stop();
    signal.addEventListener('abort', stop);
    instance.on('response', (_, status, __, ms) => {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (isSuccess(status)) micros.record(Math.max(1, Math.round(1000 * ms)));
    });
    instance.on('tick', () => onSecond?.((performance.now() - began) / 1000, micros.count));
  });
  throwIfInterrupted(signal);
  const counts = countsOf(statuses, errors - timeouts, timeouts);
  return {
    seconds: duration,
    requestsPerSecond: counts['2xx'] / duration,
    latencyMs: micros.count === 0 ? null : percentilesOf(micros),
    counts,
  };
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function countsOf(statuses: ReadonlyMap<number, number>, errors: number, timeouts: number): Counts {
  const count = (has: (status: number) => boolean): number =>
    [...statuses].reduce((sum, [status, times]) => (has(status) ? sum + times : sum), 0);
  return {
    '2xx': count(isSuccess),
    '429': count((status) => status === 429),
    '503': count((status) => status === 503),
    otherStatuses: count((status) => !isSuccess(status) && status !== 429 && status !== 503),
    errors,
    timeouts,
  };
}

function percentilesOf(micros: { percentile(percent: number): number; readonly max: number }): LatencyPercentiles {
  const [p50, p97_5, p99] = [50, 97.5, 99].map((percent) => micros.percentile(percent) / 1000);
  return { p50, p97_5, p99, max: micros.max / 1000 };
}

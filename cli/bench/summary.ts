/** What is said of a series of timings: never a lone number. */
export interface Summary {
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly minMs: number;
}

/** Median, 95th percentile (nearest rank) and minimum. */
export function summarize(times: readonly number[]): Summary {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const medianMs = Number.isInteger(middle) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[Math.floor(middle)];
  return { medianMs, p95Ms: percentile(times, 0.95), minMs: sorted[0] };
}

/** A summary with what tells of the tail, and of how far the middle spreads. */
export interface Spread extends Summary {
  readonly p99Ms: number;
  /** Median of the absolute deviations from the median. */
  readonly madMs: number;
}

/** As `summarize`, with the 99th percentile (nearest rank) and the median absolute deviation. */
export function spreadOf(times: readonly number[]): Spread {
  const summary = summarize(times);
  const deviations = times.map((time) => Math.abs(time - summary.medianMs));
  return { ...summary, p99Ms: percentile(times, 0.99), madMs: summarize(deviations).medianMs };
}

/** By nearest rank: the least time that is no less than this share of all. */
export function percentile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

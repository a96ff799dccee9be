/** What is said of a series of timings: never a lone number. */
export interface Summary {
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly minMs: number;
}

/** Median, 95th percentile (nearest rank) and minimum. */
export function summarize(times: readonly number[]): Summary {
  const sorted = [...times].sort((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  const middle = sorted.length / 2;
  const medianMs = Number.isInteger(middle) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[Math.floor(middle)];
  return { medianMs, p95Ms: rank(0.95), minMs: sorted[0] };
}

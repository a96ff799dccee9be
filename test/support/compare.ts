import { expect } from 'vitest';

type Values = ArrayLike<number>;

/** The largest difference, relative to the largest entry of what is expected. */
export function relativeError(actual: Values, expected: Values): number {
  expect(actual.length).toBe(expected.length);
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!Number.isFinite(actual[i])) return Infinity;
    largest = Math.max(largest, Math.abs(expected[i]));
    difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
  }
  return largest === 0 ? difference : difference / largest;
}

/** Every entry within `tolerance` of the largest expected entry. */
export function expectClose(actual: Values, expected: Values, tolerance: number, what: string): void {
  const error = relativeError(actual, expected);
  expect(error, `${what}: largest difference relative to the largest entry`).toBeLessThanOrEqual(tolerance);
}

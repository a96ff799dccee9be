/** A suite that tested nothing is no success. */
import { expect, it } from 'vitest';
import { untested } from './untested.mjs';

it.each([
  [{ passed: 0, failed: 0, skipped: 0 }, false, 'it ran no test'],
  [{ passed: 0, failed: 0, skipped: 7 }, true, 'it skipped all of its 7 tests on a device that they are for'],
  [{ passed: 0, failed: 0, skipped: 7 }, false, null],
  [{ passed: 1, failed: 0, skipped: 6 }, true, null],
])('of %j, on a device that it is for: %s, tells %j', (told, expected, problem) => {
  expect(untested(told, expected)).toBe(problem);
});

import { describe, expect, it } from 'vitest';
import { lambdaAt, SCHEDULES, type Schedule } from '../../cli/pclora/schedule.ts';

const ALL = Object.keys(SCHEDULES) as Schedule[];

describe.each(ALL)('%s', (schedule) => {
  it('is 1 at step 0, falls at every step, and is 0 from step q on', () => {
    const q = 37;
    const lambdas = Array.from({ length: q + 5 }, (_, step) => lambdaAt(schedule, step, q));
    expect(lambdas[0]).toBe(1);
    for (let step = 1; step <= q; step++) expect(lambdas[step]).toBeLessThan(lambdas[step - 1]);
    expect(lambdas[q - 1]).toBeGreaterThan(0);
    expect(lambdas.slice(q)).toEqual([0, 0, 0, 0, 0]);
    expect(lambdaAt(schedule, 1e9, q)).toBe(0);
  });

  it('is 0 from the first step where q is 0', () => {
    expect([0, 1, 100].map((step) => lambdaAt(schedule, step, 0))).toEqual([0, 0, 0]);
  });
});

it('falls from a later step on as it would from the first', () => {
  expect([0, 3, 4].map((step) => lambdaAt('linear', step, 8, 4))).toEqual([1, 1, 1]);
  expect([5, 6, 7, 8].map((step) => lambdaAt('linear', step, 8, 4))).toEqual([0.75, 0.5, 0.25, 0]);
  expect([3, 4].map((step) => lambdaAt('sine', step, 4, 4))).toEqual([1, 0]);
  expect([0, 1, 2, 3, 4].map((step) => lambdaAt('cubic', step, 4))).toEqual([1, 27 / 64, 1 / 8, 1 / 64, 0]);
});

it('gives what the paper says at a third, a half and two thirds of q', () => {
  const at = (schedule: Schedule): number[] => [2, 3, 4].map((step) => lambdaAt(schedule, step, 6));
  const close = (actual: number[], expected: number[]): void =>
    actual.forEach((lambda, i) => expect(lambda).toBeCloseTo(expected[i], 14));
  close(at('linear'), [2 / 3, 1 / 2, 1 / 3]);
  close(at('sine'), [1 / 2, 1 - Math.SQRT1_2, 1 - Math.sqrt(3) / 2]);
  close(at('one-minus-cosine'), [Math.sqrt(3) / 2, Math.SQRT1_2, 1 / 2]);
});

import { expect, it } from 'vitest';
import { learningRateAt } from '../../cli/train/learning-rate.ts';

const options = { peak: 0.4, warmupSteps: 4, totalSteps: 12 };

it('warms up in equal steps to its peak, then falls by half a cosine', () => {
  const rates = Array.from({ length: 12 }, (_, step) => learningRateAt(step, options));
  const expected = [
    0.1,
    0.2,
    0.3,
    0.4,
    0.4,
    ...[1, 2, 3, 4, 5, 6, 7].map((n) => 0.2 * (1 + Math.cos((Math.PI * n) / 8))),
  ];
  rates.forEach((rate, step) => expect(rate, `step ${step}`).toBeCloseTo(expected[step], 14));
  expect(rates[8]).toBeCloseTo(0.2, 14);
});

it('is 0 at the end and beyond', () => {
  expect(learningRateAt(12, options)).toBeCloseTo(0, 14);
  expect(learningRateAt(100, options)).toBeCloseTo(0, 14);
});

it('falls to its floor, a share of the peak', () => {
  const rates = [4, 8, 12, 100].map((step) => learningRateAt(step, { ...options, floor: 0.1 }));
  [0.4, 0.22, 0.04, 0.04].forEach((rate, i) => expect(rates[i]).toBeCloseTo(rate, 14));
});

it('begins at its peak without a warm-up', () => {
  expect(learningRateAt(0, { ...options, warmupSteps: 0 })).toBe(0.4);
});

it('stays a number where the warm-up takes all steps', () => {
  expect([0, 1].map((step) => learningRateAt(step, { peak: 1, warmupSteps: 2, totalSteps: 2 }))).toEqual([0.5, 1]);
  expect(learningRateAt(0, { peak: 1, warmupSteps: 0, totalSteps: 1 })).toBe(1);
});

it('falls in a straight line where it is asked for', () => {
  const rates = [3, 4, 6, 8, 12].map((step) => learningRateAt(step, { ...options, shape: 'linear', floor: 0.5 }));
  [0.4, 0.4, 0.35, 0.3, 0.2].forEach((rate, i) => expect(rates[i]).toBeCloseTo(rate, 14));
});

it('begins anew where λ has reached 0, to a share of the peak, with a warm-up of its own', () => {
  const anew = { ...options, totalSteps: 24, restart: { step: 12, share: 0.5 } };
  for (let step = 0; step < 12; step++) {
    expect(learningRateAt(step, anew), `step ${step}`).toBeCloseTo(learningRateAt(step, options), 14);
    expect(learningRateAt(12 + step, anew), `step ${12 + step}`).toBeCloseTo(learningRateAt(step, options) / 2, 14);
  }
  const short = { ...options, restart: { step: 10, share: 1 } };
  expect([10, 11].map((step) => learningRateAt(step, short))).toEqual([0.2, 0.4]);
});

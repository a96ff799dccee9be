import { describe, expect, it } from 'vitest';
import { lambdasAt } from '../../cli/pclora/schedule.ts';

const decay = { schedule: 'linear', start: 10, end: 50 } as const;
const at = (order: 'together' | 'first' | 'last', step: number): number[] => [
  ...lambdasAt({ ...decay, order }, step, 3),
];

describe('λ by block', () => {
  it('falls together unless asked otherwise', () => {
    expect(at('together', 10)).toEqual([1, 1, 1]);
    expect(at('together', 30)).toEqual([0.5, 0.5, 0.5]);
    expect(at('together', 50)).toEqual([0, 0, 0]);
  });

  it('falls in turn, each block in half of the time', () => {
    // Windows of 20 steps that begin at 10, 20 and 30.
    expect(at('first', 20)).toEqual([0.5, 1, 1]);
    expect(at('first', 30)).toEqual([0, 0.5, 1]);
    expect(at('first', 40)).toEqual([0, 0, 0.5]);
    for (const step of [10, 20, 30, 40, 49, 50]) expect(at('last', step)).toEqual(at('first', step).reverse());
    expect(at('last', 50)).toEqual([0, 0, 0]);
  });

  it('one block alone has all of it', () => {
    expect([...lambdasAt({ ...decay, order: 'last' }, 20, 1)]).toEqual([0.75]);
  });
});

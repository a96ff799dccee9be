import { describe, expect, it } from 'vitest';
import { axisOf, combinations, gridsOf, runNames } from '../../cli/sweep/grid.ts';

describe('combinations', () => {
  it('are all of them, seeds slowest', () => {
    const axes = [
      { name: 'rank', values: [8, 16] },
      { name: 'seed', values: [1, 2] },
      { name: 'method', values: ['pclora', 'svd'] },
    ];
    expect(combinations(axes)).toEqual([
      { seed: 1, rank: 8, method: 'pclora' },
      { seed: 1, rank: 8, method: 'svd' },
      { seed: 1, rank: 16, method: 'pclora' },
      { seed: 1, rank: 16, method: 'svd' },
      { seed: 2, rank: 8, method: 'pclora' },
      { seed: 2, rank: 8, method: 'svd' },
      { seed: 2, rank: 16, method: 'pclora' },
      { seed: 2, rank: 16, method: 'svd' },
    ]);
    expect(combinations([])).toEqual([{}]);
  });

  it.each([
    [
      [
        { name: 'rank', values: [8] },
        { name: 'rank', values: [9] },
      ],
      'rank is given twice',
    ],
    [[{ name: 'rank', values: [] }], 'rank has no values'],
    [[{ name: 'rank', values: [8, 16, '8'] }], 'rank has 8 twice'],
    [
      ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, values: [1, 2, 3, 4, 5, 6, 7] })),
      'these are 16807 runs, expected 10000 at most',
    ],
  ])('refuses %j', (axes, message) => {
    expect(() => combinations(axes)).toThrow(message);
  });
});

describe('a grid', () => {
  it('is an object of lists and values, or several', () => {
    expect(gridsOf({ rank: [8, 16], fuseQkv: true }, 'g')).toEqual([
      [
        { name: 'rank', values: [8, 16] },
        { name: 'fuseQkv', values: [true] },
      ],
    ]);
    expect(gridsOf([{ rank: 8 }, { rank: [4] }], 'g')).toEqual([
      [{ name: 'rank', values: [8] }],
      [{ name: 'rank', values: [4] }],
    ]);
  });

  it.each([
    [7, 'g: expected an object of flags, got 7'],
    [[], 'g: expected an object of flags, or a list of such, got none'],
    [[[8]], 'g: expected an object of flags, got [8]'],
    [{ rank: [[8]] }, 'g: rank has [8], expected texts, numbers, true or false'],
    [{ rank: null }, 'g: rank has null, expected texts'],
  ])('%j is none', (json, message) => {
    expect(() => gridsOf(json, 'g')).toThrow(message);
  });
});

it('--set names a flag and its values', () => {
  expect(axisOf('learningRate=1e-3, 2e-3')).toEqual({ name: 'learningRate', values: ['1e-3', '2e-3'] });
  for (const text of ['learningRate', 'learningRate=', '=3', 'learning-rate=1'])
    expect(() => axisOf(text)).toThrow(`--set ${text}: expected NAME=VALUE,VALUE`);
});

describe('names', () => {
  it('tell the flags, as a folder may be called', () => {
    expect(runNames([{ rank: 8, learningRate: '1e-3' }, { data: '../a b/c' }, {}])).toEqual([
      'rank-8_learning-rate-1e-3',
      'data-..-a-b-c',
      'run',
    ]);
  });

  it('are unlike, also where case says nothing and where they are long', () => {
    const long = 'x'.repeat(200);
    const names = runNames([{ data: 'a/b' }, { data: 'a b' }, { data: 'A b' }, { data: long }, { data: `${long}y` }]);
    expect(names.slice(0, 3)).toEqual(['data-a-b', 'data-a-b_2', 'data-A-b_3']);
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(5);
    expect(Math.max(...names.map(({ length }) => length))).toBeLessThanOrEqual(100);
  });
});

/** Which samples a report shows: by hand. */
import { expect, it } from 'vitest';
import { chosenRows } from '../../cli/report/chosen-samples.ts';

const periodic = (classes: number, size: number): number[] => Array.from({ length: size }, (_, i) => i % classes);

it('shows eight classes of ten, each once, where classes repeat', () => {
  expect(chosenRows(periodic(10, 1000), 8)).toEqual([0, 1, 3, 4, 5, 6, 8, 9]);
});

it('takes the first of each class, then the second, and more of the others where one has no more', () => {
  expect(chosenRows([1, 0, 1, 1, 1], 4)).toEqual([1, 0, 2, 3]);
  expect(chosenRows([0, 0, 0, 1, 1, 1], 5)).toEqual([0, 3, 1, 4, 2]);
});

it('takes all where there are fewer', () => {
  expect(chosenRows([2, 2, 0], 8)).toEqual([2, 0, 1]);
  expect(chosenRows([], 8)).toEqual([]);
});

it('spreads them evenly where a sample has no single class', () => {
  const targets = Array.from({ length: 12 }, () => Float32Array.of(0, 1));
  expect(chosenRows(targets, 3)).toEqual([2, 6, 10]);
});

/** Which rows no other beats, against sets that were marked by hand. */
import { expect, it } from 'vitest';
import { frontOf, type SweepRow } from '../../cli/sweep/rows.ts';

const row = (name: string, accuracy: number | null, parameters: number): SweepRow =>
  ({ name, accuracy, samples: 10, parameters, bytes: 10 * parameters, macs: 1 }) as unknown as SweepRow;

it('marks rows that are better, or smaller and as good', () => {
  const rows = [
    row('small', 0.7, 10),
    row('as good, larger', 0.7, 12),
    row('middle', 0.8, 20),
    row('worse and larger', 0.79, 21),
    row('best', 0.9, 40),
    row('as best', 0.9, 40),
    row('undefined', null, 1),
  ];
  const names = (cost: 'parameters' | 'bytes' | 'macs'): string[] => frontOf(rows, cost).map(({ name }) => name);
  expect(names('parameters')).toEqual(['small', 'middle', 'best', 'as best']);
  expect(names('bytes')).toEqual(['small', 'middle', 'best', 'as best']);
  expect(names('macs')).toEqual(['best', 'as best']);
  expect(frontOf([], 'macs')).toEqual([]);
});

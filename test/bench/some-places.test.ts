import { expect, it } from 'vitest';
import { somePlaces } from '../../cli/bench/some-places.ts';

it('draws so many places, in their order, each once', () => {
  const places = somePlaces(100, 1000);
  expect(places).toHaveLength(100);
  expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
  expect(places.every((place) => place >= 0 && place < 1000)).toBe(true);
  expect(somePlaces(100, 1000)).toEqual(places);
});

it('takes all where there are no more', () => {
  expect(somePlaces(5, 3)).toEqual([0, 1, 2]);
  expect(somePlaces(3, 3)).toEqual([0, 1, 2]);
  expect(somePlaces(0, 3)).toEqual([]);
});

it('meets every class of data whose classes take turns, or lie one after another', () => {
  for (const classOf of [(place: number) => place % 10, (place: number) => Math.floor(place / 100)])
    expect(new Set(somePlaces(100, 1000).map(classOf)).size).toBe(10);
});

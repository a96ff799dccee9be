/** Which samples stand for all, where a bench takes some. */
import { random } from '../../runtime/random.ts';

/**
 * `count` places out of 0..size-1, in their order, the same ones each time. Drawn, for whatever order a data set has: one
 * class after another, or in turns, whose period an even stride would meet.
 */
export function somePlaces(count: number, size: number): readonly number[] {
  const source = random(0);
  const places: number[] = [];
  for (let place = 0; place < size; place++)
    if (source.uniform() * (size - place) < count - places.length) places.push(place);
  return places;
}

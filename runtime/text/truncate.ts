/** How many tokens of one or two texts stay where they must share some room, as Hugging Face's tokenizers have it. */

/** Which of two texts is cut: the longer one first, or one alone. Hugging Face's names. */
export type TruncationStrategy = 'LongestFirst' | 'OnlyFirst' | 'OnlySecond';

/**
 * How many of a text's and its pair's tokens stay, at most `room` together. A strategy that names one text goes on to
 * the other when nothing is left of the first, where the original refuses.
 */
export function keptTokens(
  first: number,
  second: number,
  room: number,
  strategy: TruncationStrategy,
): readonly [number, number] {
  if (first + second <= room) return [first, second];
  if (strategy === 'OnlyFirst') return [Math.max(0, room - second), Math.min(second, room)];
  if (strategy === 'OnlySecond') return [Math.min(first, room), Math.max(0, room - first)];
  const [less, more] = [Math.floor(room / 2), Math.ceil(room / 2)];
  if (Math.min(first, second) <= less) return first <= second ? [first, room - first] : [room - second, second];
  return first > second ? [more, less] : [less, more];
}

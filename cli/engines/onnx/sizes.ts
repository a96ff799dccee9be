/**
 * Sizes that differ from run to run. A graph's shapes are fixed; what it does to them is not: the same graph is made at
 * several sizes (`PROBES`), and a number that changes with them is told as what it is made of, such as 12·batch·tokens.
 */
import { EngineError } from '../engine.ts';

/** How many samples a model is given, and of texts how many tokens each, padding included. */
export interface Sizes {
  readonly batch: number;
  readonly tokens: number;
}

/** factor, multiplied with those sizes that `by` names. */
export interface Extent {
  readonly factor: number;
  readonly by: readonly (keyof Sizes)[];
}

/** The first is the one that others are compared with; the last, where both change, has to confirm what was told. */
export const PROBES: readonly Sizes[] = [
  { batch: 2, tokens: 2 },
  { batch: 3, tokens: 2 },
  { batch: 2, tokens: 3 },
  { batch: 3, tokens: 3 },
];

/**
 * What a number is made of that was seen at each of `PROBES`.
 * @throws EngineError for one that is no product of a whole number and sizes
 */
export function extentOf(seen: readonly number[]): Extent {
  const [first, ofBatch, ofTokens] = seen;
  const by = [...(ofBatch === first ? [] : ['batch' as const]), ...(ofTokens === first ? [] : ['tokens' as const])];
  const factor = by.reduce((rest, name) => rest / PROBES[0][name], first);
  const extent = { factor, by };
  const isRight = Number.isInteger(factor) && PROBES.every((sizes, i) => sizeAt(extent, sizes) === seen[i]);
  if (!isRight) throw new EngineError(`onnx: a size of ${seen.join(', ')} does not follow batch and tokens`);
  return extent;
}

function sizeAt({ factor, by }: Extent, sizes: Sizes): number {
  return by.reduce((product, name) => product * sizes[name], factor);
}

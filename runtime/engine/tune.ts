import type { Kernels } from '../kernels/kernels.ts';

/** Times each way a few times over, so that neither pays for being compiled. */
const ROUNDS = 6;

/**
 * Chooses how the relaxed kernels add up products, which is a matter of the processor and not to be asked from WebAssembly: times both
 * ways on `sample`, an int8 call of the model. They give the same bits, so this changes no answer. Where the clock stands still, as in
 * isolates that hide it, the way of processors with a dot product stays.
 */
export function tune({ addInPairs }: Kernels, sample: () => void): void {
  if (!addInPairs) return;
  const best = [Infinity, Infinity];
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const inPairs = round % 2;
    addInPairs(inPairs);
    const started = performance.now();
    sample();
    best[inPairs] = Math.min(best[inPairs], performance.now() - started);
  }
  addInPairs(best[1] < best[0] ? 1 : 0);
}

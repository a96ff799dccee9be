import { sizesOf } from '../artifact/plan-memory.ts';
import type { Plan } from '../artifact/plan.ts';
import { STEPS } from '../artifact/steps.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { Call } from './bind.ts';

/** Times each way a few times over, so that neither pays for being compiled. */
const ROUNDS = 6;
/** Multiply-accumulates: a tenth of a millisecond. Less would measure the clock, more would be felt when loading. */
const ENOUGH_WORK = 4e6;

/**
 * Chooses how the relaxed kernels add up products, which is a matter of the processor and not to be asked from WebAssembly: times both
 * ways on an int8 call of the plan. They give the same bits, so this changes no answer. Where the clock stands still, as in isolates that
 * hide it, the way of processors with a dot product stays.
 */
export function tune({ addInPairs }: Kernels, plan: Plan, calls: readonly Call[]): void {
  const sample = addInPairs && calls[sampleStep(plan)];
  if (!sample) return;
  const best = [Infinity, Infinity];
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const inPairs = round % 2;
    addInPairs(inPairs);
    const started = performance.now();
    sample(plan.tokens ?? 1);
    best[inPairs] = Math.min(best[inPairs], performance.now() - started);
  }
  addInPairs(best[1] < best[0] ? 1 : 0);
}

/** The int8 step whose work is nearest to enough; -1 where there is none. */
function sampleStep({ steps, tokens }: Plan): number {
  const distances = steps.map((step) =>
    step.op === 'linearInt8' || step.op === 'lowRankInt8' ? Math.abs(Math.log(STEPS[step.op].work(sizesOf(step, tokens)) / ENOUGH_WORK)) : Infinity);
  const nearest = Math.min(...distances);
  return nearest === Infinity ? -1 : distances.indexOf(nearest);
}

/**
 * How λ falls from 1 to 0 with progress p from 0 to 1: the three schedules that the paper compares (PC-LoRA, section 3),
 * and a cubic one, which is that of gradual pruning (Zhu, Gupta 2017).
 */
export const SCHEDULES = {
  linear: (p: number) => 1 - p,
  sine: (p: number) => 1 - Math.sin((Math.PI / 2) * p),
  'one-minus-cosine': (p: number) => Math.cos((Math.PI / 2) * p),
  cubic: (p: number) => (1 - p) ** 3,
} as const satisfies Record<string, (progress: number) => number>;

/** What --schedule takes. */
export type Schedule = keyof typeof SCHEDULES;

/**
 * λ(n): 1 up to the step where it starts to fall, 0 from the paper's step q on.
 * @param step n, counted in optimizer steps from 0
 * @param end q: the step at which λ reaches 0
 * @param start the step after which it falls
 */
export function lambdaAt(schedule: Schedule, step: number, end: number, start = 0): number {
  if (step >= end) return 0;
  return step <= start ? 1 : SCHEDULES[schedule]((step - start) / (end - start));
}

/** Which blocks' λ falls first; what --decay-order takes. */
export const DECAY_ORDERS = ['together', 'first', 'last'] as const;
/** One of them. */
export type DecayOrder = (typeof DECAY_ORDERS)[number];

/** When λ falls, and how: in optimizer steps. */
export interface Decay {
  readonly schedule: Schedule;
  /** The step after which it falls. */
  readonly start: number;
  /** q: the step at which it reaches 0, everywhere. */
  readonly end: number;
  readonly order: DecayOrder;
}

/**
 * λ of each block at a step. Where they don't fall together, each falls within half of the time: the first in turn from
 * its beginning, the last in turn to its end, the others evenly in between.
 */
export function lambdasAt({ schedule, start, end, order }: Decay, step: number, blocks: number): Float32Array {
  if (order === 'together' || blocks === 1) return new Float32Array(blocks).fill(lambdaAt(schedule, step, end, start));
  const half = (end - start) / 2;
  return Float32Array.from({ length: blocks }, (_, block) => {
    const place = order === 'first' ? block : blocks - 1 - block;
    const from = start + (blocks === 1 ? 0 : (half * place) / (blocks - 1));
    return lambdaAt(schedule, step, from + half, from);
  });
}

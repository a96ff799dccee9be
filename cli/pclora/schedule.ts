/** The three decay schedules that the paper compares (PC-LoRA, section 3), with progress p = n / q. */
export const SCHEDULES = {
  linear: (p: number) => 1 - p,
  sine: (p: number) => 1 - Math.sin((Math.PI / 2) * p),
  'one-minus-cosine': (p: number) => Math.cos((Math.PI / 2) * p),
} as const satisfies Record<string, (progress: number) => number>;

/** What --schedule takes. */
export type Schedule = keyof typeof SCHEDULES;

/**
 * λ(n): 1 at step 0, 0 from step q on.
 * @param step n, counted in optimizer steps from 0
 * @param decaySteps q: the step at which λ reaches 0
 */
export function lambdaAt(schedule: Schedule, step: number, decaySteps: number): number {
  return step >= decaySteps ? 0 : SCHEDULES[schedule](step / decaySteps);
}

/** How the learning rate goes from its warm-up on. */
export interface LearningRate {
  readonly peak: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
  /** Share of the peak that the last step has; 0 unless given. */
  readonly floor?: number;
  /** How it falls; half a cosine unless given. */
  readonly shape?: LearningRateShape;
  /** Where it begins anew, such as when λ has reached 0; nowhere unless given. */
  readonly restart?: Restart | null;
}

/** A second fall of the learning rate. */
export interface Restart {
  /** Its first step. */
  readonly step: number;
  /** Share of the peak to which it warms up again. */
  readonly share: number;
}

/** From 1 to 0 with progress p from 0 to 1. */
const SHAPES = {
  cosine: (p: number) => (1 + Math.cos(Math.PI * p)) / 2,
  linear: (p: number) => 1 - p,
} as const satisfies Record<string, (progress: number) => number>;

/** What --learning-rate-schedule takes. */
export const LEARNING_RATE_SHAPES = Object.keys(SHAPES) as readonly LearningRateShape[];
/** One of them. */
export type LearningRateShape = keyof typeof SHAPES;

/**
 * The learning rate of a step: a linear warm-up to the peak, then half a cosine to the floor at the last step
 * (Loshchilov, Hutter 2016), or a straight line. With a restart both come twice.
 * @param step counted from 0
 */
export function learningRateAt(step: number, options: LearningRate): number {
  const { peak, warmupSteps, totalSteps, floor = 0, shape = 'cosine', restart = null } = options;
  if (restart !== null && step >= restart.step)
    return learningRateAt(step - restart.step, {
      ...options,
      peak: peak * restart.share,
      totalSteps: totalSteps - restart.step,
      warmupSteps: Math.min(warmupSteps, totalSteps - restart.step),
      restart: null,
    });
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const last = restart?.step ?? totalSteps;
  const progress = (step - warmupSteps) / Math.max(1, last - warmupSteps);
  return peak * (floor + (1 - floor) * SHAPES[shape](Math.min(1, progress)));
}

/** How the learning rate goes from its warm-up on. */
export interface LearningRate {
  readonly peak: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
  /** Share of the peak that the last step has; 0 unless given. */
  readonly floor?: number;
}

/**
 * The learning rate of a step: a linear warm-up to the peak, then half a cosine to the floor at the last step
 * (Loshchilov, Hutter 2016).
 * @param step counted from 0
 */
export function learningRateAt(step: number, { peak, warmupSteps, totalSteps, floor = 0 }: LearningRate): number {
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  return peak * (floor + ((1 - floor) * (1 + Math.cos(Math.PI * Math.min(1, progress)))) / 2);
}

/**
 * The learning rate of a step: a linear warm-up to the peak, then half a cosine to 0 at the last step (Loshchilov,
 * Hutter 2016).
 * @param step counted from 0
 */
export function learningRateAt(
  step: number,
  { peak, warmupSteps, totalSteps }: { peak: number; warmupSteps: number; totalSteps: number },
): number {
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  return (peak * (1 + Math.cos(Math.PI * Math.min(1, progress)))) / 2;
}

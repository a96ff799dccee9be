/** What the progress of a training tells of a step. */
import type { Score } from '../../runtime/artifact/problem-type.ts';
import { scoreText } from './score.ts';

/** What is known of a training after a step. */
export interface StepFacts {
  /** From 0 on. */
  readonly epoch: number;
  readonly epochs: number;
  readonly lambda: number | null;
  /** The losses by their names, `loss` among them. */
  readonly values: Readonly<Record<string, number>>;
  /** The last evaluation's; null before the first. */
  readonly score: Score | null;
  readonly batchSize: number;
  /** Of the last steps, all that they took. */
  readonly msPerStep: number;
  /** 0 to 1. */
  readonly dataShare: number;
  /** What of this process lies in memory. */
  readonly residentBytes: number;
}

/** A progress's details: where the training is, its losses, how good it was last, how fast it goes. */
export function stepDetails(facts: StepFacts): readonly string[] {
  const { epoch, epochs, lambda, values, score, batchSize, msPerStep, dataShare, residentBytes } = facts;
  const { loss, gradientNorm: _, ...terms } = values;
  const samples = (1000 * batchSize) / msPerStep;
  return [
    `epoch ${epoch + 1}/${epochs}`,
    ...(lambda === null ? [] : [`λ ${lambda.toFixed(3)}`]),
    `loss ${shortLoss(loss)}`,
    ...Object.entries(terms).map(([name, value]) => `${name} ${shortLoss(value)}`),
    ...(score === null ? [] : [scoreText(score)]),
    `${samples < 10 ? samples.toFixed(1) : samples.toFixed(0)} samples/s`,
    `${msPerStep.toFixed(0)} ms/step`,
    `${Math.round(100 * dataShare)} % waiting for data`,
    `${(residentBytes / 1e9).toFixed(2)} GB of memory`,
  ];
}

/** Four digits; rounding may leave a loss of 0 a hair below it, which is no -0.0000. */
function shortLoss(value: number): string {
  return value.toFixed(4).replace(/^-(0\.0+)$/, '$1');
}

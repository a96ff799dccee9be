/** What `finetune` and `train` have in common: from flags to a loop, and a run that says how it ended. */
import type { StageAccuracy } from '../../runtime/artifact/manifest.ts';
import { parseAugment } from '../data/augment.ts';
import { batchCount } from '../data/batches.ts';
import type { EngineChoice } from '../engines/create.ts';
import { Interrupted, usageError } from '../io/errors.ts';
import type { LoopOptions } from '../train/loop.ts';
import { ADAMW_DEFAULTS } from '../train/optimizer.ts';
import { createRunDirectory, openRunDirectory, readRunRecord, type RunDirectory, type RunRecord } from '../train/run-directory.ts';
import { isDeepStrictEqual } from 'node:util';

export interface TrainingFlags extends EngineChoice {
  readonly data?: string;
  readonly out?: string;
  readonly overwrite: boolean;
  readonly resume: boolean;
  readonly json: boolean;
  readonly seed: number;
  readonly skipBad: boolean;
  readonly validationFraction: number;
  readonly epochs: number;
  readonly steps?: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmupSteps?: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
  readonly augment: string;
  readonly evaluateEvery?: number;
  readonly select: 'last' | 'best';
}

const MAX_EVALUATIONS = 10;

/** Flags and the size of the data become steps. */
export function loopOptions(flags: TrainingFlags, samples: number): LoopOptions {
  const perEpoch = batchCount(samples, { batchSize: flags.batchSize, dropLast: true });
  if (perEpoch === 0) throw usageError(`--batch-size ${flags.batchSize} is larger than the training data (${samples} samples)`);
  const totalSteps = flags.steps ?? Math.max(1, Math.round(flags.epochs * perEpoch));
  const epochsBetween = Math.ceil(totalSteps / perEpoch / MAX_EVALUATIONS);
  return {
    totalSteps,
    batchSize: flags.batchSize,
    learningRate: flags.learningRate,
    warmupSteps: flags.warmupSteps ?? Math.min(100, Math.ceil(totalSteps / 10)),
    optimizer: { ...ADAMW_DEFAULTS, weightDecay: flags.weightDecay, clipNorm: flags.clipNorm },
    augment: parseAugment(flags.augment),
    seed: flags.seed,
    evaluateEvery: flags.evaluateEvery ?? Math.min(totalSteps, epochsBetween * perEpoch),
    select: flags.select,
    resume: flags.resume,
  };
}

/** A new run's folder, or with --resume the one that is there, which must have been asked for in the same words. */
export async function startRun(out: string, flags: TrainingFlags, configuration: Readonly<Record<string, unknown>>): Promise<RunDirectory> {
  if (!flags.resume) return createRunDirectory(out, flags.overwrite);
  const record = await readRunRecord(out);
  if (!record) throw usageError(`--resume: ${out} is not a run`, 'Leave out --resume to start one.');
  const same = JSON.parse(JSON.stringify(configuration)) as Record<string, unknown>;
  const changed = [...new Set([...Object.keys(record.configuration), ...Object.keys(same)])].filter((key) => !isDeepStrictEqual(record.configuration[key], same[key]));
  if (changed.length > 0) {
    const [key] = changed;
    throw usageError(`--resume: ${key} was ${JSON.stringify(record.configuration[key])} and is ${JSON.stringify(same[key])} now`, 'Resume with the flags that the run began with.');
  }
  return openRunDirectory(out);
}

interface Finished<R> {
  readonly result: R;
  readonly accuracy: readonly StageAccuracy[];
  readonly steps: number;
  readonly interrupted: boolean;
}

/** Runs a job and keeps run.json true: running, then finished, interrupted or failed. */
export async function recordedRun<R>(
  run: RunDirectory,
  description: Pick<RunRecord, 'kind' | 'source' | 'configuration' | 'compression' | 'costs'>,
  totalSteps: number,
  job: () => Promise<Finished<R>>,
): Promise<R> {
  const steps = (done: number): RunRecord['steps'] => ({ done, total: totalSteps });
  await run.save({ ...description, status: 'running', accuracy: [], steps: steps(0) });
  try {
    const { result, accuracy, steps: done, interrupted } = await job();
    await run.save({ ...description, status: interrupted ? 'interrupted' : 'finished', accuracy, steps: steps(done) });
    if (interrupted) throw new Interrupted(`interrupted at step ${done} of ${totalSteps}: the same command with --resume goes on`);
    return result;
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    // The cause is what the user must see, also where the disk has no room for this record.
    await run.save({ ...description, status: 'failed', accuracy: [], steps: steps(0) }).catch(() => undefined);
    throw error;
  }
}

/** The training loop: next batch, one step, now and then an evaluation and a checkpoint. */
import { type Score, scoreOf } from '../../runtime/artifact/problem-type.ts';
import { random } from '../../runtime/random.ts';
import type { Batch, Samples } from '../data/samples.ts';
import { targetTensor } from '../data/target.ts';
import {
  type DeviceTensor,
  type Engine,
  floats,
  type HostTensor,
  type Inputs,
  type Outputs,
} from '../engines/engine.ts';
import { Interrupted, UserError } from '../io/errors.ts';
import { exists } from '../io/files.ts';
import { untilInterrupted } from '../io/io.ts';
import type { Progress } from '../io/progress.ts';
import type { Dropout } from '../models/model.ts';
import { type Best, loadState, saveState, type TrainState } from './checkpoint.ts';
import { createEta, type TrainingPlan } from './eta.ts';
import type { MetricsLine } from './event-file.ts';
import { type LearningRateShape, learningRateAt, type Restart } from './learning-rate.ts';
import { withinMemory } from './memory.ts';
import { adamwScalars, type OptimizerOptions } from './optimizer.ts';
import type { RunDirectory } from './run-directory.ts';
import { scoreText } from './score.ts';
import { LABELS, STATE } from './step.ts';
import { stepDetails } from './step-details.ts';
import type { StepProgram } from './step-program.ts';
import { stepsAhead } from './steps-ahead.ts';
import { createWaitShare, withWaits } from './waits.ts';

/** How long and how fast to train. */
export interface LoopOptions {
  readonly totalSteps: number;
  readonly batchSize: number;
  /** In how many parts a batch is computed, one after another; a divisor of the batch size. */
  readonly accumulate: number;
  readonly learningRate: number;
  /** Share of it at which the last step arrives. */
  readonly learningRateFloor: number;
  readonly learningRateSchedule: LearningRateShape;
  readonly learningRateRestart: Restart | null;
  readonly warmupSteps: number;
  readonly optimizer: OptimizerOptions;
  readonly seed: number;
  /** Evaluates and saves a checkpoint every so many steps, and after the last. */
  readonly evaluateEvery: number;
  /** Keeps the state with the best score, or the last one. */
  readonly select: 'best' | 'last';
  /** Goes on from the run's checkpoint, or from the start where it was stopped before the first. */
  readonly resume: boolean;
}

/** What is trained: the program of each step, and how to judge the result. */
export interface Objective {
  /** λ at a step, to be logged: a mean where there are several. Null where there is none. */
  lambdaAt(step: number): number | null;
  /** What the program of a step is given beside samples, state and learning rate: λ itself. */
  givenAt?(step: number, batch: Batch): Readonly<Record<string, HostTensor>>;
  /** The compiled step; may change with λ, and with the length of the batch's texts. */
  programAt(step: number, tokens: number | null): Promise<StepProgram>;
  /** What its steps and evaluations are beside each other, from which the time that is left is told. */
  readonly work: Pick<TrainingPlan, 'kindAt' | 'stepWork' | 'evaluationWork'>;
  /** What the student's head drops; drawn anew each step. */
  readonly dropouts: readonly Dropout[];
  /** The losses among the program's outputs, to be logged. */
  readonly losses: readonly string[];
  /** Tensors that don't train. */
  readonly frozen: Inputs;
  /** Where the trained vector starts. */
  start(): Float32Array;
  /** Judges what would ship: for PC-LoRA with the adapters only, whatever λ is. `onBatch` is told after each batch. */
  evaluate(parameters: DeviceTensor, onBatch?: () => void): Promise<Score>;
}

/** What a loop works with and tells of itself. All of it is the caller's, who closes it. */
export interface LoopContext {
  readonly engine: Engine;
  readonly run: RunDirectory;
  readonly samples: Samples;
  readonly progress: Progress;
  /** Stops after the step under way, with a checkpoint. */
  readonly signal: AbortSignal;
  /** Told of the steps done whenever a checkpoint holds them. */
  readonly onCheckpoint?: (step: number) => Promise<void>;
}

/** What the loop leaves: the parameters that --select chose, their evaluation, and how many steps were done. */
export interface LoopResult extends Best {
  readonly steps: number;
  /** How much of the steps' time was spent waiting for data, 0 to 1. */
  readonly dataShare: number;
}

/** How often metrics are written at least; a line a step would make the disk part of the loop. */
const LOG_EVERY = 20;

/** Sets the numbers that dropout draws apart from those of shuffling, which begin with the seed too. */
const DROPOUT_STREAM = 0x6472_6f70;

/**
 * Trains for `totalSteps` optimizer steps.
 * @throws UserError when a loss, a gradient or a weight is no longer finite: the checkpoint then is the last good one;
 *   and when the device has no room for a step
 * @throws Interrupted when the signal stopped it: the checkpoint then is where it stopped
 */
export async function trainLoop(objective: Objective, options: LoopOptions, context: LoopContext): Promise<LoopResult> {
  return withinMemory(
    context.engine,
    `training with --batch-size ${options.batchSize}${accumulateNote(options)}`,
    'Raise --accumulate, or lower --batch-size; of texts, --max-tokens.',
    () => loop(objective, options, context),
  );
}

/** A score that is not defined is behind all others. */
function rankOf(score: Score): number {
  return scoreOf(score).value ?? -Infinity;
}

async function loop(objective: Objective, options: LoopOptions, context: LoopContext): Promise<LoopResult> {
  const { engine, run, samples, progress, signal } = context;
  const { totalSteps, evaluateEvery } = options;
  let state = await startingState(objective.start(), options, context);
  let device = uploadState(engine, state);
  let evaluation: Score | null = null;
  const log = bufferedLog(run);
  const waits = createWaitShare();
  const epochs = Math.ceil(totalSteps / samples.count({ batchSize: options.batchSize, dropLast: true }));
  const eta = createEta({ totalSteps, evaluateEvery, firstStep: state.step, ...objective.work });
  const recently = recentMean(RECENT_STEPS);
  // The end of the last step, or of the evaluation after it.
  let lastEnd = performance.now();
  const ahead = stepsAhead<Step, Readonly<Record<string, number>>>(
    async ({ step, epoch, lambda, values, msPerStep, dataMs, endedAt, ...facts }) => {
      expectFinite(values, step, run);
      // Without labels there was no task loss, which is not the same as one of 0.
      const { task, ...others } = values;
      const losses = facts.isLabelled ? values : others;
      await log.add({ step, epoch, lambda, learningRate: facts.learningRate, ...losses, msPerStep, dataMs });
      const ms = Math.max(0, endedAt - lastEnd - facts.compiledMs);
      lastEnd = endedAt;
      eta.step({ step, tokens: facts.tokens, ms, waitedMs: dataMs, compiledMs: facts.compiledMs });
      const details = stepDetails({
        epoch,
        epochs,
        lambda,
        values: losses,
        score: evaluation,
        batchSize: options.batchSize,
        msPerStep: recently(ms),
        dataShare: waits.share(),
        residentBytes: process.memoryUsage.rss(),
      });
      progress.update(step + 1, totalSteps, details, eta.leftMs(step + 1));
    },
  );
  const checkpoint = async (next: TrainState): Promise<void> => {
    state = next;
    // The log first: what a checkpoint holds is in it, also where the process is killed in between.
    await log.flush();
    await saveCheckpoint(state, context);
  };
  const interrupted = (done: number): Interrupted =>
    new Interrupted(`interrupted at step ${done} of ${totalSteps}: the same command with --resume goes on`);
  // What is told of the interrupt stands below the progress.
  signal.addEventListener('abort', progress.end, { once: true });
  try {
    for await (const { item, waitedMs } of withWaits(trainingBatches(context, options, state.step))) {
      const { batch, epoch, step } = item;
      const learningRate = learningRateAt(step, {
        peak: options.learningRate,
        floor: options.learningRateFloor,
        shape: options.learningRateSchedule,
        restart: options.learningRateRestart,
        warmupSteps: options.warmupSteps,
        totalSteps,
      });
      const lambda = objective.lambdaAt(step);
      const scalars = asScalars({
        ...adamwScalars(step, learningRate, options.optimizer),
      });
      const asked = performance.now();
      const compiling = toldIfSlow(objective.programAt(step, batch.tokens), () =>
        progress.line(`step ${step + 1}: ${engine.name} compiles its program, which may take minutes, once`),
      );
      const program = await unlessInterrupted(signal, compiling);
      const compiledMs = performance.now() - asked;
      if (!program) {
        await ahead.all();
        await checkpoint({ step, ...(await downloadWeights(device, step, run)), best: state.best });
        throw interrupted(step);
      }
      const started = performance.now();
      const outputs = await program.run(
        { ...objective.frozen, ...device },
        {
          batch: {
            ...batch.inputs,
            [LABELS]: targetTensor(batch.labels, options.batchSize),
            ...dropoutMasks(objective.dropouts, options, step),
          },
          scalars: { ...scalars, ...objective.givenAt?.(step, batch) },
        },
      );
      disposeAll(device);
      device = Object.fromEntries(STATE.map((name) => [name, outputs[name]]));
      const reading = readScalars(outputs, [...objective.losses, 'gradientNorm']);
      const { isLabelled, tokens } = batch;
      const facts = { step, epoch, lambda, learningRate, isLabelled, tokens, dataMs: waitedMs, compiledMs };
      await ahead.add({ ...facts, started }, reading);
      waits.add(waitedMs, waitedMs + performance.now() - started); // without compiling, as msPerStep

      const done = step + 1;
      const evaluates = done % evaluateEvery === 0 || done === totalSteps;
      if (evaluates || signal.aborted) {
        await ahead.all();
        const began = performance.now();
        const batches = batchTimes();
        const weights = await downloadWeights(device, done, run);
        let { best } = state;
        if (evaluates) {
          evaluation = await objective.evaluate(device.parameters, batches.add);
          await log.add({ step, epoch, lambda, ...evaluation });
          const line = `step ${done}/${totalSteps}${told(lambda, await reading)}`;
          progress.line(`${line}  ${scoreText(evaluation)}`);
          if (options.select === 'best' && !(best && rankOf(evaluation) < rankOf(best.evaluation)))
            best = { parameters: weights.parameters.slice(), evaluation };
        }
        await checkpoint({ step: done, ...weights, best });
        lastEnd = performance.now();
        if (evaluates) eta.evaluated(lastEnd - began, batches.onceMs());
      }
      if (signal.aborted && done < totalSteps) throw interrupted(done);
    }
  } finally {
    signal.removeEventListener('abort', progress.end);
    progress.end();
    await log.flush();
  }
  const kept = state.best ?? {
    parameters: state.parameters.slice(),
    evaluation: evaluation ?? (await objective.evaluate(device.parameters)),
  };
  disposeAll(device);
  return { ...kept, steps: state.step, dataShare: waits.share() };
}

/** In how many parts, where that is more than one. */
function accumulateNote({ accumulate }: LoopOptions): string {
  return accumulate === 1 ? '' : ` and --accumulate ${accumulate}`;
}

/** What a line that stays says of a step. */
function told(lambda: number | null, { loss }: Readonly<Record<string, number>>): string {
  return `${lambda === null ? '' : `  λ ${lambda.toFixed(3)}`}  loss ${loss.toFixed(4)}`;
}

interface Step {
  readonly step: number;
  readonly epoch: number;
  readonly lambda: number | null;
  readonly learningRate: number;
  readonly isLabelled: boolean;
  readonly tokens: number | null;
  /** How long its batch was waited for. */
  readonly dataMs: number;
  /** How long its program was. */
  readonly compiledMs: number;
}

/** Times the batches of an evaluation. */
function batchTimes() {
  const ends = [performance.now()];
  return {
    add: (): void => void ends.push(performance.now()),
    /** What the first took longer than a middle one: in the first evaluation, compiling. */
    onceMs(): number {
      const times = ends.slice(1).map((end, i) => end - ends[i]);
      const middle = [...times].sort((a, b) => a - b)[times.length >> 1];
      return times.length < 3 ? 0 : Math.max(0, times[0] - middle);
    },
  };
}

/** Over how many steps a progress line's time of a step is the mean. */
const RECENT_STEPS = 20;

/** The mean of the last `count` values that it was given. */
function recentMean(count: number): (value: number) => number {
  const values: number[] = [];
  return (value) => {
    values.push(value);
    if (values.length > count) values.shift();
    return values.reduce((sum, each) => sum + each, 0) / values.length;
  };
}

/** How long a wait may be before it is explained. */
const SLOW_MS = 3000;

/** What a promise gives; `tell` is called where that takes long. */
async function toldIfSlow<T>(working: Promise<T>, tell: () => void): Promise<T> {
  const timer = setTimeout(tell, SLOW_MS);
  try {
    return await working;
  } finally {
    clearTimeout(timer);
  }
}

/** What a promise gives; null once the user interrupts. */
async function unlessInterrupted<T>(signal: AbortSignal, working: Promise<T>): Promise<T | null> {
  try {
    return await untilInterrupted(signal, working);
  } catch (error) {
    if (error instanceof Interrupted) return null;
    throw error;
  }
}

/** The next epoch's batches are begun when so many of an epoch are left, so that no step waits for a first one. */
const NEXT_EPOCH_AT = 8;

/**
 * Epoch after epoch until `totalSteps`; on resuming, the batches that were trained on already are made and passed over.
 */
async function* trainingBatches(
  { samples }: LoopContext,
  options: LoopOptions,
  firstStep: number,
): AsyncGenerator<{ batch: Batch; epoch: number; step: number }> {
  const { batchSize, seed, totalSteps } = options;
  if (firstStep >= totalSteps) return;
  const perEpoch = samples.count({ batchSize, dropLast: true });
  const begin = (epoch: number): BegunEpoch => {
    const batches = samples.batches({ batchSize, seed, epoch, shuffle: true, dropLast: true })[Symbol.asyncIterator]();
    const first = batches.next();
    first.catch(() => undefined); // whoever comes to it hears of its failure
    return { batches, first };
  };
  let epoch = Math.floor(firstStep / perEpoch);
  let step = epoch * perEpoch;
  let current = begin(epoch);
  let next: BegunEpoch | null = null;
  try {
    for (; ; current = next ?? begin(epoch), next = null) {
      for (let made = await current.first; !made.done; made = await current.batches.next()) {
        if ((epoch + 1) * perEpoch - step <= NEXT_EPOCH_AT && (epoch + 1) * perEpoch < totalSteps)
          next ??= begin(epoch + 1);
        if (step >= firstStep) yield { batch: made.value, epoch, step };
        if (++step >= totalSteps) return;
      }
      epoch++;
    }
  } finally {
    // Not waited for: a batch that is being made may take a slow disk its time, and nobody wants it any more.
    for (const begun of [current, next]) void begun?.batches.return?.().catch(() => undefined);
  }
}

/** An epoch of which the first batch is being made. */
interface BegunEpoch {
  readonly batches: AsyncIterator<Batch>;
  readonly first: Promise<IteratorResult<Batch>>;
}

/** Which values are dropped at a step: told by the seed and the step, so that a resumed run drops the same. */
function dropoutMasks(
  dropouts: readonly Dropout[],
  { batchSize, seed }: LoopOptions,
  step: number,
): Record<string, HostTensor> {
  const source = random(seed, DROPOUT_STREAM, step);
  return Object.fromEntries(
    dropouts.map(({ name, width, rate }) => [
      name,
      floats(
        Float32Array.from({ length: batchSize * width }, () => (source.uniform() < rate ? 0 : 1 / (1 - rate))),
        [batchSize, width],
      ),
    ]),
  );
}

function asScalars(values: Readonly<Record<string, number>>): Record<string, HostTensor> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, floats(Float32Array.of(value), [])]));
}

async function readScalars(outputs: Outputs, names: readonly string[]): Promise<Record<string, number>> {
  const values: Record<string, number> = {};
  for (const name of names) {
    values[name] = (await outputs[name].read())[0];
    outputs[name].dispose();
  }
  return values;
}

function expectFinite(values: Readonly<Record<string, number>>, step: number, run: RunDirectory): void {
  const broken = Object.entries(values).find(([, value]) => !Number.isFinite(value));
  if (broken) throw diverged(`${broken[0]} is ${broken[1]} at step ${step}`, run);
}

function diverged(what: string, run: RunDirectory): UserError {
  return new UserError(
    `training diverged: ${what}`,
    `The last good checkpoint is kept in ${run.path('checkpoint')}. ` +
      'Try a lower --learning-rate, or more --warmup-steps.',
  );
}

/**
 * Where training begins: at the checkpoint of the run that is resumed, else at the start, which is the first
 * checkpoint.
 */
async function startingState(start: Float32Array, { resume }: LoopOptions, context: LoopContext): Promise<TrainState> {
  const { run, progress } = context;
  const path = run.path('checkpoint');
  if (resume && (await exists(path))) {
    const state = await loadState(path, start.length);
    await run.rewindLog(state.step);
    await context.onCheckpoint?.(state.step);
    progress.line(`resuming after step ${state.step}`);
    return state;
  }
  const zeros = (): Float32Array => new Float32Array(start.length);
  const state = { step: 0, parameters: start, moment1: zeros(), moment2: zeros(), best: null };
  await run.rewindLog(0);
  await saveCheckpoint(state, context);
  return state;
}

async function saveCheckpoint(state: TrainState, { run, onCheckpoint }: LoopContext): Promise<void> {
  await saveState(run.path('checkpoint'), state);
  await onCheckpoint?.(state.step);
}

/** metrics.jsonl, some lines at a time. */
function bufferedLog(run: RunDirectory) {
  let lines: MetricsLine[] = [];
  async function flush(): Promise<void> {
    const full = lines;
    lines = [];
    await run.log(full);
  }
  return {
    async add(line: MetricsLine): Promise<void> {
      lines.push(line);
      if (lines.length >= LOG_EVERY) await flush();
    },
    flush,
  };
}

function uploadState(engine: Engine, state: TrainState): Record<string, DeviceTensor> {
  return Object.fromEntries(STATE.map((name) => [name, engine.upload(floats(state[name], [state[name].length]))]));
}

/** The trained vector and its moments on the host. UserError where one is no longer finite. */
async function downloadWeights(
  device: Inputs,
  done: number,
  run: RunDirectory,
): Promise<Pick<TrainState, (typeof STATE)[number]>> {
  const [parameters, moment1, moment2] = await Promise.all(STATE.map((name) => readVector(device[name])));
  for (const vector of [parameters, moment1, moment2]) {
    if (!allFinite(vector)) throw diverged(`a weight is no longer finite after step ${done - 1}`, run);
  }
  return { parameters, moment1, moment2 };
}

function allFinite(vector: Float32Array): boolean {
  for (let i = 0; i < vector.length; i++) if (!Number.isFinite(vector[i])) return false;
  return true;
}

async function readVector(tensor: DeviceTensor): Promise<Float32Array> {
  return (await tensor.read()) as Float32Array;
}

function disposeAll(tensors: Inputs): void {
  for (const tensor of Object.values(tensors)) tensor.dispose();
}

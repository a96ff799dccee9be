/** The training loop: next batch, one step, now and then an evaluation and a checkpoint. */
import { batchCount, batches, type Batch } from '../data/batches.ts';
import type { Augment } from '../data/augment.ts';
import type { Split } from '../data/split.ts';
import { floats, integers, type DeviceTensor, type Engine, type Inputs, type Outputs, type Program } from '../engines/engine.ts';
import { UserError } from '../io/errors.ts';
import type { Progress } from '../io/progress.ts';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import { loadState, saveState, type TrainState } from './checkpoint.ts';
import type { Evaluation } from './evaluate.ts';
import { learningRateAt } from './learning-rate.ts';
import { adamwScalars, type AdamwOptions } from './optimizer.ts';
import type { RunDirectory } from './run-directory.ts';
import { STATE } from './step.ts';

/** How long and how fast to train. */
export interface LoopOptions {
  readonly totalSteps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly optimizer: AdamwOptions;
  readonly augment: Augment;
  readonly seed: number;
  /** Evaluates and saves a checkpoint every so many steps, and after the last. */
  readonly evaluateEvery: number;
  /** Keeps the state with the best accuracy, or the last one. */
  readonly select: 'best' | 'last';
  /** Goes on from the run's checkpoint. */
  readonly resume: boolean;
}

/** What is trained: the program of each step, and how to judge the result. */
export interface Objective {
  /** λ at a step; null where there is none. */
  lambdaAt(step: number): number | null;
  /** The compiled step; may change with λ. */
  programAt(step: number): Promise<Program>;
  /** The losses among the program's outputs, to be logged. */
  readonly losses: readonly string[];
  /** Tensors that don't train. */
  readonly frozen: Inputs;
  /** Where the trained vector starts. */
  start(): Float32Array;
  /** Accuracy of what would ship: for PC-LoRA with the adapters only, whatever λ is. */
  evaluate(parameters: DeviceTensor): Promise<Evaluation>;
}

export interface LoopContext {
  readonly engine: Engine;
  readonly run: RunDirectory;
  readonly split: Split;
  readonly spec: ImagePreprocess;
  readonly progress: Progress;
  /** Stops after the step under way, with a checkpoint. */
  readonly signal: AbortSignal;
}

export interface LoopResult {
  readonly parameters: Float32Array;
  readonly evaluation: Evaluation;
  readonly steps: number;
  readonly interrupted: boolean;
}

/** How often metrics are written at least; a line a step would make the disk part of the loop. */
const LOG_EVERY = 20;

/**
 * Trains for `totalSteps` optimizer steps.
 * @throws UserError when a loss or gradient is no longer finite: the checkpoint then is the last good one
 */
export async function trainLoop(objective: Objective, options: LoopOptions, context: LoopContext): Promise<LoopResult> {
  const { engine, run, progress, signal } = context;
  const { totalSteps, evaluateEvery } = options;
  let state = options.resume ? await loadState(run.path('checkpoint'), objective.start().length) : freshState(objective.start());
  let device = uploadState(engine, state);
  // From the first step on there is something good to fall back to.
  if (!options.resume) await saveState(run.path('checkpoint'), state);
  let best: { parameters: Float32Array; evaluation: Evaluation } | null = null;
  let lines: Record<string, unknown>[] = [];
  let lastLoss = NaN;

  for await (const { batch, epoch, step } of trainingBatches(context, options, state.step)) {
    const started = performance.now();
    const learningRate = learningRateAt(step, { peak: options.learningRate, warmupSteps: options.warmupSteps, totalSteps });
    const lambda = objective.lambdaAt(step);
    const scalars = { ...adamwScalars(step, learningRate, options.optimizer), ...(lambda === null ? {} : { lambda }) };
    const program = await objective.programAt(step);
    const outputs = await runStep(engine, program, { ...objective.frozen, ...device }, batch, scalars, context.spec);
    const values = await readScalars(outputs, [...objective.losses, 'gradientNorm']);
    const msPerStep = performance.now() - started;
    expectFinite(values, step, run);

    disposeAll(device);
    device = Object.fromEntries(STATE.map((name) => [name, outputs[name]]));
    lastLoss = values.loss;
    const done = step + 1;
    lines.push({ step, epoch, lambda, learningRate, ...values, msPerStep });
    const fading = lambda === null ? '' : `  λ ${lambda.toFixed(3)}`;
    progress.update(done, totalSteps, `epoch ${epoch + 1}${fading}  loss ${lastLoss.toFixed(4)}  ${msPerStep.toFixed(0)} ms/step`);

    const evaluates = done % evaluateEvery === 0 || done === totalSteps;
    if (evaluates) {
      const evaluation = await objective.evaluate(device.parameters);
      lines.push({ step, epoch, lambda, accuracy: evaluation.accuracy, samples: evaluation.samples });
      progress.line(`step ${done}/${totalSteps}${fading}  loss ${lastLoss.toFixed(4)}  accuracy ${(100 * evaluation.accuracy).toFixed(2)} %`);
      const isBetter = best === null || (options.select === 'best' ? evaluation.accuracy >= best.evaluation.accuracy : true);
      if (isBetter) best = { parameters: (await readVector(device.parameters)).slice(), evaluation };
    }
    if (evaluates || signal.aborted) {
      state = await downloadState(device, done);
      await saveState(run.path('checkpoint'), state);
    }
    if (evaluates || signal.aborted || lines.length >= LOG_EVERY) {
      await run.log(lines);
      lines = [];
    }
    if (signal.aborted) break;
  }
  progress.end();
  if (!best) best = { parameters: state.parameters, evaluation: await objective.evaluate(device.parameters) };
  disposeAll(device);
  return { ...best, steps: state.step, interrupted: signal.aborted && state.step < totalSteps };
}

/** Epoch after epoch until `totalSteps`; on resuming, the batches that were trained on already are made and passed over. */
async function* trainingBatches({ split, spec }: LoopContext, options: LoopOptions, firstStep: number): AsyncGenerator<{ batch: Batch; epoch: number; step: number }> {
  const { batchSize, seed, augment, totalSteps } = options;
  const perEpoch = batchCount(split.size, { batchSize, dropLast: true });
  for (let epoch = Math.floor(firstStep / perEpoch); epoch * perEpoch < totalSteps; epoch++) {
    let step = epoch * perEpoch;
    for await (const batch of batches(split, { spec, batchSize, seed, epoch, shuffle: true, augment, dropLast: true })) {
      if (step >= firstStep) yield { batch, epoch, step };
      if (++step >= totalSteps) return;
    }
  }
}

async function runStep(engine: Engine, program: Program, tensors: Inputs, { pixels, labels }: Batch, scalars: Readonly<Record<string, number>>, { size }: ImagePreprocess): Promise<Outputs> {
  const inputs: Record<string, DeviceTensor> = {
    pixels: engine.upload(floats(pixels, [labels.length, 3, size.height, size.width])),
    labels: engine.upload(integers(labels, [labels.length])),
  };
  for (const [name, value] of Object.entries(scalars)) inputs[name] = engine.upload(floats(Float32Array.of(value), []));
  const outputs = await program.run({ ...tensors, ...inputs });
  disposeAll(inputs);
  return outputs;
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
  if (!broken) return;
  throw new UserError(
    `training diverged: ${broken[0]} is ${broken[1]} at step ${step}`,
    `The last good checkpoint is kept in ${run.path('checkpoint')}. Try a lower --learning-rate, or more --warmup-steps.`,
  );
}

function freshState(parameters: Float32Array): TrainState {
  const zeros = (): Float32Array => new Float32Array(parameters.length);
  return { step: 0, parameters, moment1: zeros(), moment2: zeros() };
}

function uploadState(engine: Engine, state: TrainState): Record<string, DeviceTensor> {
  return Object.fromEntries(STATE.map((name) => [name, engine.upload(floats(state[name], [state[name].length]))]));
}

async function downloadState(device: Inputs, step: number): Promise<TrainState> {
  const [parameters, moment1, moment2] = await Promise.all(STATE.map((name) => readVector(device[name])));
  return { step, parameters, moment1, moment2 };
}

async function readVector(tensor: DeviceTensor): Promise<Float32Array> {
  return (await tensor.read()) as Float32Array;
}

function disposeAll(tensors: Inputs): void {
  for (const tensor of Object.values(tensors)) tensor.dispose();
}

/** How long a PC-LoRA training step takes, on random weights made in memory. */
import { random } from '../../runtime/random.ts';
import { type DeviceTensor, type Engine, floats, type Inputs, integers } from '../engines/engine.ts';
import { tensorsOf } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import { type AdapterOptions, adapterTensors, initialName, isResidual } from '../pclora/linear.ts';
import { initialTensors } from '../pretrained/initial.ts';
import { uploadBatch } from '../train/batch-inputs.ts';
import { ADAMW_DEFAULTS, adamwScalars, flatLayout } from '../train/optimizer.ts';
import { compressGraph, DONATED, type Phase, STATE, wholeStep } from '../train/step.ts';
import { stepsAhead } from '../train/steps-ahead.ts';
import { packVector, tensorNamed, uploadTensors } from '../train/trained-tensors.ts';
import { randomInputs } from './random-inputs.ts';
import { type Summary, summarize } from './summary.ts';

/** Which step is timed. The weights are random: their values don't change how long it takes. */
export interface TrainStepOptions {
  readonly model: Model;
  readonly adapters: AdapterOptions;
  readonly batch: number;
  /** Timed steps per phase, after one that is not counted; whole rounds of them. */
  readonly steps: number;
  /** Gives the engine W as constants: packed ahead of time, at the price of copies in each program. Runs never do. */
  readonly packWeights: boolean;
  /** Told of each, and of step 0 before, which is not timed. */
  readonly onStep?: (phase: Phase, done: number, total: number) => void;
}

/** How many steps are timed as one: with several handed to the device at a time, one alone can't be. */
const ROUND_STEPS = 4;

/** Milliseconds of a step of one phase, of rounds of some steps, and of compiling its program, or of reading it where one was kept. */
export interface PhaseTiming extends Summary {
  readonly compileMs: number;
  readonly samplesPerSecond: number;
}

/**
 * Times both programs of a compression one after the other, as a run has them: with as many steps handed to the device
 * before the first one's loss is read as the training loop has, but the same batch, which is there already.
 */
export async function benchTrainStep(
  engine: Engine,
  options: TrainStepOptions,
): Promise<{ readonly fading: PhaseTiming; readonly adapters: PhaseTiming; readonly trainedParameters: number }> {
  const { model, adapters, batch } = options;
  const dense = tensorsOf(model.layers);
  const adapterSpecs = adapterTensors(model.layers, adapters.ranks);
  const layout = flatLayout([
    ...adapterSpecs,
    ...tensorsOf(model.layers.filter(({ kind }) => kind === 'norm' || kind === 'head' || kind === 'pooler')),
  ]);
  const tensors = initialTensors([...dense, ...adapterSpecs], model.initializerRange, random(0));
  const fixed: Record<string, DeviceTensor> = {
    ...(options.packWeights ? {} : uploadTensors(engine, dense, tensors)),
    ...(isResidual(adapters) ? uploadTensors(engine, adapterSpecs, tensors, initialName) : {}),
    ...randomBatch(engine, model, batch),
    lambda: engine.upload(floats(Float32Array.of(0.5), [])),
  };

  const constants = options.packWeights
    ? Object.fromEntries(dense.map(({ name, shape }) => [name, floats(tensorNamed(tensors, name), shape)]))
    : undefined;

  async function time(phase: Phase): Promise<PhaseTiming> {
    const compiling = performance.now();
    const step = compressGraph(
      { model, batch, layout, adapters, alpha: 0.2, tokenMultiple: engine.tokenMultiple },
      phase,
    );
    const program = await engine.compile(wholeStep(step, ADAMW_DEFAULTS), {
      constants,
      donated: DONATED,
      batched: step.batched,
    });
    const compileMs = performance.now() - compiling;
    const vector = (values: Float32Array): DeviceTensor => engine.upload(floats(values, [layout.size]));
    let state: Record<string, DeviceTensor> = {
      parameters: vector(packVector(layout, tensors)),
      moment1: vector(new Float32Array(layout.size)),
      moment2: vector(new Float32Array(layout.size)),
    };
    const times: number[] = [];
    const ahead = stepsAhead<unknown, void>(() => undefined);
    const inRound = Math.min(ROUND_STEPS, options.steps);
    const steps = options.steps - (options.steps % inRound);
    let began = 0;
    // Step 0 is not counted: memory is taken in it, and kernels are loaded.
    for (let step = 0; step <= steps; step++) {
      const started = performance.now();
      if (step % inRound === 1 % inRound) began = started;
      const scalars = Object.entries(adamwScalars(step, 1e-4, ADAMW_DEFAULTS)).map(
        ([name, value]) => [name, engine.upload(floats(Float32Array.of(value), []))] as const,
      );
      const outputs = await program.run({ ...fixed, ...state, ...Object.fromEntries(scalars) });
      for (const tensor of [...Object.values(state), ...scalars.map(([, scalar]) => scalar)]) tensor.dispose();
      state = Object.fromEntries(STATE.map((name) => [name, outputs[name]]));
      const { loss, ...others } = outputs;
      for (const [name, tensor] of Object.entries(others)) if (!(name in state)) tensor.dispose();
      await ahead.add({ started }, readAndDispose(loss));
      if (step % inRound === 0) {
        await ahead.all();
        if (step > 0) times.push((performance.now() - began) / inRound);
      }
      options.onStep?.(phase, step, steps);
    }
    for (const tensor of Object.values(state)) tensor.dispose();
    await program.dispose();
    const summary = summarize(times);
    return { compileMs, samplesPerSecond: (1000 * batch) / summary.medianMs, ...summary };
  }

  return { fading: await time('fading'), adapters: await time('adapters'), trainedParameters: layout.size };
}

async function readAndDispose(tensor: DeviceTensor): Promise<void> {
  await tensor.read();
  tensor.dispose();
}

function randomBatch(engine: Engine, model: Model, batch: number): Inputs {
  const source = random(1);
  const inputs = randomInputs(model, model.batchInputs(batch, { padded: true, dropout: true }), source);
  const { length: outputs } = model.labels;
  const labels =
    model.problemType === 'single_label_classification'
      ? integers(
          Int32Array.from({ length: batch }, () => source.below(outputs)),
          [batch],
        )
      : floats(
          Float32Array.from({ length: batch * outputs }, () => source.below(2)),
          [batch, outputs],
        );
  return uploadBatch(engine, { ...inputs, labels });
}

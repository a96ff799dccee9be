/** A training step as a loop calls it: with a batch from the host, whole or in parts that take turns. */
import {
  type CompileOptions,
  type DeviceTensor,
  type Engine,
  floats,
  type HostTensor,
  type Inputs,
  type Outputs,
  type Program,
  partOf,
} from '../engines/engine.ts';
import { uploadBatch } from './batch-inputs.ts';
import type { FlatLayout, OptimizerOptions } from './optimizer.ts';
import { ACCUMULATED, accumulatedSize, DONATED, partStep, type StepGraph, updateStep, wholeStep } from './step.ts';
import { workOf } from './work.ts';

/** What comes from the host for each step. */
export interface StepGiven {
  /** The batch: of each the first axis counts its samples. */
  readonly batch: Readonly<Record<string, HostTensor>>;
  /** λ, the learning rate ... */
  readonly scalars: Readonly<Record<string, HostTensor>>;
}

/** A compiled step. */
export interface StepProgram {
  /**
   * @param tensors the state, of which nothing is left, and what doesn't train
   * @returns the losses, the gradient's norm and the new state, which the caller disposes of
   */
  run(tensors: Inputs, given: StepGiven): Promise<Outputs>;
  dispose(): Promise<void>;
}

/** What the steps of one training have in common. */
export interface StepsOptions {
  readonly batchSize: number;
  /** In how many parts a batch is computed, one after another; a divisor of the batch size. */
  readonly accumulate: number;
  readonly layout: FlatLayout;
  readonly optimizer: OptimizerOptions;
  /** The losses' names, which are the same in every step. */
  readonly losses: readonly string[];
}

/** Compiles a training's steps. */
export interface Steps {
  /**
   * @param graph gives the step for so many samples at once
   * @param takesTurns whether other steps run in between, see `CompileOptions`
   */
  compile(graph: (samples: number) => StepGraph, takesTurns: boolean): Promise<StepProgram>;
  /** After the programs' own. */
  dispose(): Promise<void>;
}

/**
 * Steps on whole batches; or, with `accumulate`, on parts of them whose gradients and losses add up before one update:
 * the same step to rounding, in the memory of a part. Of padded texts, whose feature loss is a mean over tokens, it is
 * the mean of the parts' means.
 */
export function createSteps(engine: Engine, options: StepsOptions): Steps {
  return options.accumulate === 1 ? stepsAtOnce(engine, options) : stepsInParts(engine, options);
}

/** The work of a step, whole or in parts; see `workOf`. */
export function stepWork(
  engine: Engine,
  { batchSize, accumulate, optimizer }: Pick<StepsOptions, 'batchSize' | 'accumulate' | 'optimizer'>,
  graph: (samples: number) => StepGraph,
): number {
  return accumulate * workOf(wholeStep(graph(batchSize / accumulate), optimizer), engine);
}

function stepsAtOnce(engine: Engine, { batchSize, optimizer }: StepsOptions): Steps {
  return {
    async compile(graph, takesTurns) {
      const step = graph(batchSize);
      const program = await engine.compile(wholeStep(step, optimizer), {
        takesTurns,
        donated: DONATED,
        batched: step.batched,
      });
      return {
        run: (tensors, { batch, scalars }) =>
          withUploaded(engine, batch, scalars, (given) => program.run({ ...tensors, ...given })),
        dispose: () => program.dispose(),
      };
    },
    dispose: async () => undefined,
  };
}

function stepsInParts(
  engine: Engine,
  { batchSize, accumulate: parts, layout, optimizer, losses }: StepsOptions,
): Steps {
  const donated: CompileOptions['donated'] = { [ACCUMULATED]: ACCUMULATED };
  const size = accumulatedSize(layout, losses);
  let updating: Promise<Program> | null = null;
  // Zeros, which each update leaves behind: programs take turns with them, and none is uploaded but the first.
  let accumulated: DeviceTensor | null = null;
  const update = (): Promise<Program> => {
    updating ??= engine.compile(updateStep(layout, optimizer, losses), { donated: { ...DONATED, ...donated } });
    updating.catch(() => {
      updating = null; // what failed may be tried again
    });
    return updating;
  };
  return {
    async compile(graph, takesTurns) {
      const updateProgram = await update();
      const step = graph(batchSize / parts);
      const program = await engine.compile(partStep(step, parts), { takesTurns, donated, batched: step.batched });
      return {
        async run(tensors, { batch, scalars }) {
          let sum = accumulated ?? engine.upload(floats(new Float32Array(size), [size]));
          accumulated = null; // until the step has gone well
          try {
            for (let part = 0; part < parts; part++) {
              const own = Object.fromEntries(
                Object.entries(batch).map(([name, tensor]) => [name, partOf(tensor, part, parts)]),
              );
              const outputs = await withUploaded(engine, own, scalars, (given) =>
                program.run({ ...tensors, ...given, [ACCUMULATED]: sum }),
              );
              sum.dispose();
              sum = outputs[ACCUMULATED];
            }
            const { [ACCUMULATED]: zeros, ...outputs } = await withUploaded(engine, {}, scalars, (given) =>
              updateProgram.run({ ...tensors, ...given, [ACCUMULATED]: sum }),
            );
            accumulated = zeros;
            return outputs;
          } finally {
            sum.dispose();
          }
        },
        dispose: () => program.dispose(),
      };
    },
    async dispose() {
      accumulated?.dispose();
      await (await updating?.catch(() => null))?.dispose();
    },
  };
}

/** Runs with what comes from the host, which is on the device for as long. */
async function withUploaded<R>(
  engine: Engine,
  batch: Readonly<Record<string, HostTensor>>,
  scalars: Readonly<Record<string, HostTensor>>,
  run: (given: Inputs) => Promise<R>,
): Promise<R> {
  const given = uploadBatch(engine, batch);
  try {
    for (const [name, tensor] of Object.entries(scalars)) given[name] = engine.upload(tensor);
    return await run(given);
  } finally {
    for (const tensor of Object.values(given)) tensor.dispose();
  }
}

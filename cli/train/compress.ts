/** Compression by PC-LoRA (arXiv 2406.09117): adapters beside every block linear, and the weights fade out. */
import type { Random } from '../../runtime/random.ts';
import type { Samples } from '../data/samples.ts';
import type { DeviceTensor } from '../engines/engine.ts';
import { input } from '../graph/ops/leaf.ts';
import { type Layer, type TensorSpec, tensorsOf } from '../models/layers.ts';
import { type AdapterOptions, adaptersOnlyParts, adapterTensors, initialName, isResidual } from '../pclora/linear.ts';
import { lambdaAt, type Schedule } from '../pclora/schedule.ts';
import { startAdapters } from '../pclora/start.ts';
import type { Moment } from '../pclora/svd.ts';
import type { Checkpoint } from '../pretrained/checkpoint.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import { normalizationOf } from './batch-inputs.ts';
import { collectMoments } from './calibrate.ts';
import { compileForward, evaluateForward } from './evaluate.ts';
import { type LoopContext, type LoopOptions, type LoopResult, trainLoop } from './loop.ts';
import { flatLayout, sliceTensors } from './optimizer.ts';
import { createPrograms, type Programs } from './programs.ts';
import { type CompressOptions, compressGraph, type LogitTerm, type Phase } from './step.ts';
import { createSteps, type StepProgram, type Steps } from './step-program.ts';
import { packVector, tensorNamed, unpackVector, uploadTensors } from './trained-tensors.ts';

/** Kinds of layers that train beside the adapters, unless frozen. */
export const FREEZABLE = ['norms', 'head'] as const;
/** What --freeze takes. */
export type Freezable = (typeof FREEZABLE)[number];

/** What compression has beside the training loop (PC-LoRA, section 3). */
export interface PcLoraOptions {
  readonly adapters: AdapterOptions;
  readonly schedule: Schedule;
  /** The optimizer step after which λ falls. */
  readonly decayStart: number;
  /** q: the optimizer step at which λ reaches 0. */
  readonly decaySteps: number;
  /** Weight of the task loss against the feature loss. */
  readonly alpha: number;
  readonly logits: LogitTerm | null;
  readonly freeze: readonly Freezable[];
  /** What the teacher's layers see, where that is known already. */
  readonly moments?: ReadonlyMap<string, Moment>;
}

/** The tensors beside the adapters that train: layer norms, and pooler and head. */
function keptTraining(layers: readonly Layer[], freeze: readonly Freezable[]): TensorSpec[] {
  const trains = ({ kind }: Layer): boolean =>
    (kind === 'norm' && !freeze.includes('norms')) ||
    ((kind === 'head' || kind === 'pooler') && !freeze.includes('head'));
  return tensorsOf(layers.filter(trains));
}

/**
 * Compresses a teacher. Returns what is left at λ = 0: adapters, layer norms, embeddings and head, by the layer table's
 * names.
 * @param test judged with the adapters only, as it would ship
 */
export async function compress(
  teacher: Checkpoint,
  test: Samples,
  pclora: PcLoraOptions,
  options: LoopOptions,
  context: LoopContext,
  source: Random,
): Promise<LoopResult & { readonly tensors: Tensors }> {
  const { engine } = context;
  const { model } = teacher;
  const { adapters, schedule, decayStart, decaySteps, logits } = pclora;
  const dense = tensorsOf(model.layers);
  const adapterSpecs = adapterTensors(model.layers, adapters.ranks);
  const layout = flatLayout([...adapterSpecs, ...keptTraining(model.layers, pclora.freeze)]);
  // One copy of W: the teacher, the fading student and every program read the same uploaded tensors.
  const weights = uploadTensors(engine, dense, teacher.tensors);
  const moments =
    adapters.init === 'activation'
      ? (pclora.moments ??
        (await collectMoments(engine, teacher, adapters.ranks, weights, context.samples, options.seed)))
      : undefined;
  const start = await startAdapters(engine, model.layers, teacher.tensors, adapters, source, moments);
  const frozen = {
    ...weights,
    ...(isResidual(adapters) ? uploadTensors(engine, adapterSpecs, start, initialName) : {}),
  };
  const losses = ['loss', 'task', 'feature', ...(logits ? ['logit'] : [])];
  const steps = createSteps(engine, { ...options, layout, losses });
  const programs = createPhases(steps, {
    model,
    normalization: normalizationOf(teacher.preprocessing),
    tokenMultiple: engine.tokenMultiple,
    layout,
    adapters,
    alpha: pclora.alpha,
    logits,
  });
  const trained = sliceTensors(input('parameters', [layout.size]), layout);
  const forward = compileForward(
    engine,
    teacher,
    adaptersOnlyParts([...dense, ...adapterSpecs], adapters.scaling, trained),
  );

  const result = await trainLoop(
    {
      lambdaAt: (step) => lambdaAt(schedule, step, decaySteps, decayStart),
      programAt: (step, tokens) => programs.at(step < decaySteps ? 'fading' : 'adapters', tokens),
      dropouts: model.dropouts,
      losses,
      frozen,
      start: () => packVector(layout, new Map([...teacher.tensors, ...start])),
      evaluate: (parameters: DeviceTensor) =>
        evaluateForward(engine, forward, { ...frozen, parameters }, test, { problemType: model.problemType }),
    },
    options,
    context,
  );
  await Promise.all([programs.dispose(), forward.dispose()]);
  await steps.dispose();
  return {
    ...result,
    tensors: remaining(
      teacher,
      adapterSpecs,
      new Map([...teacher.tensors, ...start, ...unpackVector(layout, result.parameters)]),
    ),
  };
}

/** What ships: everything but the weights that the adapters replaced. */
function remaining({ model }: Checkpoint, adapterSpecs: readonly TensorSpec[], all: Tensors): Tensors {
  const replaced = new Set(adapterSpecs.map(({ name }) => name.slice(0, name.lastIndexOf('.'))));
  const kept = tensorsOf(model.layers.filter((layer) => !replaced.has(layer.name)));
  return new Map([...kept, ...adapterSpecs].map(({ name }) => [name, tensorNamed(all, name)]));
}

/**
 * The programs of a compression's two phases, one phase at a time: λ never comes back, so the first one's go when the
 * second begins.
 */
function createPhases(steps: Steps, options: Omit<CompressOptions, 'batch' | 'tokens'>) {
  let current: { readonly phase: Phase; readonly programs: Programs<StepProgram> } | null = null;
  return {
    async at(phase: Phase, tokens: number | null): Promise<StepProgram> {
      if (current?.phase !== phase) {
        await current?.programs.dispose();
        current = {
          phase,
          programs: createPrograms((length) =>
            steps.compile(
              (batch) => compressGraph({ ...options, batch, tokens: length ?? undefined }, phase),
              length !== null,
            ),
          ),
        };
      }
      return current.programs.at(tokens);
    },
    dispose: async (): Promise<void> => current?.programs.dispose(),
  };
}

/** Compression by PC-LoRA (arXiv 2406.09117): adapters beside every block linear, and the weights fade out. */
import { type Random, random } from '../../runtime/random.ts';
import type { Weights } from '../compress/quantize.ts';
import type { Samples } from '../data/samples.ts';
import { type DeviceTensor, type Engine, floats, type HostTensor, type Inputs } from '../engines/engine.ts';
import { input, scalar } from '../graph/ops/leaf.ts';
import { blockCount, type Layer, type TensorSpec, tensorsOf } from '../models/layers.ts';
import {
  type AdapterOptions,
  adaptersOnlyParts,
  adapterTensors,
  fadingParts,
  initialName,
  isResidual,
} from '../pclora/linear.ts';
import { merged } from '../pclora/merge.ts';
import type { Method } from '../pclora/method.ts';
import { type Decay, lambdaAt, lambdasAt } from '../pclora/schedule.ts';
import { startAdapters } from '../pclora/start.ts';
import type { Moment } from '../pclora/svd.ts';
import type { Checkpoint } from '../pretrained/checkpoint.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import { normalizationOf } from './batch-inputs.ts';
import { collectMoments } from './calibrate.ts';
import { compileForward, evaluateForward, evaluationWork } from './evaluate.ts';
import { type LoopContext, type LoopOptions, type LoopResult, trainLoop } from './loop.ts';
import { flatLayout, sliceTensors } from './optimizer.ts';
import { createPrograms, type Programs } from './programs.ts';
import { compressGraph, LABELLED, LAMBDA, type LogitTerm, type Phase, type StepGraph, stepTokens } from './step.ts';
import { createSteps, type StepProgram, type Steps, stepWork } from './step-program.ts';
import { type TaughtSamples, type TeacherCacheOptions, teacherCache } from './teacher-cache.ts';
import { packVector, tensorNamed, unpackVector, uploadTensors } from './trained-tensors.ts';

/** Kinds of layers that train beside the adapters, unless frozen. */
export const FREEZABLE = ['norms', 'head'] as const;
/** What --freeze takes. */
export type Freezable = (typeof FREEZABLE)[number];

/** What compression has beside the training loop (PC-LoRA, section 3), and what its controls have instead. */
export interface PcLoraOptions {
  readonly method: Method;
  readonly adapters: AdapterOptions;
  /** Whether C starts with what A and B miss of a layer's mean output, of `--init activation`; see `startAdapters`. */
  readonly biasCorrection: boolean;
  /** It ends at step 0 where nothing fades. */
  readonly decay: Decay;
  /** The optimizer step from which on the adapters train as they will run in int8; not before λ is 0, null: never. */
  readonly quantizedFrom: number | null;
  /** What their weights will be stored in. */
  readonly weights: Weights;
  /** Weight of the task loss against the feature loss. */
  readonly alpha: number;
  /** The blocks, from 0, whose outputs the feature loss compares. */
  readonly featureBlocks: readonly number[];
  readonly logits: LogitTerm | null;
  /** Of the relation loss; 0: none. */
  readonly relationWeight: number;
  readonly freeze: readonly Freezable[];
  /** Whether some batches have no labels. */
  readonly unlabelled: boolean;
  /** Where to keep what the teacher says; computed in every step where it is null. */
  readonly teacherCache: TeacherCacheOptions | null;
  /** Samples that `--init activation` looks at. */
  readonly calibration: Samples;
  /** What the teacher's layers see of them, where that is known already. */
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
 * names; of `lora` the dense tensors, with the adapters in them. `adapters` are A, B and C by themselves.
 * @param test judged with the adapters only, as it would ship
 */
export async function compress(
  teacher: Checkpoint,
  test: Samples,
  pclora: PcLoraOptions,
  options: LoopOptions,
  context: LoopContext,
  source: Random,
): Promise<LoopResult & { readonly tensors: Tensors; readonly adapters: Tensors }> {
  const { engine } = context;
  const { model } = teacher;
  const { method, adapters, decay, logits } = pclora;
  const blocks = blockCount(model.layers);
  const dense = tensorsOf(model.layers);
  const adapterSpecs = adapterTensors(model.layers, adapters.ranks);
  const layout = flatLayout([...adapterSpecs, ...keptTraining(model.layers, pclora.freeze)]);
  // One copy of W: the teacher, the fading student and every program read the same uploaded tensors.
  const weights = uploadTensors(engine, dense, teacher.tensors);
  const moments =
    adapters.init === 'activation'
      ? (pclora.moments ??
        (await collectMoments(engine, teacher, adapters.ranks, weights, pclora.calibration, {
          seed: options.seed,
          withMeans: pclora.biasCorrection,
        })))
      : undefined;
  const start = await startAdapters(engine, model.layers, teacher.tensors, adapters, source, moments);
  const frozen = {
    ...weights,
    ...(isResidual(adapters) ? uploadTensors(engine, adapterSpecs, start, initialName) : {}),
  };
  const losses = [
    'loss',
    'task',
    'feature',
    ...(logits ? ['logit'] : []),
    ...(pclora.relationWeight > 0 ? ['relation'] : []),
  ];
  const steps = createSteps(engine, { ...options, layout, losses });
  const graphOptions = {
    model,
    normalization: normalizationOf(teacher.preprocessing),
    tokenMultiple: engine.tokenMultiple,
    layout,
    adapters,
    alpha: pclora.alpha,
    featureBlocks: pclora.featureBlocks,
    logits,
    relationWeight: pclora.relationWeight,
    weights: pclora.weights,
    lambdaByBlock: hasLambdaByBlock(pclora),
    unlabelled: pclora.unlabelled,
    taught: pclora.teacherCache !== null,
  };
  const stepGraph: PhaseGraph = (phase, tokens, batch) =>
    compressGraph({ ...graphOptions, batch, tokens: tokens ?? undefined }, phase);
  const programs = createPhases(steps, stepGraph);
  const trained = sliceTensors(input('parameters', [layout.size]), layout);
  const specs = [...dense, ...adapterSpecs];
  const shipped =
    method === 'lora'
      ? fadingParts(specs, adapters, () => scalar(1), trained)
      : adaptersOnlyParts(specs, adapters.scaling, trained);
  const forward = compileForward(engine, teacher, shipped);

  const taught = await taughtSamples(engine, teacher, weights, pclora, context);
  const result = await trainLoop(
    {
      lambdaAt: (step) => (method === 'lora' ? 1 : lambdaAt(decay.schedule, step, decay.end, decay.start)),
      programAt: (step, tokens) => programs.at(phaseAt(step, pclora), tokens),
      work: {
        kindAt: (step) => phaseAt(step, pclora),
        stepWork: (step, tokens) =>
          stepWork(engine, options, (batch) => stepGraph(phaseAt(step, pclora), tokens, batch)),
        evaluationWork: (tokens) => evaluationWork(engine, teacher, shipped, test, tokens),
      },
      givenAt: (step, { isLabelled }) => ({
        [LAMBDA]: lambdaTensor(step, pclora, blocks, options.seed),
        ...(pclora.unlabelled && { [LABELLED]: floats(Float32Array.of(Number(isLabelled)), []) }),
      }),
      dropouts: model.dropouts,
      losses,
      frozen,
      start: () => packVector(layout, new Map([...teacher.tensors, ...start])),
      evaluate: (parameters: DeviceTensor, onBatch) =>
        evaluateForward(engine, forward, { ...frozen, parameters }, test, { problemType: model.problemType, onBatch }),
    },
    options,
    { ...context, samples: taught.samples },
  ).finally(taught.close);
  await Promise.all([programs.dispose(), forward.dispose()]);
  await steps.dispose();
  const all = new Map([...teacher.tensors, ...start, ...unpackVector(layout, result.parameters)]);
  return {
    ...result,
    tensors: method === 'lora' ? merged(model.layers, adapters, all) : remaining(teacher, adapterSpecs, all),
    adapters: new Map(adapterSpecs.map(({ name }) => [name, tensorNamed(all, name)])),
  };
}

/** Sets the numbers that draw blocks apart from those of shuffling, which begin with the seed too. */
const EXCHANGE_STREAM = 0x7468_6573;

function phaseAt(step: number, { method, decay, quantizedFrom }: PcLoraOptions): Phase {
  if (method === 'lora') return 'fading';
  if (quantizedFrom !== null && step >= quantizedFrom) return 'quantized';
  if (step >= decay.end) return 'adapters';
  return method === 'theseus' ? 'exchanging' : 'fading';
}

function hasLambdaByBlock({ method, decay }: PcLoraOptions): boolean {
  return method === 'theseus' || decay.order !== 'together';
}

/** λ as the step's program takes it; of `theseus` 1 or 0 for each block, drawn with that probability of a 1. */
function lambdaTensor(step: number, pclora: PcLoraOptions, blocks: number, seed: number): HostTensor {
  const { method, decay } = pclora;
  if (method === 'lora') return floats(Float32Array.of(1), []);
  const lambdas = lambdasAt(decay, step, blocks);
  if (!hasLambdaByBlock(pclora)) return floats(lambdas.subarray(0, 1), []);
  if (method !== 'theseus') return floats(lambdas, [blocks]);
  const source = random(seed, EXCHANGE_STREAM, step);
  return floats(
    lambdas.map((lambda) => Number(source.uniform() < lambda)),
    [blocks],
  );
}

/** The samples, with what the teacher says of them where that is kept. */
async function taughtSamples(
  engine: Engine,
  teacher: Checkpoint,
  weights: Inputs,
  { teacherCache: cache }: PcLoraOptions,
  { samples, progress }: LoopContext,
): Promise<Pick<TaughtSamples, 'samples' | 'close'>> {
  if (cache === null) return { samples, close: async () => undefined };
  const tokens = (length: number | null): number => stepTokens(teacher.model, length, engine.tokenMultiple);
  const taught = await teacherCache(engine, teacher, weights, samples, tokens, cache);
  if (taught.notice !== null) progress.line(`note: ${taught.notice}`);
  return taught;
}

/** What ships: everything but the weights that the adapters replaced. */
function remaining({ model }: Checkpoint, adapterSpecs: readonly TensorSpec[], all: Tensors): Tensors {
  const replaced = new Set(adapterSpecs.map(({ name }) => name.slice(0, name.lastIndexOf('.'))));
  const kept = tensorsOf(model.layers.filter((layer) => !replaced.has(layer.name)));
  return new Map([...kept, ...adapterSpecs].map(({ name }) => [name, tensorNamed(all, name)]));
}

/** The step of a phase for texts of a length and so many samples at once. */
type PhaseGraph = (phase: Phase, tokens: number | null, batch: number) => StepGraph;

/**
 * The programs of a compression's phases, one phase at a time: none comes back, so its programs go when the next one
 * begins.
 */
function createPhases(steps: Steps, graph: PhaseGraph) {
  let current: { readonly phase: Phase; readonly programs: Programs<StepProgram> } | null = null;
  return {
    async at(phase: Phase, tokens: number | null): Promise<StepProgram> {
      if (current?.phase !== phase) {
        await current?.programs.dispose();
        current = {
          phase,
          programs: createPrograms((length) => steps.compile((batch) => graph(phase, length, batch), length !== null)),
        };
      }
      return current.programs.at(tokens);
    },
    dispose: async (): Promise<void> => current?.programs.dispose(),
  };
}

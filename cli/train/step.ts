/**
 * One training step as one graph, compiled once and called with new inputs: the batch, λ, the learning rate, the
 * trained vector and its moments go in; the losses and the new vectors come out. For batches that don't fit it comes in
 * two: for each part, and for the update.
 */
import { fakeQuantized } from '../compress/fake-quantized.ts';
import type { Weights } from '../compress/quantize.ts';
import { gradients } from '../graph/grad.ts';
import { type Graph, type Node, topological } from '../graph/graph.ts';
import { add, multiply, scale } from '../graph/ops/binary.ts';
import { broadcastTo } from '../graph/ops/broadcast.ts';
import { concat } from '../graph/ops/concat.ts';
import { crossEntropy } from '../graph/ops/cross-entropy.ts';
import { constant, input, scalar } from '../graph/ops/leaf.ts';
import { meanSquaredError } from '../graph/ops/mean-squared-error.ts';
import type { Normalization } from '../graph/ops/normalize-pictures.ts';
import { flatten, reshape } from '../graph/ops/reshape.ts';
import { binaryCrossEntropy } from '../graph/ops/sigmoid-cross-entropy.ts';
import { slice } from '../graph/ops/slice.ts';
import { blockCount, type Layer, type TensorSpec, tensorsOf } from '../models/layers.ts';
import type { Forward, Model, Parts } from '../models/model.ts';
import { distillationLoss, featureLoss, logitLoss } from '../pclora/distill.ts';
import {
  type AdapterOptions,
  adaptersOnlyParts,
  adapterTensors,
  denseParts,
  exchangedParts,
  fadingParts,
} from '../pclora/linear.ts';
import { lastAttention, relationLoss } from '../pclora/relations.ts';
import { batchedInputs, batchInputs } from './batch-inputs.ts';
import { type FlatLayout, type OptimizerOptions, optimizerUpdate, sliceTensors } from './optimizer.ts';
import { givenTeacher, teacherInputs } from './teacher-outputs.ts';

type BatchInputs = Readonly<Record<string, Node>>;

/**
 * The names under which a step's graph takes and gives its state; the outputs of one run are the inputs of the next.
 */
export const STATE = ['parameters', 'moment1', 'moment2'] as const;

/** A step's state is updated in place where the engine can: what a step was given is gone after it. */
export const DONATED: Readonly<Record<string, string>> = Object.fromEntries(STATE.map((name) => [name, name]));

/** The input with what each sample is to be answered: (B) classes, or (B, K) values. */
export const LABELS = 'labels';

/** The input, 1 or 0, that says whether a batch has labels: without them there is no task loss. */
export const LABELLED = 'labelled';

/**
 * `fading` while λ > 0; `exchanging`, where each block is the teacher's or adapters only; `adapters` at λ = 0, where the
 * student's dense path is gone; `quantized` where what is left computes as it will in int8, see `fakeQuantized`.
 */
export type Phase = 'fading' | 'exchanging' | 'adapters' | 'quantized';

/** The input with λ: one number; or (blocks), see `CompressOptions.lambdaByBlock`. */
export const LAMBDA = 'lambda';

/** What a step is compiled for. */
export interface StepOptions {
  readonly model: Model;
  readonly batch: number;
  /**
   * The length that the batch's texts are padded to: the longest that the model takes unless given. Pictures have none.
   */
  readonly tokens?: number;
  /** Pictures then come as bytes; pixels are given as the model takes them unless it is there. */
  readonly normalization?: Normalization;
  readonly layout: FlatLayout;
  /** Of what the engine takes a multiple of tokens: pictures are padded to it. Any number unless given. */
  readonly tokenMultiple?: number;
}

/** What a step of PC-LoRA is compiled for beside that; λ is one of its inputs. */
export interface CompressOptions extends StepOptions {
  readonly adapters: AdapterOptions;
  /** Weight of the task loss; 1 - α is the feature loss's. */
  readonly alpha: number;
  /** The blocks, from 0, whose outputs the feature loss compares; all unless given. */
  readonly featureBlocks?: readonly number[];
  /** What the logit loss weighs beside them, and its temperature; none unless given. */
  readonly logits?: LogitTerm | null;
  /** What the relation loss weighs beside them, see `relationLoss`; none unless given. */
  readonly relationWeight?: number;
  /** What the `quantized` phase has weights in; int8 unless given. */
  readonly weights?: Weights;
  /** Whether each block has a λ of its own, of which the last is the word table's, too; one is for all unless so. */
  readonly lambdaByBlock?: boolean;
  /** Whether what the teacher says comes with the batch, see `givenTeacher`; it is computed unless so. */
  readonly taught?: boolean;
  /** Whether batches may come without labels: the input `LABELLED` then says so. */
  readonly unlabelled?: boolean;
}

/** A term of the loss beyond the paper's: see `logitLoss`. */
export interface LogitTerm {
  readonly weight: number;
  readonly temperature: number;
}

/** A step before its update: what is computed for a batch, or for a part of one. */
export interface StepGraph {
  /** Scalars: `loss`, of which the gradient is, and those that it is made of. */
  readonly losses: Readonly<Record<string, Node>> & { readonly loss: Node };
  /** The trained vector, (P). */
  readonly parameters: Node;
  readonly layout: FlatLayout;
  /** d loss / d each trained tensor, in the layout's order. */
  readonly gradients: readonly Node[];
  /** The inputs whose first axis counts samples. */
  readonly batched: readonly string[];
}

/** Fine-tuning: the dense model and the task loss. */
export function finetuneGraph(options: StepOptions): StepGraph {
  const { model, batch, layout } = options;
  const { parameters, trained } = trainedTensors(layout);
  const inputs = trainingInputs(options);
  const { logits } = model.forward(inputs, batch, denseParts(tensorsOf(model.layers), trained));
  const loss = taskLoss(model, logits);
  return stepGraph({ loss }, parameters, layout, trained, model);
}

/**
 * PC-LoRA: student and teacher forward, both losses and gradients; λ is an input while it fades. See `Phase`.
 */
export function compressGraph(options: CompressOptions, phase: Phase): StepGraph {
  const { parameters, trained } = trainedTensors(options.layout);
  const { loss, task, feature, logit, relation, teacher } = compressLosses(options, phase, trained);
  const others = { ...(logit && { logit }), ...(relation && { relation }) };
  const taught = options.taught ? teacherInputs(teacher.blocks.length) : [];
  return stepGraph({ loss, task, feature, ...others }, parameters, options.layout, trained, options.model, taught);
}

function stepGraph(
  losses: StepGraph['losses'],
  parameters: Node,
  layout: FlatLayout,
  trained: ReadonlyMap<string, Node>,
  model: Model,
  taught: readonly string[] = [],
): StepGraph {
  // What the loss does not depend on stays as it is: biases of absorbed keys.
  const reached = new Set(topological([losses.loss]));
  const moved = [...trained.values()].filter((tensor) => reached.has(tensor));
  const made = new Map(gradients(losses.loss, moved).map((gradient, i) => [moved[i], gradient]));
  return {
    losses,
    parameters,
    layout,
    gradients: [...trained.values()].map((tensor) => made.get(tensor) ?? broadcastTo(scalar(0), tensor.shape)),
    batched: [...batchedInputs(model), LABELS, ...taught],
  };
}

/** A step in one program: losses, gradients, clipping and the optimizer. */
export function wholeStep({ losses, parameters, layout, gradients }: StepGraph, optimizer: OptimizerOptions): Graph {
  return { outputs: { ...losses, ...optimizerUpdate(layout, parameters, gradients, optimizer) } };
}

/** Where the parts of a batch add up: the gradients, then the losses, as one vector. */
export const ACCUMULATED = 'accumulated';

/** How many values that are. */
export function accumulatedSize({ size }: FlatLayout, losses: readonly string[]): number {
  return size + losses.length;
}

/** One of `parts` equal parts of a batch: adds its share of the batch's gradients and losses to what is there. */
export function partStep({ losses, gradients }: StepGraph, parts: number): Graph {
  const own = concat([...gradients, ...Object.values(losses)].map(flatten), 0);
  return { outputs: { [ACCUMULATED]: add(input(ACCUMULATED, own.shape), scale(own, 1 / parts)) } };
}

/** What is left to do after the parts: clipping and the optimizer, and zeros for the next batch. */
export function updateStep(layout: FlatLayout, optimizer: OptimizerOptions, losses: readonly string[]): Graph {
  const accumulated = input(ACCUMULATED, [accumulatedSize(layout, losses)]);
  const lossAt = (i: number): Node => reshape(slice(accumulated, 0, layout.size + i, 1), []);
  return {
    outputs: {
      ...Object.fromEntries(losses.map((name, i) => [name, lossAt(i)])),
      ...optimizerUpdate(
        layout,
        input('parameters', [layout.size]),
        [slice(accumulated, 0, 0, layout.size)],
        optimizer,
      ),
      [ACCUMULATED]: broadcastTo(scalar(0), accumulated.shape),
    },
  };
}

/** The forward half of a PC-LoRA step. */
export function compressLosses(
  options: Omit<CompressOptions, 'layout'>,
  phase: Phase,
  trained: ReadonlyMap<string, Node>,
) {
  const {
    model,
    batch,
    adapters,
    alpha,
    featureBlocks,
    logits,
    relationWeight = 0,
    weights,
    taught = false,
    unlabelled = false,
  } = options;
  const dense = tensorsOf(model.layers);
  const specs = [...dense, ...adapterTensors(model.layers, adapters.ranks)];
  const inputs = trainingInputs(options);
  const exact = model.forward(inputs, batch, studentParts(options, phase, specs, trained));
  const student = phase === 'quantized' ? quantizedForward(exact, weights) : exact;
  // The teacher reads the checkpoint's tensors, also where the student trains its own copy (layer norms, head), and
  // drops nothing.
  const computed = model.forward(withoutDropout(model, inputs), batch, denseParts(dense));
  const teacher = taught ? givenTeacher(computed, batch) : computed;
  const judged = taskLoss(model, student.logits);
  const task = unlabelled ? multiply(judged, input(LABELLED, [])) : judged;
  const [own, given] = [student, teacher].map(({ blocks }) => featureBlocks?.map((i) => blocks[i]) ?? blocks);
  const feature = featureLoss(own, given, inputs.mask);
  const paper = distillationLoss(task, feature, alpha);
  const logit = logits ? logitLoss(student.logits, teacher.logits, model.problemType, logits.temperature) : null;
  // Of the exact student: the quantized one's attention is absorbed, and has no keys of the teacher's width.
  const relation =
    relationWeight > 0 ? relationLoss(lastAttention(exact.logits), lastAttention(teacher.logits), inputs.mask) : null;
  const terms = [
    paper,
    ...(logits && logit ? [scale(logit, logits.weight)] : []),
    ...(relation ? [scale(relation, relationWeight)] : []),
  ];
  return { loss: terms.reduce(add), task, feature, logit, relation, student, teacher };
}

function studentParts(
  { model, adapters, lambdaByBlock = false }: Pick<CompressOptions, 'model' | 'adapters' | 'lambdaByBlock'>,
  phase: Phase,
  specs: readonly TensorSpec[],
  trained: ReadonlyMap<string, Node>,
): Parts {
  if (phase === 'adapters' || phase === 'quantized') return adaptersOnlyParts(specs, adapters.scaling, trained);
  const blocks = blockCount(model.layers);
  const lambda = input(LAMBDA, lambdaByBlock ? [blocks] : []);
  const lambdaOf = ({ block }: Layer): Node =>
    lambdaByBlock ? reshape(slice(lambda, 0, block ?? blocks - 1, 1), []) : lambda;
  const parts = phase === 'fading' ? fadingParts : exchangedParts;
  return parts(specs, adapters, lambdaOf, trained);
}

function quantizedForward({ logits, blocks }: Forward, weights?: Weights): Forward {
  const named = Object.fromEntries(blocks.map((block, i) => [`block ${i}`, block]));
  const { outputs } = fakeQuantized({ outputs: { logits, ...named } }, weights);
  return { logits: outputs.logits, blocks: Object.keys(named).map((name) => outputs[name]) };
}

/** The loss of logits (B, K) against the input `LABELS`, as transformers has it for the problem type. */
function taskLoss({ problemType }: Model, logits: Node): Node {
  const [batch, outputs] = logits.shape;
  switch (problemType) {
    case 'single_label_classification':
      return crossEntropy(logits, input(LABELS, [batch], 'i32'));
    case 'multi_label_classification':
      return binaryCrossEntropy(logits, input(LABELS, [batch, outputs]));
    case 'regression':
      return meanSquaredError(logits, input(LABELS, [batch, outputs]));
    default:
      return problemType satisfies never;
  }
}

function trainingInputs({
  model,
  batch,
  tokens,
  normalization,
  tokenMultiple = 1,
}: Pick<StepOptions, 'model' | 'batch' | 'tokens' | 'normalization' | 'tokenMultiple'>): BatchInputs {
  const inputs = batchInputs(model, batch, normalization, { padded: true, tokens, dropout: true });
  const width = stepTokens(model, tokens ?? null, tokenMultiple);
  if (inputs.mask || model.tokens === width) return inputs;
  const counts = Float32Array.from({ length: width }, (_, token) => Number(token < model.tokens));
  return { ...inputs, mask: broadcastTo(constant(counts, [1, width]), [batch, width]) };
}

/** How many tokens a step has for each sample: of texts those of their batch, of pictures a multiple of the engine's. */
export function stepTokens(model: Model, tokens: number | null, tokenMultiple = 1): number {
  return tokens ?? Math.ceil(model.tokens / tokenMultiple) * tokenMultiple;
}

function withoutDropout({ dropouts }: Model, inputs: BatchInputs): BatchInputs {
  return Object.fromEntries(
    Object.entries(inputs).filter(([name]) => dropouts.every((dropout) => dropout.name !== name)),
  );
}

function trainedTensors(layout: FlatLayout): { parameters: Node; trained: Map<string, Node> } {
  const parameters = input('parameters', [layout.size]);
  return { parameters, trained: sliceTensors(parameters, layout) };
}

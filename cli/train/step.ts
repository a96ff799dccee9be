/**
 * One training step as one graph, compiled once and called with new inputs: the batch, λ, the learning rate, the
 * trained vector and its moments go in; the losses and the new vectors come out.
 */

import { gradients } from '../graph/grad.ts';
import type { Graph, Node } from '../graph/graph.ts';
import { crossEntropy } from '../graph/ops/cross-entropy.ts';
import { input } from '../graph/ops/leaf.ts';
import type { Normalization } from '../graph/ops/normalize-pictures.ts';
import { tensorsOf } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import { distillationLoss, featureLoss } from '../pclora/distill.ts';
import { type AdapterOptions, adaptersOnlyParts, adapterTensors, denseParts, fadingParts } from '../pclora/linear.ts';
import { batchInputs } from './batch-inputs.ts';
import { type AdamwOptions, adamwUpdate, type FlatLayout, sliceTensors } from './optimizer.ts';

type BatchInputs = Readonly<Record<string, Node>>;

/**
 * The names under which a step's graph takes and gives its state; the outputs of one run are the inputs of the next.
 */
export const STATE = ['parameters', 'moment1', 'moment2'] as const;

/** A step's state is updated in place where the engine can: what a step was given is gone after it. */
export const DONATED: Readonly<Record<string, string>> = Object.fromEntries(STATE.map((name) => [name, name]));

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
  readonly optimizer: AdamwOptions;
}

/** What a step of PC-LoRA is compiled for beside that; λ is one of its inputs. */
export interface CompressOptions extends StepOptions {
  readonly adapters: AdapterOptions;
  /** Weight of the task loss; 1 - α is the feature loss's. */
  readonly alpha: number;
}

/** Fine-tuning: the dense model and the task loss. */
export function finetuneStep(options: StepOptions): Graph {
  const { model, batch, layout, optimizer } = options;
  const { parameters, trained } = trainedTensors(layout);
  const inputs = trainingInputs(options);
  const { logits } = model.forward(inputs, batch, denseParts(tensorsOf(model.layers), trained));
  const loss = crossEntropy(logits, input('labels', [batch], 'i32'));
  return { outputs: { loss, logits, ...update(loss, parameters, trained, optimizer) } };
}

/**
 * PC-LoRA: student and teacher forward, both losses, gradients, clipping and AdamW.
 * `phase` chooses the program: `fading` while λ > 0, `adapters` at λ = 0, where the student's dense path is gone.
 */
export function compressStep(options: CompressOptions, phase: 'fading' | 'adapters'): Graph {
  const { parameters, trained } = trainedTensors(options.layout);
  const losses = compressLosses(options, phase, trained);
  return {
    outputs: {
      loss: losses.loss,
      task: losses.task,
      feature: losses.feature,
      ...update(losses.loss, parameters, trained, options.optimizer),
    },
  };
}

/** The forward half of a PC-LoRA step. */
export function compressLosses(
  options: Omit<CompressOptions, 'optimizer' | 'layout'>,
  phase: 'fading' | 'adapters',
  trained: ReadonlyMap<string, Node>,
) {
  const { model, batch, adapters, alpha } = options;
  const dense = tensorsOf(model.layers);
  const specs = [...dense, ...adapterTensors(model.layers, adapters.ranks)];
  const inputs = trainingInputs(options);
  const parts =
    phase === 'fading'
      ? fadingParts(specs, adapters, input('lambda', []), trained)
      : adaptersOnlyParts(specs, adapters.scaling, trained);
  const student = model.forward(inputs, batch, parts);
  // The teacher reads the checkpoint's tensors, also where the student trains its own copy (layer norms, head), and
  // drops nothing.
  const teacher = model.forward(withoutDropout(model, inputs), batch, denseParts(dense));
  const task = crossEntropy(student.logits, input('labels', [batch], 'i32'));
  const feature = featureLoss(student.blocks, teacher.blocks, inputs.mask);
  return { loss: distillationLoss(task, feature, alpha), task, feature, student, teacher };
}

function trainingInputs({
  model,
  batch,
  tokens,
  normalization,
}: Pick<StepOptions, 'model' | 'batch' | 'tokens' | 'normalization'>): BatchInputs {
  return batchInputs(model, batch, normalization, { padded: true, tokens, dropout: true });
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

function update(loss: Node, parameters: Node, trained: ReadonlyMap<string, Node>, optimizer: AdamwOptions) {
  return adamwUpdate(parameters, gradients(loss, [...trained.values()]), optimizer);
}

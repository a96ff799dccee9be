/**
 * AdamW (Loshchilov, Hutter 2017) and clipping by global norm, as graph; and Muon for the factors, where asked for.
 *
 * All trained tensors lie one after another in one vector, and so do their moments: the update is a dozen operations
 * whatever the number of tensors, the state of a run is three arrays, and the layout says which range is whose.
 */
import { elementCount, type Node } from '../graph/graph.ts';
import { add, divide, minimum, multiply, scale, subtract } from '../graph/ops/binary.ts';
import { broadcastTo } from '../graph/ops/broadcast.ts';
import { concat } from '../graph/ops/concat.ts';
import { input, scalar } from '../graph/ops/leaf.ts';
import { sumOfAll } from '../graph/ops/reduce.ts';
import { flatten, reshape } from '../graph/ops/reshape.ts';
import { slice } from '../graph/ops/slice.ts';
import { sqrt } from '../graph/ops/unary.ts';
import type { TensorSpec } from '../models/layers.ts';
import { factorOf } from '../pclora/factors.ts';
import { muonDirections } from './muon.ts';

/** In the paper's words: β₁, β₂, ε, and the weight decay, which the learning rate scales. */
export interface AdamwOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /**
   * Decoupled; decays every trained tensor. 0 by default: a decay pulls B·A to zero while λ still carries the output.
   */
  readonly weightDecay: number;
  /** The gradient's largest global norm; 0: no limit. */
  readonly clipNorm: number;
}

/** PyTorch's, but for the weight decay (0.01 there) and the clipping (the caller's business there). */
export const ADAMW_DEFAULTS: AdamwOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, clipNorm: 1 };

/** What --optimizer takes. */
export const OPTIMIZERS = ['adamw', 'muon'] as const;

/** AdamW, and what is different for the factors A and B of linear layers. */
export interface OptimizerOptions extends AdamwOptions {
  /** `muon` moves them by Muon, whose momentum is β₁; AdamW unless given. All else is AdamW's. */
  readonly factors?: (typeof OPTIMIZERS)[number];
  /**
   * The learning rate of B over that of A and of all else (LoRA+, Hayou et al. 2024, arXiv 2402.12354); 1 unless given.
   * It scales what the learning rate does: the step, AdamW's or Muon's, and the weight decay.
   */
  readonly loraPlusRatio?: number;
}

/** The trained tensors as one vector. */
export interface FlatLayout {
  readonly tensors: readonly TensorSpec[];
  readonly offsets: readonly number[];
  readonly size: number;
}

/** Lays tensors one after another, in the order given, without gaps. */
export function flatLayout(tensors: readonly TensorSpec[]): FlatLayout {
  const offsets: number[] = [];
  let size = 0;
  for (const { shape } of tensors) {
    offsets.push(size);
    size += elementCount(shape);
  }
  return { tensors, offsets, size };
}

/** The tensors as nodes cut out of the vector. */
export function sliceTensors(flat: Node, layout: FlatLayout): Map<string, Node> {
  return new Map(
    layout.tensors.map(({ name, shape }, i) => [
      name,
      reshape(slice(flat, 0, layout.offsets[i], elementCount(shape)), shape),
    ]),
  );
}

/** The scalar inputs of an update at optimizer step n (counted from 0): the learning rate and 1 - β^(n+1). */
export function adamwScalars(
  step: number,
  learningRate: number,
  { beta1, beta2 }: AdamwOptions,
): Record<string, number> {
  return { learningRate, correction1: 1 - beta1 ** (step + 1), correction2: 1 - beta2 ** (step + 1) };
}

/** The update of θ, m, v (each (P)) from the gradients, with the gradient's global norm before clipping. */
export function optimizerUpdate(
  layout: FlatLayout,
  parameters: Node,
  gradients: readonly Node[],
  { beta1, beta2, epsilon, weightDecay, clipNorm, factors = 'adamw', loraPlusRatio = 1 }: OptimizerOptions,
): { readonly parameters: Node; readonly moment1: Node; readonly moment2: Node; readonly gradientNorm: Node } {
  const moment1 = input('moment1', parameters.shape);
  const moment2 = input('moment2', parameters.shape);
  const [learningRate, correction1, correction2] = ['learningRate', 'correction1', 'correction2'].map((name) =>
    input(name, []),
  );
  const rateOfB = loraPlusRatio === 1 ? learningRate : scale(learningRate, loraPlusRatio);
  const rateOf = (name: string): Node => (factorOf(name) === 'B' ? rateOfB : learningRate);
  const rates = loraPlusRatio === 1 ? learningRate : spread(layout, rateOf);

  const raw = concat(gradients.map(flatten), 0);
  const gradientNorm = sqrt(sumOfAll(multiply(raw, raw)));
  const clipped =
    clipNorm === 0 ? raw : multiply(raw, minimum(scalar(1), divide(scalar(clipNorm), add(gradientNorm, scalar(1e-6)))));

  const m = add(scale(moment1, beta1), scale(clipped, 1 - beta1));
  const v = add(scale(moment2, beta2), scale(multiply(clipped, clipped), 1 - beta2));
  // θ ← θ·(1 - lr·wd) - lr/(1 - β₁ᵗ) · m / (√v/√(1 - β₂ᵗ) + ε)
  const denominator = add(divide(sqrt(v), sqrt(correction2)), scalar(epsilon));
  const adamw = multiply(divide(m, denominator), divide(rates, correction1));
  const update =
    factors === 'muon'
      ? replaced(adamw, layout, muonSteps(layout, add(scale(m, beta1), scale(clipped, 1 - beta1)), rateOf))
      : adamw;
  const decayed = weightDecay === 0 ? parameters : multiply(parameters, subtract(scalar(1), scale(rates, weightDecay)));
  return { parameters: subtract(decayed, update), moment1: m, moment2: v, gradientNorm };
}

/** One number for each tensor, as often as it has values: (P). */
function spread({ tensors }: FlatLayout, numberOf: (name: string) => Node): Node {
  return concat(
    tensors.map(({ name, shape }) => broadcastTo(numberOf(name), [elementCount(shape)])),
    0,
  );
}

/** What the factors move by, along Nesterov's momentum (P). */
function muonSteps(layout: FlatLayout, momentum: Node, rateOf: (name: string) => Node): ReadonlyMap<string, Node> {
  const factors = [...sliceTensors(momentum, layout)].filter(([name]) => factorOf(name) !== null);
  const directions = muonDirections(new Map(factors));
  return new Map([...directions].map(([name, direction]) => [name, multiply(direction, rateOf(name))]));
}

/** The vector with other values for the tensors named. */
function replaced(flat: Node, { tensors, offsets, size }: FlatLayout, values: ReadonlyMap<string, Node>): Node {
  const parts: Node[] = [];
  let done = 0;
  const keepUntil = (offset: number): void => {
    if (offset > done) parts.push(slice(flat, 0, done, offset - done));
  };
  tensors.forEach(({ name, shape }, i) => {
    const value = values.get(name);
    if (!value) return;
    keepUntil(offsets[i]);
    parts.push(flatten(value));
    done = offsets[i] + elementCount(shape);
  });
  keepUntil(size);
  return concat(parts, 0);
}

/** What every architecture provides. A new one is a file that returns this, and an entry in ../pretrained's table. */
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import type { Node } from '../graph/graph.ts';
import type { Layer } from './layers.ts';

/**
 * Where a forward pass takes its tensors from: this is how teacher, student and adapters-only model differ, and only
 * this.
 */
export interface Parts {
  /** A tensor by its name in the layer table. */
  tensor(name: string): Node;
  /** Applies a linear layer of a block: dense, with adapters beside it, or adapters only. */
  linear(layer: Layer, x: Node): Node;
  /** The rows of a word table for ids (B, T): its own, or those of its factors. → (B·T, D) */
  embedding(layer: Layer, ids: Node): Node;
}

/** What a forward pass gives. */
export interface Forward {
  readonly logits: Node; // (B, K)
  /** Every block's output, which feature distillation compares. */
  readonly blocks: readonly Node[]; // (B·T, D) each
}

/** The named inputs of a batch, such as `pixels`, and what a batch for training has beside them. */
export interface BatchInputOptions {
  /**
   * Texts of several lengths: adds `mask` (B, T), 1 for a token and 0 for padding. One text, as it is served, needs
   * none.
   */
  readonly padded?: boolean;
  /** The length of the texts, which the longest the model takes is unless given. Pictures have none. */
  readonly tokens?: number;
  /** Adds the inputs of `dropouts`. */
  readonly dropout?: boolean;
}

/**
 * An input (B, width) that values are multiplied with while training: 0 with probability `rate`, else 1 / (1 - rate).
 */
export interface Dropout {
  readonly name: string;
  readonly width: number;
  readonly rate: number;
}

/** A classifier of one architecture and size, without weights: its layers, and how its graph is made. */
export interface Model {
  readonly architecture: string;
  readonly labels: readonly string[];
  /** What the logits mean: decides the loss, the metric and the answer. */
  readonly problemType: ProblemType;
  readonly layers: readonly Layer[];
  /** Standard deviation of freshly drawn weights. */
  readonly initializerRange: number;
  /** How many values each integer input takes: token ids come from a vocabulary. Pictures have no such input. */
  readonly vocabularies: Readonly<Record<string, number>>;
  /** How many tokens a sample has; of texts, the most. */
  readonly tokens: number;
  /** Where the head drops values while it trains; empty where it has no dropout. */
  readonly dropouts: readonly Dropout[];
  batchInputs(batch: number, options?: BatchInputOptions): Readonly<Record<string, Node>>;
  /**
   * `mask` (B, T) among the inputs says which tokens are padding. Pictures have none of their own: with a mask that is
   * wider than their tokens, they are padded to its width.
   */
  forward(inputs: Readonly<Record<string, Node>>, batch: number, parts: Parts): Forward;
}

/** The layer of that name; the models use it for what their own table lists. */
export function layerNamed(layers: readonly Layer[], name: string): Layer {
  const layer = layers.find((candidate) => candidate.name === name);
  if (!layer) throw new Error(`no layer ${name} in the layer table`);
  return layer;
}

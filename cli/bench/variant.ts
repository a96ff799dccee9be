/** The two models that a latency bench compares, dense and low-rank, with random weights. */
import type { Cost } from '../../runtime/artifact/manifest.ts';
import { random } from '../../runtime/random.ts';
import type { HostTensor } from '../engines/engine.ts';
import type { Node } from '../graph/graph.ts';
import { type TensorSpec, tensorsOf } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import { adaptersCost, denseCost } from '../pclora/cost.ts';
import { adaptersOnlyParts, denseParts, tensorsLeft } from '../pclora/linear.ts';
import { initialTensors } from '../pretrained/initial.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import { randomInputs } from './random-inputs.ts';

/**
 * A model with random weights that can be packed, run and counted: its graph for a batch of one, and a random sample
 * for it.
 */
export interface Variant {
  readonly model: Model;
  /** Of one sample. */
  readonly logits: Node; // (1, K)
  readonly tensors: Tensors;
  readonly inputs: Readonly<Record<string, HostTensor>>;
  readonly cost: Cost;
}

/** The dense model. */
export function denseVariant(model: Model, seed: number): Variant {
  const specs = tensorsOf(model.layers);
  return variant(model, specs, denseParts(specs), denseCost(model), seed);
}

/**
 * What compression leaves of it: adapters in place of the blocks' linears, and of the word table where the ranks name
 * it.
 */
export function lowRankVariant(model: Model, ranks: ReadonlyMap<string, number>, seed: number): Variant {
  const specs = tensorsLeft(model.layers, ranks);
  return variant(model, specs, adaptersOnlyParts(specs, 1), adaptersCost(model, ranks), seed);
}

function variant(
  model: Model,
  specs: readonly TensorSpec[],
  parts: Parameters<Model['forward']>[2],
  cost: Cost,
  seed: number,
): Variant {
  const inputs = model.batchInputs(1);
  return {
    model,
    logits: model.forward(inputs, 1, parts).logits,
    // Nothing starts at 0: a layer that gives nothing would hide whatever goes wrong in it.
    tensors: initialTensors(
      specs.map((spec) => (spec.start === 'zeros' ? { ...spec, start: 'normal' } : spec)),
      model.initializerRange,
      random(seed),
    ),
    inputs: randomInputs(model, inputs, random(seed, 1)),
    cost,
  };
}

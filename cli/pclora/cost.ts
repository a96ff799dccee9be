/** What a model costs, counted as the paper does (its blocks) and as it ships (whole). */
import type { Cost } from '../../runtime/artifact/manifest.ts';
import { macsOf } from '../graph/cost.ts';
import {
  blockLinears,
  isFused,
  type Layer,
  linearSize,
  parameterCount,
  type TensorSpec,
  tensorsOf,
  wordEmbedding,
} from '../models/layers.ts';
import type { Model, Parts } from '../models/model.ts';
import { adaptersOnlyParts, denseParts, rankOf, tensorsLeft } from './linear.ts';

/** The dense model's cost. */
export function denseCost(model: Model): Cost {
  const specs = tensorsOf(model.layers);
  return {
    blocks: {
      parameters: parameterCount(tensorsOf(inBlocks(model.layers))),
      macs: blockMacs(model, denseParts(specs)),
    },
    whole: { parameters: parameterCount(specs), macs: totalMacs(model, denseParts(specs)) },
  };
}

/** What is left at λ = 0: adapters in place of the blocks' linears, and of the word table where the ranks name it. */
export function adaptersCost(model: Model, ranks: ReadonlyMap<string, number>): Cost {
  const left = tensorsLeft(model.layers, ranks);
  const parts = adaptersOnlyParts(left, 1);
  return {
    blocks: { parameters: blockParameters(model, ranks), macs: blockMacs(model, parts) },
    whole: { parameters: parameterCount(left), macs: totalMacs(model, parts) },
  };
}

/** The blocks' parameters of `adaptersCost`, which are counted without a graph. */
export function blockParameters({ layers }: Pick<Model, 'layers'>, ranks: ReadonlyMap<string, number>): number {
  return parameterCount(tensorsLeft(inBlocks(layers), ranks));
}

/** The word table's part of the whole, dense and at λ = 0; null where the model has none. */
export function wordEmbeddingCost(
  model: Model,
  ranks: ReadonlyMap<string, number>,
): { readonly dense: Cost['whole']; readonly compressed: Cost['whole'] } | null {
  const table = wordEmbedding(model.layers);
  if (!table) return null;
  const costOf = (tensors: readonly TensorSpec[], parts: Parts): Cost['whole'] => ({
    parameters: parameterCount(tensors),
    macs: macsByLayer(model, parts).get(table.name) ?? 0,
  });
  return {
    dense: costOf(table.tensors, denseParts(tensorsOf(model.layers))),
    compressed: costOf(tensorsLeft([table], ranks), adaptersOnlyParts(tensorsLeft(model.layers, ranks), 1)),
  };
}

/**
 * The blocks' parameters if query, key and value were one layer (width → 3·width) with one adapter: how the paper's
 * headline is counted (94.36 % for ViT-B at r = 32). `--fuse-qkv` trains that; where three adapters are trained, this is
 * for comparing with the paper alone.
 */
export function fusedQkvBlockParameters(model: Model, ranks: ReadonlyMap<string, number>): number {
  if (isFused(ranks)) return blockParameters(model, ranks);
  const shared = blockLinears(model.layers).filter(({ name }) => name.endsWith('.key') || name.endsWith('.value'));
  // One A (r, in) serves all three, so key's and value's fall away.
  const saved = shared.reduce((sum, layer) => sum + rankOf(ranks, layer) * linearSize(layer).inFeatures, 0);
  return adaptersCost(model, ranks).blocks.parameters - saved;
}

/** MACs by layer name, of one sample. */
export function macsByLayer(model: Model, parts: Parts): ReadonlyMap<string, number> {
  return forwardMacs(model, parts).byLayer;
}

function forwardMacs(model: Model, parts: Parts): ReturnType<typeof macsOf> {
  return macsOf({ outputs: { logits: model.forward(model.batchInputs(1), 1, parts).logits } });
}

function totalMacs(model: Model, parts: Parts): number {
  return forwardMacs(model, parts).total;
}

/** Everything but what layers outside the blocks do: the blocks' linears and attention. */
function blockMacs(model: Model, parts: Parts): number {
  const { total, byLayer } = forwardMacs(model, parts);
  const outside = model.layers
    .filter(({ block }) => block === null)
    .reduce((sum, { name }) => sum + (byLayer.get(name) ?? 0), 0);
  return total - outside;
}

function inBlocks(layers: readonly Layer[]): Layer[] {
  return layers.filter(({ block }) => block !== null);
}

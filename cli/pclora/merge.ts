/** Adapters in the weights that they stand beside, for a model of full size. */
import { elementCount } from '../graph/graph.ts';
import { adaptedLayers, type Layer, linearSize, tensorsOf } from '../models/layers.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import { type AdapterOptions, loraAName, rankOf } from './linear.ts';

/**
 * The dense tensors of a table with its adapters in them: W + s·B·A and b + C (LoRA, Hu et al. 2021, section 4.1), and of a
 * word table E + s·B·A.
 */
export function merged(
  layers: readonly Layer[],
  { ranks, scaling }: Pick<AdapterOptions, 'ranks' | 'scaling'>,
  tensors: Tensors,
): Tensors {
  const dense: Tensors = new Map(tensorsOf(layers).map(({ name }) => [name, tensors.get(name)!]));
  for (const layer of adaptedLayers(layers, ranks)) {
    const [weight, bias] = layer.tensors;
    const { inFeatures, outFeatures } = linearSize(layer);
    const loraA = tensors.get(loraAName(ranks, layer));
    const [loraB, loraC] = ['loraB', 'loraC'].map((part) => tensors.get(`${layer.name}.${part}`));
    const sum = dense.get(weight.name)!.slice();
    addProduct(sum, loraB!, loraA!, scaling, { outFeatures, inFeatures, rank: rankOf(ranks, layer) });
    dense.set(weight.name, sum);
    if (bias && loraC)
      dense.set(
        bias.name,
        dense.get(bias.name)!.map((value, i) => value + loraC[i]),
      );
  }
  return dense;
}

/**
 * The dense tensors that adapters alone stand for (λ = 0): s·B·A and C, and of a word table s·B·A. `tensors` holds what
 * is left at λ = 0.
 */
export function expanded(
  layers: readonly Layer[],
  adapters: Pick<AdapterOptions, 'ranks' | 'scaling'>,
  tensors: Tensors,
): Tensors {
  const faded = tensorsOf(adaptedLayers(layers, adapters.ranks));
  const zeros = faded.map(({ name, shape }) => [name, new Float32Array(elementCount(shape))] as const);
  return merged(layers, adapters, new Map([...tensors, ...zeros]));
}

/** sum (out, in) += s·B·A, in double precision. */
function addProduct(
  sum: Float32Array,
  loraB: Float32Array,
  loraA: Float32Array,
  scaling: number,
  {
    outFeatures,
    inFeatures,
    rank,
  }: { readonly outFeatures: number; readonly inFeatures: number; readonly rank: number },
): void {
  const row = new Float64Array(inFeatures);
  for (let out = 0; out < outFeatures; out++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = scaling * loraB[out * rank + r];
      for (let i = 0; i < inFeatures; i++) row[i] += factor * loraA[r * inFeatures + i];
    }
    for (let i = 0; i < inFeatures; i++) sum[out * inFeatures + i] += row[i];
  }
}

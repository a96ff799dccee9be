/** How adapters start. */
import type { Random } from '../../runtime/random.ts';
import type { Engine } from '../engines/engine.ts';
import { adaptedLayers, type Layer, linearSize } from '../models/layers.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import { type AdapterOptions, rankOf } from './linear.ts';
import { createTruncator, type Moment } from './svd.ts';

/**
 * The adapters of step 0, by tensor name.
 * `paper`: A Kaiming-uniform with bound 1/√fan-in (LoRA's, Hu et al. 2021, section 4.1), B and C zero. A linear layer's
 * A takes x of `in` values, a word table's takes the r values that B holds of a word.
 * `random`: A the same, B Kaiming-uniform too, with bound 1/√r, and C is b: adapters that know nothing of W.
 * `svd`: A and B hold the best rank-r approximation of W, or of the table; C holds b.
 * `activation`: A and B hold the rank-r approximation of W whose outputs are best where the moments come from; C holds b.
 * @param moments of the layers by their names, for `activation`
 */
export async function startAdapters(
  engine: Engine,
  layers: readonly Layer[],
  tensors: Tensors,
  { init, ranks, scaling }: AdapterOptions,
  source: Random,
  moments: ReadonlyMap<string, Moment> = new Map(),
): Promise<Tensors> {
  const adapters: Tensors = new Map();
  const truncator = createTruncator(engine, source);
  for (const layer of adaptedLayers(layers, ranks)) {
    const { inFeatures, outFeatures } = linearSize(layer);
    const [weight, bias] = layer.tensors.map(({ name }) => tensors.get(name)!);
    const rank = rankOf(ranks, layer);
    if (init === 'paper' || init === 'random') {
      const isTable = layer.kind === 'embedding';
      const knowsNothing = init === 'random';
      adapters.set(`${layer.name}.loraA`, uniform(rank * inFeatures, isTable ? rank : inFeatures, source));
      adapters.set(
        `${layer.name}.loraB`,
        knowsNothing ? uniform(outFeatures * rank, rank, source) : new Float32Array(outFeatures * rank),
      );
      if (bias) adapters.set(`${layer.name}.loraC`, knowsNothing ? bias.slice() : new Float32Array(outFeatures));
    } else {
      const moment = init === 'activation' ? momentOf(moments, layer) : null;
      const { loraA, loraB } = moment
        ? await truncator.project(weight, outFeatures, inFeatures, rank, scaling, moment)
        : await truncator.truncate(weight, outFeatures, inFeatures, rank, scaling);
      adapters.set(`${layer.name}.loraA`, loraA);
      adapters.set(`${layer.name}.loraB`, loraB);
      if (bias) adapters.set(`${layer.name}.loraC`, bias.slice());
    }
  }
  await truncator.dispose();
  return adapters;
}

/** Kaiming-uniform values for a factor that takes `fanIn` numbers: of variance 1 / (3·fanIn), as LoRA's A has. */
function uniform(length: number, fanIn: number, source: Random): Float32Array<ArrayBuffer> {
  const bound = 1 / Math.sqrt(fanIn);
  return Float32Array.from({ length }, () => (2 * source.uniform() - 1) * bound);
}

function momentOf(moments: ReadonlyMap<string, Moment>, { name }: Layer): Moment {
  const moment = moments.get(name);
  if (moment === undefined) throw new Error(`no moment of layer ${name}`);
  return moment;
}

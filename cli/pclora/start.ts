/** How adapters start. */
import type { Random } from '../../runtime/random.ts';
import type { Engine } from '../engines/engine.ts';
import { concatenated } from '../io/floats.ts';
import { adaptedLayers, isFused, type Layer, linearSize, rankedOf } from '../models/layers.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import { type AdapterOptions, loraAName, rankOf } from './linear.ts';
import { createTruncator, type Moment } from './svd.ts';

/**
 * The adapters of step 0, by tensor name.
 * `paper`: A Kaiming-uniform with bound 1/√fan-in (LoRA's, Hu et al. 2021, section 4.1), B and C zero. A linear layer's
 * A takes x of `in` values, a word table's takes the r values that B holds of a word.
 * `random`: A the same, B Kaiming-uniform too, with bound 1/√r, and C is b: adapters that know nothing of W.
 * `svd`: A and B hold the best rank-r approximation of W, or of the table; C holds b.
 * `activation`: A and B hold the rank-r approximation of W whose outputs are best where the moments come from; C holds b,
 * or, where the mean μ of the layer's inputs is known, b + (W - s·B·A)μ: what is left at λ = 0 then has the layer's mean
 * output, and what λ scales, (W - s·B·A)(x - μ), has none.
 * Query, key and value that share A start together, as one layer: their weights stand stacked by rows, and so do B and C.
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
  for (const { layer, parts } of rankedOf(adaptedLayers(layers, ranks), isFused(ranks))) {
    const { inFeatures, outFeatures } = linearSize(layer);
    const weight = stackedTensors(parts, 0, tensors)!;
    const bias = stackedTensors(parts, 1, tensors);
    const rank = rankOf(ranks, layer);
    let loraA: Values;
    let loraB: Values;
    let loraC: Values | null;
    if (init === 'paper' || init === 'random') {
      const isTable = layer.kind === 'embedding';
      const knowsNothing = init === 'random';
      loraA = uniform(rank * inFeatures, isTable ? rank : inFeatures, source);
      loraB = knowsNothing ? uniform(outFeatures * rank, rank, source) : new Float32Array(outFeatures * rank);
      loraC = bias && (knowsNothing ? bias : new Float32Array(outFeatures));
    } else {
      const moment = init === 'activation' ? momentOf(moments, parts[0]) : null;
      ({ loraA, loraB } = moment
        ? await truncator.project(weight, outFeatures, inFeatures, rank, scaling, moment)
        : await truncator.truncate(weight, outFeatures, inFeatures, rank, scaling));
      loraC = bias;
      if (bias && moment?.mean) {
        const lowRank = { loraA, loraB };
        const missed = await truncator.missed(weight, outFeatures, inFeatures, rank, scaling, lowRank, moment.mean);
        loraC = bias.map((value, i) => value + missed[i]);
      }
    }
    adapters.set(loraAName(ranks, parts[0]), loraA);
    let row = 0;
    for (const part of parts) {
      const end = row + linearSize(part).outFeatures;
      adapters.set(`${part.name}.loraB`, loraB.slice(row * rank, end * rank));
      if (loraC) adapters.set(`${part.name}.loraC`, loraC.slice(row, end));
      row = end;
    }
  }
  await truncator.dispose();
  return adapters;
}

type Values = Float32Array<ArrayBuffer>;

/** The weights (`index` 0) or biases (1) of layers, one under another; null where they have none. */
function stackedTensors(parts: readonly Layer[], index: number, tensors: Tensors): Values | null {
  const found = parts.map((part) => tensors.get(part.tensors[index]?.name));
  return found[0] === undefined ? null : concatenated(found as Values[]);
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

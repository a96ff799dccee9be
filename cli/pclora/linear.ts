/**
 * The PC-LoRA layer (arXiv 2406.09117, section 3): while training, every linear layer of every block computes
 *
 *   y = λ·(W x + b) + s·B(A x) + C                             W, b frozen; A (r, in), B (out, r), C (out) trained
 *
 * and at λ = 0 only y = s·B(A x) + C is left. With residual decay (`--init svd`, `activation`) A, B, C start at a rank-r
 * approximation A₀, B₀ of W and at b, and λ scales what they don't hold: λ·(W - s·B₀A₀)x. Both equal the teacher at
 * step 0. So they do where C starts elsewhere, at C₀ = b + (W - s·B₀A₀)μ for inputs of mean μ (`--bias-correction`): λ
 * scales b - C₀, too.
 *
 * Query, key and value of a block may share A, which is how the paper counts parameters: `block.0.qkv.loraA`, with B and
 * C of their own. The ranks say so: they then name `block.0.qkv`, instead of the three.
 *
 * Beyond the paper, a text model's word table E (V, D) fades the same way: its rows are λ·E[ids] + s·B[ids]·A, with
 * A (r, D), B (V, r) and no C, and s·B[ids]·A is left.
 */
import type { Node } from '../graph/graph.ts';
import { add, multiply, subtract } from '../graph/ops/binary.ts';
import { embedding, lowRankEmbedding } from '../graph/ops/embedding.ts';
import { gemm } from '../graph/ops/gemm.ts';
import { input, scalar } from '../graph/ops/leaf.ts';
import { linear, lowRankLinear, updatedLinear, upLinear } from '../graph/ops/linear.ts';
import { adaptedLayers, fusedName, type Layer, linearSize, type TensorSpec, tensorsOf } from '../models/layers.ts';
import type { Parts } from '../models/model.ts';

/** How A, B and C may start where λ falls from 1, see `startAdapters`; what --init takes. */
export const INITS = ['paper', 'svd', 'activation'] as const;
/** One of them; or, where there is no λ, at random. */
export type Init = (typeof INITS)[number] | 'random';

/** Whether A, B and C start from W and b, so that λ scales what they don't hold. */
export function isResidual({ init }: Pick<AdapterOptions, 'init'>): boolean {
  return init === 'svd' || init === 'activation';
}

/** How adapters are made: the rank r of each adapted layer by its name (see `rankOf`), and the scaling s. */
export interface AdapterOptions {
  readonly init: Init;
  readonly ranks: ReadonlyMap<string, number>;
  readonly scaling: number;
}

/**
 * The adapters' tensors: loraA (r, in), loraB (out, r), loraC (out) for each adapted layer; a table has no C. A that is
 * shared stands once, before the first B.
 */
export function adapterTensors(layers: readonly Layer[], ranks: ReadonlyMap<string, number>): TensorSpec[] {
  const shared = new Set<string>();
  return adaptedLayers(layers, ranks).flatMap((layer): TensorSpec[] => {
    const { inFeatures, outFeatures } = linearSize(layer);
    const rank = rankOf(ranks, layer);
    const nameOfA = loraAName(ranks, layer);
    const isThere = shared.has(nameOfA);
    shared.add(nameOfA);
    const factors: TensorSpec[] = [
      ...(isThere ? [] : [{ name: nameOfA, shape: [rank, inFeatures], start: 'normal' as const }]),
      { name: `${layer.name}.loraB`, shape: [outFeatures, rank], start: 'zeros' },
    ];
    return layer.kind === 'embedding'
      ? factors
      : [...factors, { name: `${layer.name}.loraC`, shape: [outFeatures], start: 'zeros' }];
  });
}

/** The tensors of these layers at λ = 0: those of layers without adapters, and the adapters'. */
export function tensorsLeft(layers: readonly Layer[], ranks: ReadonlyMap<string, number>): TensorSpec[] {
  const adapted = new Set(adaptedLayers(layers, ranks));
  return [...tensorsOf(layers.filter((layer) => !adapted.has(layer))), ...adapterTensors(layers, ranks)];
}

/**
 * r of an adapted layer: its own, or that of query, key and value together. @throws Error where the table has none: a
 * mistake of the caller's
 */
export function rankOf(ranks: ReadonlyMap<string, number>, layer: Layer): number {
  const rank = ranks.get(layer.name) ?? ranks.get(fusedName(layer) ?? '');
  if (rank === undefined) throw new Error(`no rank for layer ${layer.name}`);
  return rank;
}

/** The name of an adapted layer's A, which may be one that it shares. */
export function loraAName(ranks: ReadonlyMap<string, number>, layer: Layer): string {
  return `${ownerOfA(layer, ranks.has(layer.name))}.loraA`;
}

/** Whose A a layer has: its own, or that of its block's query, key and value. */
function ownerOfA(layer: Layer, hasOwn: boolean): string {
  return hasOwn ? layer.name : (fusedName(layer) ?? layer.name);
}

/** The frozen start of an adapter under residual decay. */
export function initialName(name: string): string {
  return `${name}.initial`;
}

const byName = (spec: TensorSpec): Node => input(spec.name, spec.shape);

/** Where parts find tensors: inputs of the tables' names and shapes, one node each, or what trains in their place. */
interface Lookup {
  tensor(name: string): Node;
  /** loraA and loraB of a word table; null where it has none. */
  factorsOf(layer: Layer): readonly [loraA: Node, loraB: Node] | null;
  /** The names of a linear layer's loraA, loraB and loraC. */
  adapterNames(layer: Layer): readonly [string, string, string];
  /** Whether a layer's A is others', too. */
  isShared(layer: Layer): boolean;
}

function tensorLookup(specs: readonly TensorSpec[], trained: ReadonlyMap<string, Node>): Lookup {
  const nodes = new Map<string, Node>(specs.map((spec) => [spec.name, trained.get(spec.name) ?? byName(spec)]));
  const ownerOf = (layer: Layer): string => ownerOfA(layer, nodes.has(`${layer.name}.loraA`));
  return {
    isShared: (layer) => ownerOf(layer) !== layer.name,
    adapterNames(layer) {
      return [`${ownerOf(layer)}.loraA`, `${layer.name}.loraB`, `${layer.name}.loraC`];
    },
    tensor(name) {
      const node = nodes.get(name);
      if (!node) throw new Error(`no tensor ${name} in the layer table`);
      return node;
    },
    factorsOf({ name }) {
      const [loraA, loraB] = [nodes.get(`${name}.loraA`), nodes.get(`${name}.loraB`)];
      return loraA && loraB ? [loraA, loraB] : null;
    },
  };
}

/** The dense model: the teacher, and the model that gets fine-tuned. */
export function denseParts(specs: readonly TensorSpec[], trained: ReadonlyMap<string, Node> = new Map()): Parts {
  const { tensor } = tensorLookup(specs, trained);
  return {
    tensor,
    linear: (layer, x) => linear(x, tensor(`${layer.name}.weight`), tensor(`${layer.name}.bias`), layer.name),
    embedding: (layer, ids) => embedding(tensor(layer.name), ids),
  };
}

/** Adapters only (λ = 0): what is evaluated, selected and shipped. */
export function adaptersOnlyParts(
  specs: readonly TensorSpec[],
  scaling: number,
  trained: ReadonlyMap<string, Node> = new Map(),
): Parts {
  const lookup = tensorLookup(specs, trained);
  const { tensor, factorsOf } = lookup;
  // A·x by x: what a block's query, key and value read, nothing else that shares A does.
  const downs = new WeakMap<Node, Node>();
  return {
    tensor,
    linear(layer, x) {
      const [loraA, loraB, loraC] = adapterOf(lookup, layer);
      if (!lookup.isShared(layer)) return lowRankLinear(x, loraA, loraB, loraC, scaling, layer.name);
      const down = downs.get(x) ?? linear(x, loraA, null, fusedName(layer)!); // (B·T, r)
      downs.set(x, down);
      return upLinear(down, loraB, loraC, scaling, layer.name);
    },
    embedding(layer, ids) {
      const factors = factorsOf(layer);
      return factors ? lowRankEmbedding(ids, ...factors, scaling, layer.name) : embedding(tensor(layer.name), ids);
    },
  };
}

/**
 * The student while λ > 0: adapters beside the fading dense path.
 * @param lambdaOf gives a layer's λ, of shape ()
 */
export function fadingParts(
  specs: readonly TensorSpec[],
  options: Pick<AdapterOptions, 'scaling' | 'init'>,
  lambdaOf: (layer: Layer) => Node,
  trained: ReadonlyMap<string, Node>,
): Parts {
  const { scaling } = options;
  const lookup = tensorLookup(specs, trained);
  const { tensor, factorsOf, adapterNames } = lookup;
  const startOf = (layer: Layer, nodes: readonly Node[]): Node[] => {
    const names = adapterNames(layer);
    return nodes.map((node, i) => input(initialName(names[i]), node.shape));
  };
  return {
    tensor,
    // λ·(W x + b) + s·B(A x) + C = (λW + s·BA)x + λb + C: one product over the rows, and a weight made anew each step.
    // Pays off with many rows: cli/README.md has the measurements.
    linear(layer, x) {
      const [loraA, loraB, loraC] = adapterOf(lookup, layer);
      const [weight, bias] = ['weight', 'bias'].map((part) => tensor(`${layer.name}.${part}`));
      const lambda = lambdaOf(layer);
      const faded = (frozenWeight: Node, frozenBias: Node): Node =>
        updatedLinear(
          x,
          multiply(frozenWeight, lambda),
          add(multiply(frozenBias, lambda), loraC),
          loraA,
          loraB,
          scaling,
          layer.name,
        );
      if (!isResidual(options)) return faded(weight, bias);
      const [startA, startB, startC] = startOf(layer, [loraA, loraB, loraC]);
      return faded(gemm(startB, startA, weight, { alpha: -scaling }), subtract(bias, startC));
    },
    embedding(layer, ids) {
      const rows = embedding(tensor(layer.name), ids); // (B·T, D)
      const factors = factorsOf(layer);
      if (!factors) return rows;
      const [loraA, loraB] = factors;
      const lambda = lambdaOf(layer);
      const faded = multiply(rows, lambda);
      const lowRank = embedding(loraB, ids); // (B·T, r)
      if (!isResidual(options)) return gemm(lowRank, loraA, faded, { alpha: scaling });
      const [startA, startB] = startOf(layer, factors);
      const residual = gemm(multiply(embedding(startB, ids), lambda), startA, faded, { alpha: -scaling });
      return gemm(lowRank, loraA, residual, { alpha: scaling });
    },
  };
}

/**
 * A student whose blocks are each either the teacher's, where λ is 1, or adapters only, where it is 0 (BERT-of-Theseus, Xu
 * et al. 2020, section 3.1). The word table, which belongs to no block, has adapters only.
 */
export function exchangedParts(
  specs: readonly TensorSpec[],
  { scaling }: Pick<AdapterOptions, 'scaling'>,
  lambdaOf: (layer: Layer) => Node,
  trained: ReadonlyMap<string, Node>,
): Parts {
  const alone = adaptersOnlyParts(specs, scaling, trained);
  const lookup = tensorLookup(specs, trained);
  const { tensor } = lookup;
  return {
    ...alone,
    linear(layer, x) {
      const [loraA, loraB, loraC] = adapterOf(lookup, layer);
      const [weight, bias] = ['weight', 'bias'].map((part) => tensor(`${layer.name}.${part}`));
      const lambda = lambdaOf(layer);
      const own = subtract(scalar(1), lambda);
      return updatedLinear(
        x,
        multiply(weight, lambda),
        add(multiply(bias, lambda), multiply(loraC, own)),
        loraA,
        multiply(loraB, own),
        scaling,
        layer.name,
      );
    },
  };
}

function adapterOf({ tensor, adapterNames }: Lookup, layer: Layer): [Node, Node, Node] {
  const [loraA, loraB, loraC] = adapterNames(layer).map(tensor);
  return [loraA, loraB, loraC];
}

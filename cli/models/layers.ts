/**
 * The one table of a model's layers. Loading, adapters, parameter counts, packing and benches all read it; nothing else
 * lists names or shapes. A tensor's name is its layer's name and a suffix: `block.0.query.weight`.
 */
import { elementCount, type Shape } from '../graph/graph.ts';

/**
 * `linear` layers inside blocks are what PC-LoRA replaces; every other kind stays as it is, but for a word table that
 * is given a rank.
 */
export type LayerKind = 'embedding' | 'linear' | 'norm' | 'pooler' | 'head';

/** An entry of the table. */
export interface Layer {
  readonly name: string;
  readonly kind: LayerKind;
  /** Which block it belongs to; null outside the blocks. */
  readonly block: number | null;
  readonly tensors: readonly TensorSpec[];
}

/** A tensor of a layer, by its full name, and how it starts in a model made from scratch. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly start: InitialValue;
}

/** How a tensor starts in a model made from scratch: normal with the config's initializer_range, zeros or ones. */
export type InitialValue = 'normal' | 'zeros' | 'ones';

/** A linear layer's input and output width. */
export interface LinearSize {
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/**
 * y = x·Wᵀ + b: NAME.weight (out, in) and NAME.bias (out), which one outside the blocks may lack. `block` is null there.
 */
export function linearLayer(
  name: string,
  inFeatures: number,
  outFeatures: number,
  kind: LayerKind,
  block: number | null,
  hasBias = true,
): Layer {
  return {
    name,
    kind,
    block,
    tensors: [
      { name: `${name}.weight`, shape: [outFeatures, inFeatures], start: 'normal' },
      ...(hasBias ? [{ name: `${name}.bias`, shape: [outFeatures], start: 'zeros' as const }] : []),
    ],
  };
}

/** A layer norm: NAME.weight and NAME.bias, (width) each. `block` is null outside the blocks. */
export function normLayer(name: string, width: number, block: number | null): Layer {
  return {
    name,
    kind: 'norm',
    block,
    tensors: [
      { name: `${name}.weight`, shape: [width], start: 'ones' },
      { name: `${name}.bias`, shape: [width], start: 'zeros' },
    ],
  };
}

/** A layer outside the blocks that holds tables or tokens; its tensors are named in full. */
export function embeddingLayer(name: string, tensors: readonly TensorSpec[]): Layer {
  return { name, kind: 'embedding', block: null, tensors };
}

/** How many blocks a table has. */
export function blockCount(layers: readonly Layer[]): number {
  return layers.reduce((count, { block }) => Math.max(count, block === null ? 0 : block + 1), 0);
}

/** The layer that is a text model's word table, (vocabulary, D), and the name of its one tensor. */
export const WORD_EMBEDDING = 'embedding.word';

/** The table of a text model's words: one tensor (vocabSize, width), without a suffix to its name. */
export function wordEmbeddingLayer(vocabSize: number, width: number): Layer {
  return embeddingLayer(WORD_EMBEDDING, [{ name: WORD_EMBEDDING, shape: [vocabSize, width], start: 'normal' }]);
}

/** A text model's word table; null where there is none. */
export function wordEmbedding(layers: readonly Layer[]): Layer | null {
  return layers.find(({ name }) => name === WORD_EMBEDDING) ?? null;
}

/** Every linear layer of every block: what gets adapters (PC-LoRA, section 3). */
export function blockLinears(layers: readonly Layer[]): Layer[] {
  return layers.filter((layer) => layer.kind === 'linear' && layer.block !== null);
}

/** The last part of the names of a block's layers that may share A (`--fuse-qkv`). */
const SHARING = ['query', 'key', 'value'] as const;

/** `block.3.up` → `up`: a layer's name in every block. */
export function kindOf({ name }: Pick<Layer, 'name'>): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

/** The layer that a block's query, key and value are together: `block.3.key` → `block.3.qkv`. Null of other layers. */
export function fusedName({ name, block }: Layer): string | null {
  return block !== null && SHARING.some((kind) => name === `block.${block}.${kind}`) ? `block.${block}.qkv` : null;
}

/** Whether ranks by layer name are for query, key and value of a block together. */
export function isFused(ranks: { keys(): Iterable<string> }): boolean {
  return [...ranks.keys()].some((name) => /^block\.\d+\.qkv$/.test(name));
}

/**
 * What has one A, and so one rank: a layer; or query, key and value of a block, which as `layer` are one, with their
 * weights and biases stacked by rows: W (3·D, D).
 */
export interface Ranked {
  readonly layer: Layer;
  /** The layer itself, or the three. */
  readonly parts: readonly Layer[];
}

/** What has ranks of its own among these layers. */
export function rankedOf(layers: readonly Layer[], fuseQkv: boolean): Ranked[] {
  const ranked = new Map<string, Layer[]>();
  for (const layer of layers) {
    const name = (fuseQkv ? fusedName(layer) : null) ?? layer.name;
    ranked.set(name, [...(ranked.get(name) ?? []), layer]);
  }
  return [...ranked].map(([name, parts]) => ({
    layer: name === parts[0].name ? parts[0] : stacked(name, parts),
    parts,
  }));
}

/** Every linear layer of every block that has a rank of its own. */
export function rankedLinears(layers: readonly Layer[], fuseQkv: boolean): Layer[] {
  return rankedOf(blockLinears(layers), fuseQkv).map(({ layer }) => layer);
}

function stacked(name: string, parts: readonly Layer[]): Layer {
  const { inFeatures } = linearSize(parts[0]);
  const outFeatures = parts.reduce((sum, part) => sum + linearSize(part).outFeatures, 0);
  return linearLayer(name, inFeatures, outFeatures, 'linear', parts[0].block);
}

/** The layers that get adapters: the blocks' linears, and what else the ranks name, which may be the word table. */
export function adaptedLayers(layers: readonly Layer[], ranks: ReadonlyMap<string, number>): Layer[] {
  const linears = new Set(blockLinears(layers));
  return layers.filter((layer) => linears.has(layer) || ranks.has(layer.name));
}

/** Of a linear layer's weight; a word table's rows are its outputs. */
export function linearSize(layer: Layer): LinearSize {
  const [outFeatures, inFeatures] = layer.tensors[0].shape;
  return { inFeatures, outFeatures };
}

/** All tensors of these layers, in the order of the table. */
export function tensorsOf(layers: readonly Layer[]): TensorSpec[] {
  return layers.flatMap((layer) => layer.tensors);
}

/** How many values these tensors hold. */
export function parameterCount(tensors: readonly { readonly shape: Shape }[]): number {
  return tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

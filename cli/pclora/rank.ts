/** The rank of every adapted layer, resolved once into one table. */
import { usageError } from '../io/errors.ts';
import { blockLinears, type Layer, type LinearSize, linearSize, wordEmbedding } from '../models/layers.ts';

/** What the flags say of ranks. */
export interface RankOptions {
  /** The rank of every layer that `perLayer` doesn't name. */
  readonly rank: number;
  /** Ranks by a layer's full name (`block.3.up`) or its name in every block (`up`); the full name wins. */
  readonly perLayer?: Readonly<Record<string, number>>;
  /** The rank of a text model's word table, which stays as it is unless given. */
  readonly embeddingRank?: number;
  /** Allows a rank that makes a layer larger than it was. */
  readonly force?: boolean;
}

/** The rank from which an adapter A (r, in), B (out, r) has no fewer parameters than W: in·out / (in + out). */
export function breakEvenRank({ inFeatures, outFeatures }: LinearSize): number {
  return (inFeatures * outFeatures) / (inFeatures + outFeatures);
}

/** The largest rank that makes a layer smaller than it was, which is 1 where none does; with `force` the full one. */
export function mostRank(layer: Layer, force = false): number {
  const size = linearSize(layer);
  return force ? fullRank(size) : Math.max(1, Math.ceil(breakEvenRank(size)) - 1);
}

/** Rank by layer name. Usage errors name the layer, its rank and the limit. */
export function resolveRanks(
  layers: readonly Layer[],
  { rank, perLayer = {}, embeddingRank, force = false }: RankOptions,
): Map<string, number> {
  const linears = blockLinears(layers);
  const kinds = new Set(linears.map(kindOf));
  for (const name of Object.keys(perLayer)) {
    if (!kinds.has(name) && !linears.some((layer) => layer.name === name)) {
      throw usageError(
        `--layer-rank ${name}: there is no such layer`,
        `Layers: ${[...kinds].join(', ')}, or one block's, such as ${linears[0].name}.`,
      );
    }
  }
  const ranks = new Map<string, number>();
  if (embeddingRank !== undefined) {
    const table = wordEmbedding(layers);
    if (!table)
      throw usageError(
        `--embedding-rank ${embeddingRank}: the model has no word embeddings`,
        'It is for text models. Leave it out.',
      );
    checkRank(table, embeddingRank, force, 'a smaller --embedding-rank');
    ranks.set(table.name, embeddingRank);
  }
  for (const layer of linears) {
    const chosen = namedRank(layer, perLayer) ?? rank;
    checkRank(layer, chosen, force, 'a smaller --rank, set this layer with --layer-rank NAME=R');
    ranks.set(layer.name, chosen);
  }
  return ranks;
}

/** The rank that a layer is given by its full name or by its name in every block; undefined where it is by neither. */
export function namedRank(layer: Layer, perLayer: Readonly<Record<string, number>>): number | undefined {
  return perLayer[layer.name] ?? perLayer[kindOf(layer)];
}

function fullRank({ inFeatures, outFeatures }: LinearSize): number {
  return Math.min(inFeatures, outFeatures);
}

function checkRank(layer: Layer, rank: number, force: boolean, remedy: string): void {
  const size = linearSize(layer);
  const { inFeatures, outFeatures } = size;
  const full = fullRank(size);
  if (!Number.isInteger(rank) || rank < 1 || rank > full) {
    throw usageError(
      `rank ${rank} for layer ${layer.name} (${inFeatures}×${outFeatures}): expected a whole number from 1 to ${full}`,
    );
  }
  if (!force && rank > breakEvenRank(size)) {
    throw usageError(
      `rank ${rank} makes layer ${layer.name} (${inFeatures}×${outFeatures}) larger than it is: ` +
        `it pays off below ${breakEvenRank(size).toFixed(1)}`,
      `Choose ${remedy}, or insist with --force-rank.`,
    );
  }
}

/** `block.3.up` → `up` */
function kindOf(layer: Layer): string {
  return layer.name.slice(layer.name.lastIndexOf('.') + 1);
}

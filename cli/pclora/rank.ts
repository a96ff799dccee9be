/** The rank of every adapted layer, resolved once into one table. */
import { usageError } from '../io/errors.ts';
import {
  blockLinears,
  isFused,
  kindOf,
  type Layer,
  type LinearSize,
  linearSize,
  type Ranked,
  rankedOf,
  wordEmbedding,
} from '../models/layers.ts';

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
  /**
   * Whether query, key and value of a block share A, and so have one rank; `perLayer` may then name them together (`qkv`,
   * `block.3.qkv`), and says it by that, too.
   */
  readonly fuseQkv?: boolean;
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
  { rank, perLayer = {}, embeddingRank, force = false, fuseQkv = false }: RankOptions,
): Map<string, number> {
  const ranked = rankedOf(blockLinears(layers), fuseQkv || isFused(new Map(Object.entries(perLayer))));
  const linears = [...new Set(ranked.flatMap(({ layer, parts }) => [layer, ...parts]))];
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
  for (const { layer, parts } of ranked) {
    const chosen = chosenRank({ layer, parts }, rank, perLayer);
    checkRank(layer, chosen, force, 'a smaller --rank, set this layer with --layer-rank NAME=R');
    ranks.set(layer.name, chosen);
  }
  return ranks;
}

/** The rank that a layer is given by its full name or by its name in every block; undefined where it is by neither. */
export function namedRank(layer: Layer, perLayer: Readonly<Record<string, number>>): number | undefined {
  return perLayer[layer.name] ?? perLayer[kindOf(layer)];
}

/** One rank, also of layers that have to agree on it. */
function chosenRank({ layer, parts }: Ranked, rank: number, perLayer: Readonly<Record<string, number>>): number {
  const together = namedRank(layer, perLayer) ?? rank;
  const ranks = parts.map((part) => namedRank(part, perLayer) ?? together);
  if (new Set(ranks).size === 1) return ranks[0];
  throw usageError(
    `--layer-rank gives ${parts.map(({ name }, i) => `${name} rank ${ranks[i]}`).join(', ')}: ` +
      'with --fuse-qkv they share A, and so one rank',
    `Set it with --layer-rank ${kindOf(layer)}=R, or leave out --fuse-qkv.`,
  );
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

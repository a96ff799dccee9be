/** How checkpoints of vision transformers call their tensors: a table for each way, from the names of ../models/vit.ts. */
import type { TensorSpec } from '../models/layers.ts';
import { patchCount, type VitConfig } from '../models/vit.ts';
import { absentPart, type StoredPart, slicePart, wholePart } from './architecture.ts';

/** Tokens before the patches that lie in one tensor. */
interface StoredTokens {
  readonly name: string;
  readonly count: number;
  /** Whether the table of positions has rows for them; else they are added to nothing. */
  readonly positions: boolean;
}

/** The names of one family or library. In those of a layer `*` stands for `weight` or `bias`, which otherwise follow. */
export interface VitNames {
  /** What every name but the heads' begins with, which a checkpoint without a task head leaves out. */
  readonly prefix: string;
  /** What a block's number follows. */
  readonly blocks: string;
  readonly inBlock: Readonly<Record<string, string>>;
  readonly patch: string;
  readonly position: string;
  readonly tokens: (config: VitConfig) => readonly StoredTokens[];
  /** Whether class token and positions are (D) and (N + C, D), with no leading axes of 1. */
  readonly flat?: boolean;
  readonly norms: Readonly<Record<string, string>>;
  readonly heads: Readonly<Record<string, string>>;
  /** Layers of a block that are equal parts of one tensor, in their order. */
  readonly joined?: readonly (readonly string[])[];
  /** Within a block, the vectors that scale the outputs of a layer (LayerScale). */
  readonly layerScale?: Readonly<Record<string, string>>;
}

/** The one tensor of the class token, and what else there is beside it. */
export function classTokenNamed(name: string): VitNames['tokens'] {
  return () => [{ name, count: 1, positions: true }];
}

/** Their tensors that hold one of ours. The patch projection is a Conv2d there. */
export function storedByNames(names: VitNames, { name, shape }: TensorSpec, config: VitConfig): StoredPart[] {
  const { hiddenSize: D, channels, patchSize } = config;
  const [, block, layer, suffix] = /^block\.(\d+)\.(\w+)\.(\w+)$/.exec(name) ?? [];
  if (config.qkvBias === false && suffix === 'bias' && ['query', 'key', 'value'].includes(layer))
    return [absentPart(shape)];
  if (block !== undefined) return inBlock(names, `${names.prefix}${names.blocks}${block}.`, layer, suffix, shape);
  const lead = names.flat ? [] : [1];
  switch (name) {
    case 'patch.weight':
      return [wholePart(`${names.prefix}${names.patch}.weight`, [D, channels, patchSize, patchSize])];
    case 'patch.bias':
      return [wholePart(`${names.prefix}${names.patch}.bias`, shape)];
    case 'embedding.cls':
      return names
        .tokens(config)
        .map(({ name: token, count }) => wholePart(names.prefix + token, names.flat ? [D] : [1, count, D]));
    case 'embedding.position':
      return positionParts(names, lead, config);
    default: {
      const [outer, part] = name.split('.');
      const head = names.heads[outer];
      // See VitVariant.
      const factor = config.variant === 'deit-with-teacher' ? 2 : 1;
      return head
        ? [wholePart(`${head}.${part}`, shape, { factor })]
        : [wholePart(`${names.prefix}${names.norms[outer]}.${part}`, shape)];
    }
  }
}

function inBlock(
  names: VitNames,
  place: string,
  layer: string,
  suffix: string,
  shape: readonly number[],
): StoredPart[] {
  const theirs = place + named(names.inBlock[layer], suffix);
  const group = names.joined?.find((layers) => layers.includes(layer));
  if (group) return [slicePart(theirs, shape, group.indexOf(layer), group.length)];
  const scale = names.layerScale?.[layer];
  return [wholePart(theirs, shape, { rowScale: scale ? place + scale : null })];
}

function named(layer: string, suffix: string): string {
  return layer.includes('*') ? layer.replace('*', suffix) : `${layer}.${suffix}`;
}

/** Positions of tokens that have some and of the patches, in one table; zeros for those that have none. */
function positionParts(names: VitNames, lead: readonly number[], config: VitConfig): StoredPart[] {
  const { hiddenSize: D } = config;
  const groups = [...names.tokens(config), { count: patchCount(config), positions: true }];
  const rows = groups.reduce((sum, { count, positions }) => sum + (positions ? count : 0), 0);
  const shape = [...lead, rows, D];
  if (groups.every(({ positions }) => positions)) return [wholePart(names.prefix + names.position, shape)];
  let from = 0;
  return groups.map(({ count, positions }) => {
    if (!positions) return absentPart([count, D]);
    const unused = from * D;
    from += count;
    return wholePart(names.prefix + names.position, shape, { unused, behind: (rows - from) * D });
  });
}

/**
 * The same tensors where the positions of tokens that have none in the checkpoint are 0: a token and its position are
 * only ever added.
 */
export function withoutTheirPositions(
  names: VitNames,
  tensors: ReadonlyMap<string, Float32Array<ArrayBuffer>>,
  config: VitConfig,
): Map<string, Float32Array<ArrayBuffer>> {
  const tokens = names.tokens(config);
  if (tokens.every(({ positions }) => positions)) return new Map(tensors);
  const [cls, position] = ['embedding.cls', 'embedding.position'].map((name) => tensors.get(name)!.slice());
  let at = 0;
  for (const { count, positions } of tokens) {
    const end = at + count * config.hiddenSize;
    if (!positions)
      for (let i = at; i < end; i++) {
        cls[i] += position[i];
        position[i] = 0;
      }
    at = end;
  }
  return new Map([...tensors, ['embedding.cls', cls], ['embedding.position', position]]);
}

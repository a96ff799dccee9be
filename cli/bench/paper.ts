/**
 * The tables of the PC-LoRA paper (arXiv 2406.09117) by counting alone: ViT-B/16 and BERT-base, dense and at each rank,
 * by each way to count that the paper's figures could have been had by.
 */
import type { Cost } from '../../runtime/artifact/manifest.ts';
import type { Model } from '../models/model.ts';
import { presetModel } from '../models/presets.ts';
import { adaptersCost, denseCost } from '../pclora/cost.ts';
import { resolveRanks } from '../pclora/rank.ts';

/** The ranks that the tables are for. */
export const PAPER_RANKS = [8, 16, 32, 64, 128, 256];
/** The rank that the paper's headline fits. */
export const HEADLINE_RANK = 32;

/** Shares of parameters and of MACs that fall away. */
export interface Removed {
  readonly parameters: number;
  readonly macs: number;
}

/** What is left at a rank, and what fell away, by what is counted. */
export interface PaperCount {
  readonly left: Cost;
  readonly removed: { readonly blocks: Removed; readonly whole: Removed };
  /** Parameters left of the blocks, as a share of the whole dense model: the paper's own way. */
  readonly removedBlocksOfWhole: number;
}

/** One rank, with an A each for query, key and value, and with one for all three. */
export interface PaperRow {
  readonly rank: number;
  readonly separate: PaperCount;
  readonly fused: PaperCount;
}

/** One model's table. */
export interface PaperTable {
  readonly name: string;
  readonly preset: string;
  readonly classes: number;
  /** Of a text; null of pictures. */
  readonly tokens: number | null;
  readonly dense: Cost;
  /** What the paper's abstract says. */
  readonly published: Removed;
  readonly rows: readonly PaperRow[];
  /**
   * MACs of other work, the same before and after, with which the published share of MACs is what is left of the whole
   * model at the headline's rank, with A each: the paper may count softmax, norms and activations, which are not
   * counted here. Negative where it would have to be less.
   */
  readonly otherMacs: number;
}

/** What is counted, and what the paper's abstract says of it. */
const MODELS = [
  { name: 'ViT-B/16', preset: 'vit-b16', classes: 10, tokens: null, published: { parameters: 0.9436, macs: 0.891 } },
  { name: 'BERT-base', preset: 'bert-base', classes: 2, tokens: 512, published: { parameters: 0.9342, macs: 0.842 } },
  { name: 'BERT-base', preset: 'bert-base', classes: 2, tokens: 128, published: { parameters: 0.9342, macs: 0.842 } },
] as const;

/** All tables. No weights are made: graphs are walked. */
export function paperTables(): PaperTable[] {
  return MODELS.map((about) => {
    const labels = Array.from({ length: about.classes }, (_, i) => `class-${i}`);
    const model = presetModel(about.preset, labels, about.tokens ?? 1)!;
    const dense = denseCost(model);
    const rows = PAPER_RANKS.map((rank) => ({
      rank,
      separate: countAt(model, dense, rank, false),
      fused: countAt(model, dense, rank, true),
    }));
    const { left } = rows.find(({ rank }) => rank === HEADLINE_RANK)!.separate;
    return { ...about, dense, rows, otherMacs: otherMacs(dense, left, about.published.macs) };
  });
}

function countAt(model: Model, dense: Cost, rank: number, fuseQkv: boolean): PaperCount {
  const left = adaptersCost(model, resolveRanks(model.layers, { rank, fuseQkv }));
  const removed = (part: keyof Cost): Removed => ({
    parameters: 1 - left[part].parameters / dense[part].parameters,
    macs: 1 - left[part].macs / dense[part].macs,
  });
  return {
    left,
    removed: { blocks: removed('blocks'), whole: removed('whole') },
    removedBlocksOfWhole: 1 - left.blocks.parameters / dense.whole.parameters,
  };
}

/** x in 1 - (left + x) / (dense + x) = removed. */
function otherMacs(dense: Cost, left: Cost, removed: number): number {
  return (dense.whole.macs - left.whole.macs) / removed - dense.whole.macs;
}

/** `slim train --target-size`: how large the file will be that `slim pack` makes of the run, once it is quantized. */
import type { Compression } from '../../runtime/artifact/manifest.ts';
import { PROBLEMS } from '../../runtime/artifact/problem-type.ts';
import { usageError } from '../io/errors.ts';
import { formatBytes } from '../io/units.ts';
import { isFused, rankedLinears, wordEmbedding } from '../models/layers.ts';
import type { Model } from '../models/model.ts';
import type { Ranks } from '../pclora/allocation.ts';
import { denseCost } from '../pclora/cost.ts';
import { mostRank } from '../pclora/rank.ts';
import type { Budget } from '../pclora/target.ts';
import type { Checkpoint } from '../pretrained/checkpoint.ts';
import { attachmentsOf, quantizedBytes } from '../train/pack-trained.ts';

/** What the artifact will say of the run beside its tensors. */
export interface Recorded {
  readonly source: string;
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly compression: Omit<Compression, 'rank' | 'ranks'>;
  /** Of the data that judges. */
  readonly samples: number;
}

/** What is not known yet is taken to be as long as it gets: a score, and where `slim quantize` writes to. */
const LONGEST_SCORE = -0.12345678901234568;
const LONGEST_OUT = '_'.repeat(128);

/** The flags of a training that `slim quantize` may be given, too, and then records. */
const QUANTIZE_FLAGS = [
  ...['base', 'data', 'labelColumn', 'labelSeparator', 'labels', 'seed', 'skipBad', 'splitSeed', 'task'],
  ...['textColumn', 'textPairColumn', 'validationFraction'],
];

/** The bytes of the int8 artifact by ranks: never fewer than it will have, and more by some hundred at most. */
export function artifactSize(
  { architecture, config, model, preprocessing }: Checkpoint,
  { source, configuration, compression, samples }: Recorded,
): (ranks: Ranks) => number {
  const attachments = attachmentsOf({ preprocessing });
  const dense = denseCost(model);
  const { metric } = PROBLEMS[config.problemType];
  const stages = [
    'teacher',
    ...(configuration.pruneVocabulary === true ? ['pruned-vocabulary'] : []),
    'pc-lora',
    'int8',
  ];
  const given = QUANTIZE_FLAGS.filter((name) => configuration[name] !== undefined);
  const quantize = { ...Object.fromEntries(given.map((name) => [name, configuration[name]])), out: LONGEST_OUT };
  const record = {
    accuracy: stages.map((stage) => ({ stage, [metric]: LONGEST_SCORE, samples })),
    costs: { teacher: dense, model: dense },
    configuration: { ...configuration, quantize },
  };
  return (ranks) => {
    const rank = Math.max(...rankedLinears(model.layers, isFused(ranks)).map(({ name }) => ranks.get(name)!));
    const chosen = { ...compression, rank, ranks: Object.fromEntries(ranks) };
    return quantizedBytes(
      { architecture, config, model, preprocessing, compression: chosen, record, source },
      attachments,
    );
  };
}

/**
 * At most so many bytes of the int8 artifact. Usage error where rank 1 takes more: it says how much that is, and what
 * would make it less.
 * @param others the ranks of layers outside the blocks
 * @param fuseQkv whether query, key and value of a block share A
 * @param pruned the teacher with the words alone that the training texts use; null where that does not apply
 */
export async function sizeBudget(
  teacher: Checkpoint,
  recorded: Recorded,
  bytes: number,
  others: Ranks,
  fuseQkv: boolean,
  pruned: (() => Promise<Checkpoint>) | null,
): Promise<Budget> {
  const sizeOf = artifactSize(teacher, recorded);
  const least = leastRanks(teacher.model, others, fuseQkv);
  const smallest = sizeOf(least);
  if (smallest > bytes)
    throw usageError(
      `--target-size ${formatBytes(bytes)} can't be reached: at rank 1 the int8 artifact takes ${formatBytes(smallest)}`,
      await waysOut(teacher, recorded, bytes, others, fuseQkv, pruned),
    );
  return {
    fits: (ranks) => sizeOf(ranks) <= bytes,
    refusal(ranks) {
      throw new Error(`ranks ${[...ranks.values()]} take more than rank 1`);
    },
  };
}

function leastRanks({ layers }: Pick<Model, 'layers'>, others: Ranks, fuseQkv: boolean): Ranks {
  return new Map([...rankedLinears(layers, fuseQkv).map(({ name }) => [name, 1] as const), ...others]);
}

/** Ranks of word tables that are worth trying, of which the largest that fits is named. */
const EMBEDDING_RANKS = [128, 64, 32, 16, 8];

/** What makes the smallest artifact smaller, and how small: of texts, whose words are most of it. */
async function waysOut(
  teacher: Checkpoint,
  recorded: Recorded,
  bytes: number,
  others: Ranks,
  fuseQkv: boolean,
  pruned: (() => Promise<Checkpoint>) | null,
): Promise<string> {
  const smallestOf = (one: Checkpoint, rank: number | null): number => {
    const table = wordEmbedding(one.model.layers);
    const words: Ranks = rank === null || !table ? others : new Map([...others, [table.name, rank]]);
    return artifactSize(one, recorded)(leastRanks(one.model, words, fuseQkv));
  };
  const factorized = (one: Checkpoint): { readonly flag: string; readonly bytes: number } | null => {
    const table = wordEmbedding(one.model.layers);
    if (!table || others.has(table.name)) return null;
    const sizes = EMBEDDING_RANKS.filter((rank) => rank <= mostRank(table)).map((rank) => ({
      flag: `--embedding-rank ${rank}`,
      bytes: smallestOf(one, rank),
    }));
    return sizes.find((one) => one.bytes <= bytes) ?? sizes.at(-1) ?? null;
  };
  const ways = [factorized(teacher)];
  const fewerWords = await pruned?.();
  if (fewerWords) {
    const both = factorized(fewerWords);
    ways.push({ flag: '--prune-vocabulary', bytes: smallestOf(fewerWords, null) });
    ways.push(both && { flag: `--prune-vocabulary ${both.flag}`, bytes: both.bytes });
  }
  const told = ways.filter((way) => way !== null).map(({ flag, bytes: size }) => `${formatBytes(size)} with ${flag}`);
  return told.length === 0 ? 'Ask for more.' : `At rank 1 it takes ${told.join(', ')}. Or ask for more.`;
}

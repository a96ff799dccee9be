/** The model that a bench is about, and the flags that say which. */
import { type Command, Option } from 'commander';
import { integer, layerRank, required } from '../args.ts';
import { UserError } from '../io/errors.ts';
import type { Model } from '../models/model.ts';
import { BERT_POSITIONS, PRESETS, presetModel } from '../models/presets.ts';
import { resolveRanks } from '../pclora/rank.ts';
import { loadDescription } from '../pretrained/checkpoint.ts';
import { readRunRecord } from '../train/run-directory.ts';

/** What the flags of `addModelOptions` hold. `classes` and `tokens` are for presets; a folder tells its own. */
export interface ModelFlags {
  readonly model?: string;
  readonly classes: number;
  readonly rank: number;
  readonly layerRank?: Readonly<Record<string, number>>;
  readonly embeddingRank?: number;
  readonly forceRank: boolean;
  readonly fuseQkv: boolean;
  readonly tokens: number;
  readonly json: boolean;
}

/** Adds the flags that `modelOf` and `ranksOf` read. Returns the command it was given. */
export function addModelOptions(command: Command): Command {
  return command
    .option('--model <name>', `preset (${PRESETS.join(', ')}) or Hugging Face folder`)
    .addOption(new Option('--classes <n>', "classes of a preset's head").argParser(integer(1, 100_000)).default(10))
    .addOption(new Option('--rank <r>', 'rank of the adapters').argParser(integer(1)).default(32))
    .addOption(
      new Option('--layer-rank <name=r>', 'another rank for one layer or kind; repeatable').argParser(layerRank),
    )
    .addOption(
      new Option('--embedding-rank <r>', "rank of a text model's word table")
        .argParser(integer(1))
        .default(undefined, 'not compressed'),
    )
    .option('--fuse-qkv', 'query, key and value of a block share A')
    .option('--force-rank', 'allow ranks that make a layer larger than it was')
    .addOption(
      new Option('--tokens <n>', 'length of a text, for presets of text models')
        .argParser(integer(1, BERT_POSITIONS))
        .default(128),
    );
}

/** A preset, or the architecture that a folder describes. */
export async function modelOf({ model, classes, tokens }: ModelFlags): Promise<Model> {
  const name = required(model, '--model');
  const preset = presetModel(
    name,
    Array.from({ length: classes }, (_, i) => `class-${i}`),
    tokens,
  );
  if (preset) return preset;
  const { architecture, config } = await loadDescription(name);
  if ((await readRunRecord(name))?.compression)
    throw new UserError(`${name} is compressed already: slim inspect ${name} tells what it costs`);
  return architecture.create(config);
}

/** The rank of every adapted layer. */
export function ranksOf(
  model: Model,
  { rank, layerRank: perLayer, embeddingRank, forceRank: force, fuseQkv }: ModelFlags,
): Map<string, number> {
  return resolveRanks(model.layers, { rank, perLayer, embeddingRank, force, fuseQkv });
}

import type { Command } from 'commander';
import type { Cost } from '../../runtime/artifact/manifest.ts';
import { addResultOptions, createCommand, resolveFlags } from '../args.ts';
import type { Io } from '../io/io.ts';
import { formatMacs, grouped, percent } from '../io/units.ts';
import { adaptersCost, denseCost, fusedQkvBlockParameters, wordEmbeddingCost } from '../pclora/cost.ts';
import { addModelOptions, type ModelFlags, modelOf, ranksOf } from './bench-model.ts';
import { printResult, table } from './result.ts';

type Counts = Cost['whole'];

/** `slim bench cost`, which counts by walking graphs: no weights are read, and no engine is loaded. */
export function costCommand(io: Io): Command {
  const command = createCommand(
    'cost',
    'parameters and MACs, dense and compressed',
    `Counts parameters and multiply-accumulates (1 MAC = 2 FLOPs) of one forward pass by walking the graph: the blocks
alone, as the paper counts, and the whole model, as it ships; of a text model also its word table, which is a part of
the whole. fusedQkv counts query, key and value as one layer with one adapter, which is how the paper's headline comes
about.`,
    [
      'slim bench cost --model vit-b16 --classes 10 --rank 32 --json',
      'slim bench cost --model bert-base --rank 32 --tokens 512',
      'slim bench cost --model bert-base --rank 32 --embedding-rank 64',
    ],
  );
  addResultOptions(addModelOptions(command));
  return command.action(async () => {
    const flags = await resolveFlags<ModelFlags>(command);
    const model = await modelOf(flags);
    const ranks = ranksOf(model, flags);
    const dense = denseCost(model);
    const compressed = adaptersCost(model, ranks);
    const fused = fusedQkvBlockParameters(model, ranks);
    const words = wordEmbeddingCost(model, ranks);
    const removed = (part: 'blocks' | 'whole', unit: 'parameters' | 'macs'): number =>
      removedOf(dense[part], compressed[part], unit);
    const result = {
      model: flags.model,
      rank: flags.rank,
      embeddingRank: flags.embeddingRank ?? null,
      dense,
      compressed,
      removed: {
        blocks: { parameters: removed('blocks', 'parameters'), macs: removed('blocks', 'macs') },
        whole: { parameters: removed('whole', 'parameters'), macs: removed('whole', 'macs') },
      },
      /** A part of the whole; null where the model reads no words. */
      wordEmbedding: words && {
        ...words,
        removed: { parameters: removedOf(words.dense, words.compressed, 'parameters') },
      },
      fusedQkv: { blockParameters: fused, removedOfWhole: 1 - fused / dense.whole.parameters },
    };
    const rows = [
      row('blocks', dense.blocks, compressed.blocks),
      ...(words
        ? [row(flags.embeddingRank ? `words, r = ${flags.embeddingRank}` : 'words', words.dense, words.compressed)]
        : []),
      row('whole', dense.whole, compressed.whole),
    ];
    const text = [
      table([['', 'parameters', `r = ${flags.rank}`, '', 'MACs', `r = ${flags.rank}`, ''], ...rows]),
      '',
      'as the paper counts (query, key, value as one layer; blocks left of the whole model): ' +
        `${grouped(fused)}, -${percent(result.fusedQkv.removedOfWhole)}`,
    ];
    printResult(io, flags.json, result, text.join('\n'));
  });
}

function removedOf(dense: Counts, compressed: Counts, unit: keyof Counts): number {
  return 1 - compressed[unit] / dense[unit];
}

/** A line of the table; a share only where something fell away. */
function row(name: string, dense: Counts, compressed: Counts): string[] {
  const share = (unit: keyof Counts): string =>
    compressed[unit] < dense[unit] ? `-${percent(removedOf(dense, compressed, unit))}` : '';
  return [
    name,
    grouped(dense.parameters),
    grouped(compressed.parameters),
    share('parameters'),
    formatMacs(dense.macs),
    formatMacs(compressed.macs),
    share('macs'),
  ];
}

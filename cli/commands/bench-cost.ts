import type { Command } from 'commander';
import { addResultOptions, createCommand, resolveFlags } from '../args.ts';
import type { Io } from '../io/io.ts';
import { adaptersCost, denseCost, fusedQkvBlockParameters } from '../pclora/cost.ts';
import { addModelOptions, modelOf, ranksOf, type ModelFlags } from './bench-model.ts';
import { formatMacs, grouped, percent, printResult, table } from './result.ts';

export function costCommand(io: Io): Command {
  const command = createCommand(
    'cost',
    'parameters and MACs, dense and compressed',
    `Counts parameters and multiply-accumulates (1 MAC = 2 FLOPs) of one forward pass by walking the graph: the blocks alone, as the paper counts,
and the whole model, as it ships. fusedQkv counts query, key and value as one layer with one adapter, which is how the paper's headline comes about.`,
    ['slim bench cost --model vit-b16 --classes 10 --rank 32 --json', 'slim bench cost --model bert-base --rank 32 --tokens 512'],
  );
  addResultOptions(addModelOptions(command));
  return command.action(async () => {
    const flags = await resolveFlags<ModelFlags>(command);
    const model = await modelOf(flags);
    const ranks = ranksOf(model, flags);
    const dense = denseCost(model);
    const compressed = adaptersCost(model, ranks);
    const fused = fusedQkvBlockParameters(model, ranks);
    const removed = (part: 'blocks' | 'whole', unit: 'parameters' | 'macs'): number => 1 - compressed[part][unit] / dense[part][unit];
    const result = {
      model: flags.model,
      rank: flags.rank,
      dense,
      compressed,
      removed: {
        blocks: { parameters: removed('blocks', 'parameters'), macs: removed('blocks', 'macs') },
        whole: { parameters: removed('whole', 'parameters'), macs: removed('whole', 'macs') },
      },
      fusedQkv: { blockParameters: fused, removedOfWhole: 1 - fused / dense.whole.parameters },
    };
    const rows = (['blocks', 'whole'] as const).map((part) => [
      part,
      grouped(dense[part].parameters),
      grouped(compressed[part].parameters),
      `-${percent(removed(part, 'parameters'))}`,
      formatMacs(dense[part].macs),
      formatMacs(compressed[part].macs),
      `-${percent(removed(part, 'macs'))}`,
    ]);
    const text = [
      table([['', 'parameters', `r = ${flags.rank}`, '', 'MACs', `r = ${flags.rank}`, ''], ...rows]),
      '',
      `as the paper counts (query, key, value as one layer; blocks left of the whole model): ${grouped(fused)}, -${percent(result.fusedQkv.removedOfWhole)}`,
    ];
    printResult(io, flags.json, result, text.join('\n'));
  });
}

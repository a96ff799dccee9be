import { Option, type Command } from 'commander';
import { addEngineOptions, addResultOptions, createCommand, integer, layerRank, required, resolveFlags } from '../args.ts';
import { adaptersCost, denseCost, fusedQkvBlockParameters } from '../pclora/cost.ts';
import { benchTrainStep } from '../bench/train-step.ts';
import { createEngine, type EngineChoice } from '../engines/create.ts';
import { UserError } from '../io/errors.ts';
import { createProgress } from '../io/progress.ts';
import { throwIfInterrupted, type Io } from '../io/io.ts';
import type { Model } from '../models/model.ts';
import { isPreset, presetConfig, PRESETS } from '../models/presets.ts';
import { createVit } from '../models/vit.ts';
import { INITS, type Init } from '../pclora/linear.ts';
import { resolveRanks } from '../pclora/rank.ts';
import { loadDescription } from '../pretrained/checkpoint.ts';
import { readRunRecord } from '../train/run-directory.ts';
import { formatBytes, formatMacs, grouped, percent, printResult, table } from './result.ts';

interface ModelFlags {
  readonly model?: string;
  readonly classes: number;
  readonly rank: number;
  readonly layerRank?: Readonly<Record<string, number>>;
  readonly forceRank: boolean;
  readonly json: boolean;
}

interface TrainStepFlags extends ModelFlags, EngineChoice {
  readonly batchSize: number;
  readonly steps: number;
  readonly init: Init;
  readonly packWeights?: boolean;
}

export function benchCommand(io: Io): Command {
  const command = createCommand('bench', 'what a model costs and what compression saves', 'Counts and timings. Counts are exact; timings are medians of one run on this machine.', [
    'slim bench cost --model vit-b16 --classes 10 --rank 32',
    'slim bench train-step --model vit-b16 --rank 32 --batch-size 4',
  ]);
  return command.addCommand(costCommand(io)).addCommand(trainStepCommand(io));
}

function addModelOptions(command: Command): Command {
  return command
    .option('--model <name>', `preset (${PRESETS.join(', ')}) or Hugging Face folder`)
    .addOption(new Option('--classes <n>', "classes of a preset's head").argParser(integer(1, 100_000)).default(10))
    .addOption(new Option('--rank <r>', 'rank of the adapters').argParser(integer(1)).default(32))
    .addOption(new Option('--layer-rank <name=r>', 'another rank for one layer or kind; repeatable').argParser(layerRank))
    .option('--force-rank', 'allow ranks that make a layer larger than it was');
}

/** A preset, or the architecture that a folder describes. */
async function modelOf({ model, classes }: ModelFlags): Promise<Model> {
  const name = required(model, '--model');
  if (isPreset(name)) return createVit(presetConfig(name, Array.from({ length: classes }, (_, i) => `class-${i}`)));
  const { architecture, config } = await loadDescription(name);
  if ((await readRunRecord(name))?.compression) throw new UserError(`${name} is compressed already: slim inspect ${name} tells what it costs`);
  return architecture.create(config);
}

function ranksOf(model: Model, { rank, layerRank: perLayer, forceRank: force }: ModelFlags): Map<string, number> {
  return resolveRanks(model.layers, { rank, perLayer, force });
}

function costCommand(io: Io): Command {
  const command = createCommand(
    'cost',
    'parameters and MACs, dense and compressed',
    `Counts parameters and multiply-accumulates (1 MAC = 2 FLOPs) of one forward pass by walking the graph: the blocks alone, as the paper counts,
and the whole model, as it ships. fusedQkv counts query, key and value as one layer with one adapter, which is how the paper's headline comes about.`,
    ['slim bench cost --model vit-b16 --classes 10 --rank 32 --json'],
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

function trainStepCommand(io: Io): Command {
  const command = createCommand(
    'train-step',
    'milliseconds and memory of a PC-LoRA training step',
    'Runs whole training steps (both forward passes, losses, gradients, clipping, AdamW) on random weights: with λ > 0, and at λ = 0.',
    ['slim bench train-step --model vit-b16 --rank 32 --batch-size 4 --json'],
  )
    .addOption(new Option('--batch-size <n>', 'samples a step').argParser(integer(1, 65536)).default(4))
    .addOption(new Option('--steps <n>', 'timed steps per phase').argParser(integer(1, 10_000)).default(10))
    .addOption(new Option('--init <how>', 'svd adds a frozen low-rank path while λ > 0').choices(INITS).default('paper'))
    .option('--pack-weights', 'for comparison: W inside the programs, packed ahead of time, with copies of it in memory');
  addResultOptions(addEngineOptions(addModelOptions(command)));
  return command.action(async () => {
    const flags = await resolveFlags<TrainStepFlags>(command);
    const model = await modelOf(flags);
    const adapters = { init: flags.init, ranks: ranksOf(model, flags), scaling: 1 };
    const engine = await createEngine(flags);
    const progress = createProgress(io.stderr, 'step');
    const { fading, adapters: adaptersOnly, trainedParameters } = await benchTrainStep(engine, {
      model,
      adapters,
      batch: flags.batchSize,
      steps: flags.steps,
      packWeights: flags.packWeights ?? false,
      onStep: (done, total) => {
        throwIfInterrupted(io.signal);
        progress.update(done, total, engine.description);
      },
    });
    progress.end();
    const peakRssBytes = process.resourceUsage().maxRSS * 1024;
    const result = {
      model: flags.model,
      engine: engine.description,
      rank: flags.rank,
      batchSize: flags.batchSize,
      packedWeights: flags.packWeights ?? false,
      trainedParameters,
      /** λ > 0 */
      msPerStep: fading.medianMs,
      /** λ = 0 */
      msPerStepAdaptersOnly: adaptersOnly.medianMs,
      ratio: adaptersOnly.medianMs / fading.medianMs,
      peakRssBytes,
      phases: { fading, adaptersOnly },
    };
    const row = (name: string, { medianMs, p95Ms, minMs, compileMs }: typeof fading): string[] => [name, ...[medianMs, p95Ms, minMs, compileMs].map((ms) => ms.toFixed(0))];
    const text = [
      `${flags.model}, rank ${flags.rank}, batch ${flags.batchSize}, on ${engine.description}`,
      table([['ms', 'median', 'p95', 'min', 'compile'], row('λ > 0', fading), row('λ = 0', adaptersOnly)]),
      `λ = 0 takes ${percent(result.ratio, 0)} of λ > 0; peak memory ${formatBytes(peakRssBytes)}`,
    ];
    printResult(io, flags.json, result, text.join('\n'));
  });
}

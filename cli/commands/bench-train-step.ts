import { type Command, Option } from 'commander';
import { addEngineOptions, addResultOptions, createCommand, integer, resolveFlags } from '../args.ts';
import { benchTrainStep, type PhaseTiming } from '../bench/train-step.ts';
import { createEngine, type EngineChoice } from '../engines/create.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { formatBytes, percent } from '../io/units.ts';
import { INITS, type Init } from '../pclora/linear.ts';
import { withinMemory } from '../train/memory.ts';
import { addModelOptions, type ModelFlags, modelOf, ranksOf } from './bench-model.ts';
import { printResult, table } from './result.ts';
import { expectEvenBatch } from './training.ts';

interface TrainStepFlags extends ModelFlags, EngineChoice {
  readonly batchSize: number;
  readonly steps: number;
  readonly init: Init;
  readonly packWeights?: boolean;
}

/** `slim bench train-step`. */
export function trainStepCommand(io: Io): Command {
  const command = createCommand(
    'train-step',
    'milliseconds and memory of a PC-LoRA training step',
    `Runs whole training steps (both forward passes, losses, gradients, clipping, AdamW) on random weights: with λ > 0,
and at λ = 0. As in a run, the device has the next steps before the losses of the last are read.`,
    ['slim bench train-step --model vit-b16 --rank 32 --batch-size 4 --json'],
  )
    .addOption(new Option('--batch-size <n>', 'samples a step').argParser(integer(1, 65536)).default(4))
    .addOption(new Option('--steps <n>', 'timed steps per phase').argParser(integer(1, 10_000)).default(10))
    .addOption(
      new Option('--init <how>', 'svd adds a frozen low-rank path while λ > 0').choices(INITS).default('paper'),
    )
    .option(
      '--pack-weights',
      'for comparison: W inside the programs, packed ahead of time, with copies of it in memory',
    );
  addResultOptions(addEngineOptions(addModelOptions(command)));
  return command.action(async () => {
    const flags = await resolveFlags<TrainStepFlags>(command);
    expectEvenBatch(flags);
    const model = await modelOf(flags);
    const adapters = { init: flags.init, ranks: ranksOf(model, flags), scaling: 1 };
    const engine = await createEngine(flags, io);
    const progress = createProgress(io.stderr, 'step');
    const {
      fading,
      adapters: adaptersOnly,
      trainedParameters,
    } = await withinMemory(engine, `training with --batch-size ${flags.batchSize}`, 'Lower --batch-size.', () =>
      benchTrainStep(engine, {
        model,
        adapters,
        batch: flags.batchSize,
        steps: flags.steps,
        packWeights: flags.packWeights ?? false,
        onStep: (phase, done, total) => {
          throwIfInterrupted(io.signal);
          // Of both phases; what lies between them is compiling the second.
          const before = phase === 'fading' ? 0 : total;
          const next = phase === 'fading' && done === total ? '; compiling λ = 0' : '';
          progress.update(
            before + done,
            2 * total,
            `λ ${phase === 'fading' ? '>' : '='} 0, on ${engine.description}${next}`,
          );
        },
      }),
    );
    progress.end();
    const peakRssBytes = process.resourceUsage().maxRSS * 1024;
    const peakDeviceBytes = engine.memoryUse?.()?.peakBytes ?? null;
    const result = {
      model: flags.model,
      engine: engine.description,
      precision: engine.precision,
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
      peakDeviceBytes,
      phases: { fading, adaptersOnly },
    };
    const row = (name: string, { medianMs, p95Ms, minMs, compileMs, samplesPerSecond }: PhaseTiming): string[] => [
      name,
      ...[medianMs, p95Ms, minMs].map((ms) => ms.toFixed(ms < 100 ? 1 : 0)),
      compileMs.toFixed(0),
      samplesPerSecond.toFixed(samplesPerSecond < 100 ? 1 : 0),
    ];
    const text = [
      `${flags.model}, rank ${flags.rank}, batch ${flags.batchSize}, on ${engine.description}`,
      table([['ms', 'median', 'p95', 'min', 'compile', 'samples/s'], row('λ > 0', fading), row('λ = 0', adaptersOnly)]),
      `λ = 0 takes ${percent(result.ratio, 0)} of λ > 0; peak memory ${formatBytes(peakRssBytes)}${
        peakDeviceBytes === null ? '' : `, of the device ${formatBytes(peakDeviceBytes)}`
      }`,
    ];
    printResult(io, flags.json, result, text.join('\n'));
  });
}

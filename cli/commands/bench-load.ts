import { type Command, Option } from 'commander';
import { addResultOptions, createCommand, integer, resolveFlags } from '../args.ts';
import { benchLoad, type LoadTimes } from '../bench/load.ts';
import { packVariant } from '../bench/slim-engine.ts';
import { summarize } from '../bench/summary.ts';
import { lowRankVariant } from '../bench/variant.ts';
import { type Io, throwIfInterrupted } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { formatBytes } from '../io/units.ts';
import { addModelOptions, type ModelFlags, modelOf, ranksOf } from './bench-model.ts';
import { printResult, table } from './result.ts';

interface LoadFlags extends ModelFlags {
  readonly processes: number;
  readonly seed: number;
}

/** `slim bench load`: every figure is over new processes. */
export function loadCommand(io: Io): Command {
  const command = createCommand(
    'load',
    'milliseconds and memory from the bytes of an artifact to its first answer',
    `Packs a low-rank int8 model with random weights and loads it in new processes, one after the other: reading and
checking, making the engine, the first answer. Starting Node and reading the artifact's file are not counted.`,
    ['slim bench load --model vit-b16 --rank 32 --json'],
  ).addOption(new Option('--processes <n>', 'how many times').argParser(integer(1, 1000)).default(10));
  addResultOptions(addModelOptions(command));
  return command.action(async () => {
    const flags = await resolveFlags<LoadFlags>(command);
    const model = await modelOf(flags);
    const artifact = await packVariant(lowRankVariant(model, ranksOf(model, flags), flags.seed), 'int8');
    const progress = createProgress(io.stderr, 'process');
    const times = await benchLoad(artifact, flags.processes, io.signal, (done, total) => {
      throwIfInterrupted(io.signal);
      progress.update(done, total, flags.model ?? '');
    });
    progress.end();
    const summary = (of: keyof LoadTimes): ReturnType<typeof summarize> => summarize(times.map((one) => one[of]));
    const parts = {
      read: summary('readMs'),
      engine: summary('engineMs'),
      first: summary('firstMs'),
      loadAndFirst: summary('loadAndFirstMs'),
      second: summary('secondMs'),
    };
    const [memoryBytes, residentBytes] = (['memoryBytes', 'residentBytes'] as const).map((of) =>
      Math.round(summary(of).medianMs),
    );
    const result = {
      model: flags.model,
      rank: flags.rank,
      processes: flags.processes,
      node: process.version,
      bytes: artifact.length,
      ...parts,
      memoryBytes,
      residentBytes,
      linearMemoryBytes: times[0].linearMemoryBytes,
    };
    const row = (name: string, { medianMs, p95Ms, minMs }: ReturnType<typeof summarize>): string[] => [
      name,
      ...[medianMs, p95Ms, minMs].map((ms) => ms.toFixed(1)),
    ];
    const text = [
      `${flags.model}, rank ${flags.rank}, ${formatBytes(artifact.length)}, ` +
        `${flags.processes} processes, Node ${process.version}`,
      table([
        ['ms', 'median', 'p95', 'min'],
        row('read and check', parts.read),
        row('make the engine', parts.engine),
        row('first answer', parts.first),
        row('all three', parts.loadAndFirst),
        row('second answer', parts.second),
      ]),
      `memory: ${formatBytes(memoryBytes)}, of which the engine's own ${formatBytes(times[0].linearMemoryBytes)}; ` +
        `the process grows by ${formatBytes(residentBytes)}`,
    ];
    printResult(io, flags.json, result, text.join('\n'));
  });
}

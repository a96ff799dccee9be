import { type Command, InvalidArgumentError, Option } from 'commander';
import { addEngineOptions, addResultOptions, createCommand, integer, required, resolveFlags } from '../args.ts';
import { WEIGHTS, type Weights } from '../compress/quantize.ts';
import { Interrupted, UserError } from '../io/errors.ts';
import type { Io } from '../io/io.ts';
import { createProgress } from '../io/progress.ts';
import { formatBytes, formatMacs, grouped } from '../io/units.ts';
import { counted, someOf } from '../io/words.ts';
import { planOf } from '../sweep/plan.ts';
import { COSTS, type CostName, frontOf, type SweepRow } from '../sweep/rows.ts';
import { runSweep, type SweepResult } from '../sweep/sweep.ts';
import { metricName, scoreValue } from '../train/score.ts';
import { VERSION } from '../version.ts';
import { printResult, table } from './result.ts';
import { type GridFlags, givenFlags, plannedRuns } from './sweep-runs.ts';
import { addTrainOptions } from './train-flags.ts';

interface SweepFlags extends GridFlags {
  readonly out?: string;
  readonly resume: boolean;
  readonly json: boolean;
  readonly jobs: number;
  readonly budget?: number;
  readonly quantize?: Weights;
  readonly latency: boolean;
}

/** `slim sweep`: many runs of `slim train`, as processes of their own. */
export function sweepCommand(io: Io): Command {
  const command = createCommand(
    'sweep',
    'many runs of slim train beside each other, and what is best',
    `Runs slim train with every combination of the values that are given as lists, and prints a table of what came out,
with the runs that no other beats. All flags of slim train may be given, too, and are the same in all runs.

DIR/sweep.json lists the runs, DIR/rows.jsonl has a row for each that is done. Interrupted, killed or out of time, the
same command with --resume goes on, each run from its checkpoint, and ends with the same rows. A run that fails is told,
the others go on, and the exit code is 1.`,
    [
      'slim sweep --model runs/teacher --data pets/ --ranks 8,16,32 --seeds 1,2,3 --out sweeps/ranks',
      'slim sweep --model runs/teacher --data pets/ --rank 16 --methods pclora,svd --set learningRate=1e-3,2e-3 ' +
        '--quantize int8 --budget 2h --out sweeps/rates',
      'slim sweep --model runs/reviews --data reviews.csv --grid grid.json --cache-teacher cache/ --jobs 2 ' +
        '--threads 4 --out sweeps/reviews',
    ],
  )
    .optionsGroup('Sweep:')
    .option('--out <dir>', 'folder of the sweep')
    .option('--ranks <list>', '--rank of the runs, with commas between')
    .option('--methods <list>', '--method of the runs')
    .option('--schedules <list>', '--schedule of the runs; methods without λ run once')
    .option('--seeds <list>', '--seed of the runs; the first one with all else before the second')
    .option(
      '--set <flag=list>',
      'any other flag of slim train with its values, named as in --config: learningRate=1e-3,2e-3; repeatable',
      (text: string, known: readonly string[]) => [...known, text],
      [],
    )
    .option('--grid <file>', 'the same as JSON, {"rank": [8, 16]}, or a list of such objects, whose runs are added up')
    .addOption(
      new Option('--jobs <n>', 'runs at a time; say with --threads how they share the processors')
        .argParser(integer(1, 256))
        .default(1),
    )
    .addOption(
      new Option('--budget <time>', 'begin no run after so long, such as 90m or 2h')
        .argParser(duration)
        .default(undefined, 'none'),
    )
    .addOption(
      new Option('--quantize <type>', 'quantize each run, too, and tell its accuracy and size')
        .choices(WEIGHTS)
        .default(undefined, 'off'),
    )
    .option('--no-latency', 'leave out how long a sample takes, which is measured after all runs');
  for (const add of [addTrainOptions, addEngineOptions, addResultOptions]) add(command);
  return command.action(async () => {
    const flags = await resolveFlags<SweepFlags>(command);
    const folder = required(flags.out, '--out');
    const result = await sweep(folder, flags, command, io);
    printResult(io, flags.json, { out: folder, ...result }, textOf(result));
    const { failed } = result;
    if (failed.length > 0)
      throw new UserError(
        `${counted(failed.length, 'run')} failed: ${someOf(failed.map(({ name }) => name))}`,
        `${folder}/logs/ has what each of them said; --resume tries them again.`,
      );
  });
}

async function sweep(folder: string, flags: SweepFlags, command: Command, io: Io): Promise<SweepResult> {
  const { quantize = null, jobs, budget = Infinity, latency } = flags;
  const runs = await plannedRuns(givenFlags(command), flags);
  const progress = createProgress(io.stderr, 'run');
  if (jobs > 1 && !command.opts().threads)
    progress.line(`note: ${jobs} runs at a time each take all processors: --threads shares them.`);
  const asked = runs && planOf(VERSION, quantize, runs);
  let total = runs?.length ?? 0;
  const result = await runSweep(folder, asked, flags.resume, {
    jobs,
    budgetMs: budget,
    latency,
    signal: io.signal,
    onBegin: (count) => {
      total = count;
    },
    onProgress: (over, lines) => progress.update(over, total, lines),
    onRun: progress.line,
  })
    .catch((error: unknown) => {
      if (!(error instanceof Interrupted)) throw error;
      throw new Interrupted('interrupted: the same command with --resume goes on');
    })
    .finally(progress.end);
  if (result.notBegun.length > 0)
    progress.line(`note: --budget left no time for ${counted(result.notBegun.length, 'run')}: --resume goes on`);
  return result;
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of `90m`, `2h`, `1h30m` or `45s`. */
function duration(text: string): number {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)([smh])/g)];
  const ms = parts.reduce((sum, [, digits, unit]) => sum + Number(digits) * UNITS[unit as keyof typeof UNITS], 0);
  if (parts.map(([part]) => part).join('') !== text.trim() || !(ms > 0))
    throw new InvalidArgumentError('Expected a time, such as 90m, 2h or 1h30m.');
  return ms;
}

const COST_LETTERS: Readonly<Record<CostName, string>> = { parameters: 'P', bytes: 'B', macs: 'M' };

/** A table, with a letter for each cost at which no other run is better. */
function textOf({ rows, failed, notBegun }: SweepResult): string {
  if (rows.length === 0) return `no run is done (${failed.length} failed, ${notBegun.length} not begun)`;
  const fronts = COSTS.map((cost) => [COST_LETTERS[cost], new Set(frontOf(rows, cost))] as const);
  const quantized = rows[0].quantized?.weights;
  const header = [
    '',
    metricName(rows[0]),
    'parameters',
    'MACs',
    'bytes',
    'latency',
    ...(quantized === undefined ? [] : [quantized, 'bytes', 'latency']),
    'seconds',
    'best',
  ];
  const cells = rows.map((row) => [
    row.name,
    scoreValue(row),
    grouped(row.parameters),
    formatMacs(row.macs),
    formatBytes(row.bytes),
    milliseconds(row.latencyMs),
    ...(row.quantized === null
      ? []
      : [scoreValue(row.quantized), formatBytes(row.quantized.bytes), milliseconds(row.quantized.latencyMs)]),
    row.seconds.toFixed(0),
    fronts.flatMap(([letter, front]) => (front.has(row) ? [letter] : [])).join('') || '-',
  ]);
  const told = `best: no other run is as good with as few parameters (P), bytes (B), or multiply-accumulates (M)`;
  return [table([header, ...cells]), '', told].join('\n');
}

function milliseconds(ms: SweepRow['latencyMs']): string {
  return ms === null ? '-' : `${ms.toFixed(2)} ms`;
}

import type { Command } from 'commander';
import { createCommand } from '../args.ts';
import type { Io } from '../io/io.ts';
import { agreementCommand } from './bench-agreement.ts';
import { compareCommand } from './bench-compare.ts';
import { costCommand } from './bench-cost.ts';
import { inputCommand } from './bench-input.ts';
import { latencyCommand } from './bench-latency.ts';
import { loadCommand } from './bench-load.ts';
import { paperCommand } from './bench-paper.ts';
import { serveBenchCommand } from './bench-serve.ts';
import { trainStepCommand } from './bench-train-step.ts';

/** `slim bench`, the command whose subcommands these are. */
export function benchCommand(io: Io): Command {
  const command = createCommand(
    'bench',
    'what a model costs and what compression saves',
    'Counts and timings. Counts are exact; timings are medians of one run on this machine.',
    [
      'slim bench cost --model vit-b16 --classes 10 --rank 32',
      'slim bench paper',
      'slim bench latency --model vit-b16 --rank 32 --threads 1',
      'slim bench load --model vit-b16 --rank 32',
      'slim bench serve model.slim --connections 10',
      'slim bench compare model.slim --data pets/',
      'slim bench agreement --model runs/small --data pets/',
      'slim bench train-step --model vit-b16 --rank 32 --batch-size 4',
      'slim bench input --data pets/ --cache cache/',
    ],
  );
  return command
    .addCommand(costCommand(io))
    .addCommand(paperCommand(io))
    .addCommand(latencyCommand(io))
    .addCommand(loadCommand(io))
    .addCommand(serveBenchCommand(io))
    .addCommand(compareCommand(io))
    .addCommand(agreementCommand(io))
    .addCommand(trainStepCommand(io))
    .addCommand(inputCommand(io));
}

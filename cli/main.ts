/** The command line: parses, runs a command, turns what it throws into one line, a hint and an exit code. */
import { Command, CommanderError } from 'commander';
import { ArtifactError } from '../runtime/artifact/errors.ts';
import { PreprocessError } from '../runtime/preprocess/error.ts';
import { benchCommand } from './commands/bench.ts';
import { demoCommand } from './commands/demo.ts';
import { evaluateCommand } from './commands/evaluate.ts';
import { finetuneCommand } from './commands/finetune.ts';
import { inspectCommand } from './commands/inspect.ts';
import { packCommand } from './commands/pack.ts';
import { predictCommand } from './commands/predict.ts';
import { quantizeCommand } from './commands/quantize.ts';
import { serveCommand } from './commands/serve.ts';
import { trainCommand } from './commands/train.ts';
import { Interrupted, messageOf, UserError } from './io/errors.ts';
import type { Io } from './io/io.ts';
import { VERSION } from './version.ts';

const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

const DESCRIPTION = `Turns a pre-trained transformer into a small one that runs anywhere.

  slim finetune --model DIR --data DIR --out runs/teacher     fine-tune a checkpoint on your data
  slim train    --model runs/teacher --data DIR --rank 32 --out runs/small     compress it with PC-LoRA
  slim quantize runs/small --out runs/int8     int8 weights
  slim pack     runs/int8 --out model.slim     one file
  slim serve    model.slim --port 8080     answer HTTP requests

Try it without data: slim demo`;

const EPILOGUE = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. Results go to stdout, progress to stderr.`;

/** Runs the command line and returns the exit code. Never throws. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  const program = new Command('slim').description(DESCRIPTION).version(VERSION).addHelpText('after', EPILOGUE);
  const commands = [finetuneCommand, trainCommand, evaluateCommand, quantizeCommand, packCommand, inspectCommand, predictCommand, serveCommand, benchCommand, demoCommand];
  for (const command of commands) program.addCommand(command(io));
  strict(program, io);
  try {
    if (args.length === 0) program.help();
    await program.parseAsync(args, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    return report(error, io);
  }
}

function strict(command: Command, io: Io): void {
  command
    .exitOverride()
    .allowExcessArguments(false)
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(text),
    });
  for (const sub of command.commands) strict(sub, io);
}

function report(error: unknown, io: Io): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof Interrupted) {
    io.stderr.write(`${error.message}\n`);
    return EXIT.interrupted;
  }
  if (error instanceof UserError) {
    io.stderr.write(`error: ${error.message}\n${error.hint ? `hint: ${error.hint}\n` : ''}`);
    return error.exitCode;
  }
  if (error instanceof ArtifactError || error instanceof PreprocessError) {
    io.stderr.write(`error: ${error.message}\n`);
    return EXIT.failed;
  }
  // A mistake of ours: still one line, and the way to the rest.
  io.stderr.write(`error: ${messageOf(error)}\nhint: This is a bug in slim. Set SLIM_DEBUG=1 to see where.\n`);
  if (process.env.SLIM_DEBUG && error instanceof Error) io.stderr.write(`${error.stack}\n`);
  return EXIT.failed;
}

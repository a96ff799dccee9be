/** The command line: parses, runs a command, turns what it throws into one line, a hint and an exit code. */
import { Command, CommanderError } from 'commander';
import { ArtifactError } from '../runtime/artifact/errors.ts';
import { PreprocessError } from '../runtime/preprocess/error.ts';
import { optionDescription } from './args.ts';
import { benchCommand } from './commands/bench.ts';
import { demoCommand } from './commands/demo.ts';
import { deployCommand } from './commands/deploy.ts';
import { devicesCommand } from './commands/devices.ts';
import { evaluateCommand } from './commands/evaluate.ts';
import { exportCommand } from './commands/export.ts';
import { finetuneCommand } from './commands/finetune.ts';
import { inspectCommand } from './commands/inspect.ts';
import { packCommand } from './commands/pack.ts';
import { predictCommand } from './commands/predict.ts';
import { quantizeCommand } from './commands/quantize.ts';
import { reportCommand } from './commands/report.ts';
import { serveCommand } from './commands/serve.ts';
import { setupCommand } from './commands/setup.ts';
import { sweepCommand } from './commands/sweep.ts';
import { trainCommand } from './commands/train.ts';
import { Interrupted, messageOf, UserError } from './io/errors.ts';
import type { Io } from './io/io.ts';
import { printable } from './io/printable.ts';
import { VERSION } from './version.ts';

/** Exit codes: done; failed; wrong usage; stopped by a signal, as shells count SIGINT. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

const DESCRIPTION = `Turns a pre-trained transformer into a small one that runs anywhere.

  slim finetune --model MODEL --data DATA --out runs/teacher
  slim train    --model runs/teacher --data DATA --rank 32 --out runs/small
  slim quantize runs/small --out runs/int8
  slim pack     runs/int8 --out model.slim
  slim predict  model.slim cat.jpg
  slim serve    model.slim --port 8080
  slim deploy   model.slim --to lambda --name cats

MODEL is a Hugging Face folder or name, or a preset; DATA a folder of pictures,
or texts as .jsonl, .csv, .tsv, .parquet or folders of .txt. Without data: slim demo`;

const EPILOGUE = `
slim help COMMAND tells more. Results go to stdout, progress to stderr.
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.`;

/** Runs the command line and returns the exit code. Never throws. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  const program = createProgram(io);
  try {
    if (args.length === 0) program.help();
    await program.parseAsync(args, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    return reportError(error, io);
  }
}

/** All commands with their flags. What is wrong with a line that it parses, it throws as CommanderError. */
export function createProgram(io: Io): Command {
  const program = new Command('slim').description(DESCRIPTION).version(VERSION).addHelpText('after', EPILOGUE);
  const commands = [
    finetuneCommand,
    trainCommand,
    sweepCommand,
    evaluateCommand,
    quantizeCommand,
    packCommand,
    exportCommand,
    inspectCommand,
    reportCommand,
    predictCommand,
    serveCommand,
    deployCommand,
    benchCommand,
    demoCommand,
    setupCommand,
    devicesCommand,
  ];
  for (const command of commands) program.addCommand(command(io));
  strict(program, io);
  return program;
}

function strict(command: Command, io: Io): void {
  command
    .exitOverride()
    .allowExcessArguments(false)
    .showSuggestionAfterError()
    .configureHelp({ optionDescription })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(withHint(text, command)),
    });
  for (const sub of command.commands) strict(sub, io);
}

/** commander's suggestion as a hint; where it has none, the way to the help. */
function withHint(text: string, command: Command): string {
  const [message, suggestion] = text.trimEnd().split('\n');
  const path = command.parent ? `${command.parent.parent ? `${command.parent.name()} ` : ''}${command.name()} ` : '';
  return `${message}\nhint: ${suggestion?.replace(/^\((.*)\)$/, '$1') ?? `See slim ${path}--help.`}\n`;
}

/** Tells the user of an error, and returns the exit code. */
export function reportError(error: unknown, io: Pick<Io, 'stderr'>): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof Interrupted) {
    io.stderr.write(`${error.message}\n`);
    return EXIT.interrupted;
  }
  const hint = hintOf(error);
  io.stderr.write(`error: ${oneLine(messageOf(error))}\n${hint === '' ? '' : `hint: ${oneLine(hint)}\n`}`);
  if (process.env.SLIM_DEBUG && error instanceof Error) io.stderr.write(`${error.stack}\n`);
  return error instanceof UserError ? error.exitCode : EXIT.failed;
}

function hintOf(error: unknown): string {
  if (error instanceof UserError) return error.hint;
  // What the system refuses speaks for itself, and so do errors about a file's contents. The rest is a mistake of ours.
  const explained =
    error instanceof ArtifactError ||
    error instanceof PreprocessError ||
    (error instanceof Error && 'syscall' in error);
  return explained ? '' : 'This is a bug in slim. Set SLIM_DEBUG=1 to see where.';
}

/** Names of strangers may be megabytes long. */
const MAX_LINE = 2000;

function oneLine(text: string): string {
  const line = printable(text.trim().replace(/\s*\n\s*/g, ' '));
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}...` : line;
}

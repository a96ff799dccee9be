/** The commands that made a run, from the configuration that it keeps. */
import type { Command } from 'commander';
import { wordsOf } from '../args.ts';
import { fades } from '../pclora/method.ts';
import { FADING_FLAGS } from '../pclora/recipe.ts';
import { configured, methodIn, type Subject } from '../report/subject.ts';

type Configuration = Readonly<Record<string, unknown>>;

/**
 * In their order: `slim train ...`, then `slim quantize ...`. Empty where nothing is recorded. `program` is the command
 * line, which knows flags and defaults.
 */
export function commandsOf(subject: Subject, program: Command): string[] {
  const named = (name: string): Command => program.commands.find((command) => command.name() === name)!;
  const { configuration, record, kind, path } = subject;
  const out = configured(subject, 'out');
  if (out === null || configured(subject, 'model') === null) return [];
  const isStudent = subject.compression !== null || configuration.method === 'lora';
  const lines = [commandLine(named(isStudent ? 'train' : 'finetune'), flagsOf(subject))];
  const { quantize } = configuration;
  const isQuantized = record?.kind === 'quantize' || kind === 'artifact';
  if (isQuantized && typeof quantize === 'object' && quantize !== null)
    lines.push(commandLine(named('quantize'), quantize as Configuration, [out]));
  if (kind === 'artifact') {
    const packed = (quantize as Configuration | undefined)?.out ?? out;
    lines.push(`slim pack ${quoted(String(packed))} --out ${quoted(path)}`);
  }
  return lines;
}

/** What slim train takes of a configuration: where λ does not fall, it refuses flags that say how. */
function flagsOf(subject: Subject): Configuration {
  if (fades(methodIn(subject))) return subject.configuration;
  const others = Object.entries(subject.configuration).filter(([name]) => !Object.hasOwn(FADING_FLAGS, name));
  return Object.fromEntries(others);
}

/** A command with what a configuration says of its flags; what is a flag's default is left out. */
export function commandLine(command: Command, configuration: Configuration, operands: readonly string[] = []): string {
  const flags = command.options.flatMap((option) => {
    const name = option.attributeName();
    const value = configuration[name];
    if (value === undefined || value === null || value === option.defaultValue) return [];
    // --steps was given instead of --epochs.
    if (name === 'epochs' && configuration.steps !== undefined) return [];
    return wordsOf(option, value).map((words) => words.map(quoted).join(' '));
  });
  return wrapped([['slim', command.name(), ...operands.map(quoted)].join(' '), ...flags]);
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

const LINE = 96;

/** Lines that a shell takes for one. */
function wrapped(parts: readonly string[]): string {
  const lines = [''];
  for (const part of parts) {
    const last = lines.length - 1;
    if (lines[last] === '') lines[last] = part;
    else if (lines[last].length + part.length < LINE) lines[last] += ` ${part}`;
    else lines.push(`  ${part}`);
  }
  return lines.join(' \\\n');
}

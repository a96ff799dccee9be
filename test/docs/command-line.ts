/** Lines of the documentation against the real command line: what is parsed is not run. */
import type { Command } from 'commander';
import { createProgram } from '../../cli/main.ts';

/** Parses the arguments of `slim` as it would, with every flag, choice and value. Returns the command's path and flags. */
export async function parsed(args: readonly string[]): Promise<{ command: string; flags: Record<string, unknown> }> {
  let told = '';
  let found: Command | null = null;
  const parser = quietProgram((text) => {
    told += text;
  });
  for (const command of commandsIn(parser)) {
    if (command.commands.length > 0) continue;
    command.action(() => {
      found = command;
    });
  }
  await parser.parseAsync([...args], { from: 'user' }).catch((error: unknown) => {
    throw new Error(`slim ${args.join(' ')}\n${told || String(error)}`);
  });
  if (found === null) throw new Error(`slim ${args.join(' ')}: this is no command`);
  return { command: pathOf(found).slice(1).join(' '), flags: (found as Command).opts() };
}

/** Why code in a text names no command or flag that there is; null where it does, or is about something else. */
export function wrongIn(code: string): string | null {
  const words = code.split(' ');
  if (words[0] === 'slim') return wrongAfter(program, words.slice(words[1] === 'help' ? 2 : 1));
  if (!words[0].startsWith('--')) return null;
  const wrong = words.filter((word) => word.startsWith('--')).find((flag) => !allFlags.has(nameOf(flag)));
  return wrong === undefined ? null : `no command has ${wrong}`;
}

function wrongAfter(program: Command, words: readonly string[]): string | null {
  let command = program;
  let at = 0;
  for (; at < words.length; at++) {
    const next = command.commands.find((candidate) => candidate.name() === words[at]);
    if (!next) break;
    command = next;
  }
  const path = pathOf(command).join(' ');
  if (command.commands.length > 0 && /^[a-z-]/.test(words[at] ?? '') && !words[at].startsWith('--'))
    return `${path} has no command ${words[at]}`;
  const flags = words.slice(at).filter((word) => word.startsWith('--'));
  const wrong = flags.find((flag) => !flagsOf(command).includes(nameOf(flag)));
  return wrong === undefined ? null : `${path} has no ${wrong}`;
}

const nameOf = (flag: string): string => /^--[\w-]*/.exec(flag)![0];

/** For what only asks which commands and flags there are. */
const program = quietProgram(() => undefined);
const allFlags = new Set(commandsIn(program).flatMap(flagsOf));

function flagsOf(command: Command): string[] {
  return ['--help', '--version', ...command.options.flatMap(({ long }) => (long ? [long] : []))];
}

function quietProgram(told: (text: string) => void): Command {
  const { signal } = new AbortController();
  return createProgram({ stdout: { write: told }, stderr: { write: told }, signal });
}

function commandsIn(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsIn)];
}

function pathOf(command: Command): string[] {
  return [...(command.parent ? pathOf(command.parent) : []), command.name()];
}

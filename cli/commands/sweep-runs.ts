/** From the flags of `slim sweep` to command lines of `slim train`. */
import { Command, CommanderError, type Option } from 'commander';
import { addEngineOptions, addResultOptions, required, wordsOf } from '../args.ts';
import { type UserError, usageError } from '../io/errors.ts';
import { readJson } from '../io/files.ts';
import { fades, METHODS } from '../pclora/method.ts';
import { FADING_FLAGS } from '../pclora/recipe.ts';
import { loadDescription } from '../pretrained/checkpoint.ts';
import { resolveModelFolder } from '../pretrained/hub.ts';
import { type Axis, axisOf, combinations, type Flags, gridsOf, listOf, runNames, type Value } from '../sweep/grid.ts';
import type { PlannedRun } from '../sweep/plan.ts';
import { whyUncacheable } from './train-data.ts';
import { addTrainOptions, type GivenTrainFlags, settingsOf } from './train-flags.ts';

/** What says which runs a sweep has, beside the flags of `slim train` that are the same in all. */
export interface GridFlags {
  readonly methods?: string;
  readonly ranks?: string;
  readonly schedules?: string;
  readonly seeds?: string;
  readonly set: readonly string[];
  readonly grid?: string;
}

/** Which list is of which flag, in the order of names. */
const LISTS = { methods: 'method', ranks: 'rank', schedules: 'schedule', seeds: 'seed' } as const;

/** Flags that are about one command, not about what it computes: a sweep has its own. */
const OWN = ['json', 'config', 'resume'];

/** `slim train` as a sweep may give it flags. */
function trainFlags(): Command {
  const command = new Command('train').exitOverride().configureOutput({ writeErr: () => undefined });
  return addResultOptions(addEngineOptions(addTrainOptions(command)));
}

/**
 * The runs that the flags ask for; null where they name none. Usage errors for a flag that slim train doesn't have, or a
 * value that it refuses, in any of them.
 * @param given the flags of `slim train` that were given, by their names
 */
export async function plannedRuns(given: Flags, lists: GridFlags): Promise<readonly Omit<PlannedRun, 'out'>[] | null> {
  const grids = await gridsIn(lists);
  if (Object.keys(given).length === 0 && grids.every((axes) => axes.length === 0)) return null;
  const runs = withoutRepeats(grids.flatMap((axes) => combinations(axes)));
  const names = runNames(runs);
  const planned = runs.map((own, i) => plannedRun(names[i], given, own));
  const caches = await cacheableRuns(planned.map(({ values }) => values));
  return planned.map(({ name, flags, values }, i) => ({
    name,
    flags,
    args: ['train', ...argumentsOf(caches[i] ? values : without(values, ['cacheTeacher']))],
  }));
}

/** A grid file's axes, each of its objects with those of the command line. */
async function gridsIn(lists: GridFlags): Promise<readonly (readonly Axis[])[]> {
  const named = Object.entries(LISTS).flatMap(([list, name]) => {
    const text = lists[list as keyof typeof LISTS];
    return text === undefined ? [] : [{ name, values: listOf(text) }];
  });
  const here = [...named, ...lists.set.map(axisOf)];
  if (lists.grid === undefined) return [here];
  const json = await readJson(lists.grid).catch((error: UserError) => {
    throw usageError(`--grid: ${error.message}`);
  });
  return gridsOf(json, lists.grid).map((axes) => [...axes, ...here]);
}

/** Where methods take turns, those without λ leave out what is about its fall: once, whatever that is. */
function withoutRepeats(runs: readonly Readonly<Record<string, Value>>[]): readonly Readonly<Record<string, Value>>[] {
  const seen = new Set<string>();
  return runs
    .map((run) => (isFading(run.method) ? run : (without(run, Object.keys(FADING_FLAGS)) as typeof run)))
    .filter((run) => {
      const key = JSON.stringify(
        Object.entries(run)
          .map(([name, value]) => [name, String(value)])
          .sort(),
      );
      return !seen.has(key) && seen.add(key);
    });
}

function isFading(method: unknown): boolean {
  const known = METHODS.find((name) => name === method);
  return known === undefined || fades(known);
}

interface Planned {
  readonly name: string;
  readonly flags: Flags;
  /** All flags, as commander parses them. */
  readonly values: Flags;
}

/** A run, parsed as its command line will be. */
function plannedRun(name: string, given: Flags, own: Readonly<Record<string, Value>>): Planned {
  const twice = Object.keys(own).find((flag) => given[flag] !== undefined);
  if (twice !== undefined) throw usageError(`${twice} is given for all runs, and as a list`, 'Leave out one of them.');
  // What all runs are given of λ's fall is for those that have one.
  const shared = own.method === undefined || isFading(own.method) ? given : without(given, Object.keys(FADING_FLAGS));
  const command = trainFlags();
  try {
    command.parse(argumentsOf({ ...shared, ...own }), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw usageError(`run ${name}: ${error.message.replace(/^error: /, '')}`, 'See slim train --help.');
  }
  const values = valuesOf(command);
  required(values.model as string | undefined, '--model');
  required(values.data as string | undefined, '--data');
  return { name, flags: Object.fromEntries(Object.keys(own).map((flag) => [flag, values[flag]])), values };
}

/** What was given of a command's flags that are slim train's, by their names. */
export function givenFlags(command: Command): Flags {
  const known = new Set(trainFlags().options.map((option) => option.attributeName()));
  const all = Object.entries(valuesOf(command));
  return Object.fromEntries(all.filter(([name]) => known.has(name) && !OWN.includes(name)));
}

function valuesOf(command: Command): Flags {
  const given = Object.entries(command.opts()).filter(([name]) =>
    ['cli', 'config'].includes(command.getOptionValueSource(name) ?? ''),
  );
  return Object.fromEntries(given);
}

/** A command line that gives these flags, in the order of the help. Usage error for one that slim train doesn't have. */
function argumentsOf(values: Flags): string[] {
  const options = trainFlags().options.filter((option) => !OWN.includes(option.attributeName()));
  const unknown = Object.keys(values).find((name) => options.every((option) => option.attributeName() !== name));
  if (unknown !== undefined)
    throw usageError(
      `slim train has no flag ${JSON.stringify(unknown)} that a sweep could set`,
      'Flags are named as in --config: learningRate for --learning-rate.',
    );
  return options.flatMap((option) => {
    const value = values[option.attributeName()];
    return value === undefined ? [] : argumentOf(option, value);
  });
}

function argumentOf(option: Option, value: unknown): string[] {
  const isSwitch = option.isBoolean();
  if (isSwitch && ![true, false, 'true', 'false'].includes(value as boolean))
    throw usageError(`${option.long} is a switch: expected true or false, got ${JSON.stringify(value)}`);
  // A list's text names one of the values that a variadic flag takes.
  const given = option.variadic && !Array.isArray(value) ? [value] : value;
  return wordsOf(option, isSwitch ? String(value) === 'true' : given).flat();
}

function without(flags: Flags, names: readonly string[]): Flags {
  return Object.fromEntries(Object.entries(flags).filter(([name]) => !names.includes(name)));
}

/** Of each run whether what the teacher says can be kept: a sweep gives --cache-teacher to those alone. */
async function cacheableRuns(runs: readonly Flags[]): Promise<readonly boolean[]> {
  const cacheable: boolean[] = [];
  for (const values of runs) {
    const flags = values as unknown as GivenTrainFlags;
    cacheable.push(flags.cacheTeacher === undefined || (await isCacheable(flags)));
  }
  return cacheable;
}

async function isCacheable(flags: GivenTrainFlags): Promise<boolean> {
  const { base, offline } = flags;
  const folder = await resolveModelFolder(required(flags.model, '--model'), { offline });
  const { config, preprocessing } = await loadDescription(folder, { base, offline });
  const { relationLoss } = settingsOf(flags, preprocessing.kind, config.hiddenSize);
  return whyUncacheable(preprocessing, { ...flags, relationLoss }) === null;
}

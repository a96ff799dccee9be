/** From lists of values to runs: every combination, in an order and with names that stay the same. */
import { usageError } from '../io/errors.ts';

/** What a flag may be given in a grid. */
export type Value = string | number | boolean;

/** One flag with the values that it takes in turn. */
export interface Axis {
  /** The flag's name as in --config: `learningRate`. */
  readonly name: string;
  readonly values: readonly Value[];
}

/** Flags by their names. */
export type Flags = Readonly<Record<string, unknown>>;

/** More are a mistake. */
const MOST_RUNS = 10_000;

/**
 * All combinations. Seeds take turns last, so that each other combination has run once before any has twice.
 * Usage errors for an axis that comes twice or is empty, and for too many runs.
 */
export function combinations(axes: readonly Axis[]): readonly Readonly<Record<string, Value>>[] {
  for (const { name, values } of axes) {
    if (axes.filter((axis) => axis.name === name).length > 1) throw usageError(`${name} is given twice`);
    if (values.length === 0) throw usageError(`${name} has no values`);
    const again = values.find((value, i) => values.findIndex((other) => String(other) === String(value)) !== i);
    if (again !== undefined) throw usageError(`${name} has ${again} twice`);
  }
  const count = axes.reduce((product, { values }) => product * values.length, 1);
  if (count > MOST_RUNS)
    throw usageError(`these are ${count} runs, expected ${MOST_RUNS} at most`, 'Take fewer values.');
  const slowest = [...axes.filter(({ name }) => name === 'seed'), ...axes.filter(({ name }) => name !== 'seed')];
  return slowest.reduce<Record<string, Value>[]>(
    (made, { name, values }) => made.flatMap((flags) => values.map((value) => ({ ...flags, [name]: value }))),
    [{}],
  );
}

/**
 * The axes of a grid file: `{"rank": [8, 16], "learningRate": 1e-3}`, or a list of several such. A value that is no list
 * is the same in all runs of its object. Usage errors name what is none.
 */
export function gridsOf(json: unknown, path: string): readonly (readonly Axis[])[] {
  const objects = Array.isArray(json) ? json : [json];
  if (objects.length === 0) throw usageError(`${path}: expected an object of flags, or a list of such, got none`);
  return objects.map((object: unknown) => {
    if (typeof object !== 'object' || object === null || Array.isArray(object))
      throw usageError(`${path}: expected an object of flags, got ${JSON.stringify(object)}`);
    return Object.entries(object).map(([name, given]: [string, unknown]) => {
      const values = Array.isArray(given) ? given : [given];
      const wrong = values.find((value) => !['string', 'number', 'boolean'].includes(typeof value));
      if (wrong !== undefined)
        throw usageError(`${path}: ${name} has ${JSON.stringify(wrong)}, expected texts, numbers, true or false`);
      return { name, values: values as readonly Value[] };
    });
  });
}

/** The axis of `NAME=VALUE,VALUE`. A value with a comma in it takes a grid file. Usage error for another form. */
export function axisOf(text: string): Axis {
  const [, name, values] = /^(\w+)=(.+)$/.exec(text) ?? [];
  if (name === undefined)
    throw usageError(`--set ${text}: expected NAME=VALUE,VALUE`, 'Such as --set learningRate=1e-3,2e-3.');
  return { name, values: listOf(values) };
}

/** Values with commas between. */
export function listOf(text: string): readonly string[] {
  return text.split(',').map((value) => value.trim());
}

const MOST_NAME = 100;

/** A folder's name for each combination: `rank-8_seed-1`. Unlike ones have unlike names, also where case says nothing. */
export function runNames(runs: readonly Readonly<Record<string, Value>>[]): readonly string[] {
  const taken = new Set<string>();
  return runs.map((flags, i) => {
    const words = Object.entries(flags).map(([name, value]) => `${kebab(name)}-${value}`.replace(/[^\w.+-]+/g, '-'));
    const full = words.join('_') || 'run';
    const name = full.length <= MOST_NAME && !taken.has(full.toLowerCase()) ? full : `${full.slice(0, 80)}_${i + 1}`;
    taken.add(name.toLowerCase());
    return name;
  });
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * A sweep is a folder:
 *
 *   sweep.json        the list of runs, which is written once; what is done is told by the files below
 *   runs/NAME/        a run of slim train
 *   quantized/NAME/   the same quantized, where that was asked for
 *   artifacts/        NAME.slim of each, NAME.int8.slim of the quantized one, and NAME.latency.json
 *   logs/NAME.log     what the commands of a run wrote to stderr; NAME.lock names the process that is at it
 *   rows.jsonl        a row of JSON for each run that is done, in the list's order
 *   sweep.lock        while a process works here
 *
 * sweep.json is all that another machine needs to make a run: `slim ARGS... --out OUT`, with --resume where OUT is there.
 */

import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { WEIGHTS, type Weights } from '../compress/quantize.ts';
import { UserError, usageError } from '../io/errors.ts';
import { exists, readJson, writeJson } from '../io/files.ts';
import type { Flags } from './grid.ts';

const PLAN_VERSION = 1;

/** The files of a sweep that are its own. */
export const SWEEP_FILES = { plan: 'sweep.json', rows: 'rows.jsonl', lock: 'sweep.lock' } as const;

/** A run of a sweep. */
export interface PlannedRun {
  /** Of its folder, unlike all others'. */
  readonly name: string;
  /** What sets it apart: flags of `slim train` by their names in --config. */
  readonly flags: Flags;
  /** The whole command line after `slim`, but for --out. Paths are as they were given, from where the sweep was begun. */
  readonly args: readonly string[];
  /** Its folder, from that of sweep.json. */
  readonly out: string;
}

/** sweep.json */
export interface SweepPlan {
  readonly version: typeof PLAN_VERSION;
  /** The version of slim that began it. */
  readonly slim: string;
  /** What each run is quantized to; null: not at all. */
  readonly quantize: Weights | null;
  readonly runs: readonly PlannedRun[];
}

/** The plan of these runs. */
export function planOf(slim: string, quantize: Weights | null, runs: readonly Omit<PlannedRun, 'out'>[]): SweepPlan {
  return { version: PLAN_VERSION, slim, quantize, runs: runs.map((run) => ({ ...run, out: `runs/${run.name}` })) };
}

/** Where the files of a run are. */
export function placesOf(folder: string, { name, out }: Pick<PlannedRun, 'name' | 'out'>, quantize: Weights | null) {
  const artifact = (middle = ''): string => join(folder, 'artifacts', `${name}${middle}.slim`);
  return {
    run: join(folder, out),
    quantized: join(folder, 'quantized', name),
    artifact: artifact(),
    quantizedArtifact: artifact(`.${quantize}`),
    latency: join(folder, 'artifacts', `${name}.latency.json`),
    log: join(folder, 'logs', `${name}.log`),
    lock: join(folder, 'logs', `${name}.lock`),
  };
}

/** Writes the list of a new sweep. */
export async function writePlan(folder: string, plan: SweepPlan): Promise<void> {
  await writeJson(join(folder, SWEEP_FILES.plan), plan);
}

/** Reads sweep.json; null where there is none. @throws UserError where it is not one, or of another version */
export async function readPlan(folder: string): Promise<SweepPlan | null> {
  const path = join(folder, SWEEP_FILES.plan);
  if (!(await exists(path))) return null;
  const plan = (await readJson(path)) as Partial<SweepPlan> | null;
  if (plan?.version !== PLAN_VERSION)
    throw new UserError(
      `${path}: expected version ${PLAN_VERSION}, got ${JSON.stringify(plan?.version) ?? 'none'}`,
      'Was it made by another version of slim, or by another program?',
    );
  const wrong = (what: string): UserError => new UserError(`${path}: ${what}`, 'Begin a new sweep in another folder.');
  const { runs, quantize, slim } = plan;
  if (typeof slim !== 'string') throw wrong('field slim is missing or wrong');
  if (quantize !== null && !WEIGHTS.some((known) => known === quantize))
    throw wrong(`field quantize is ${JSON.stringify(quantize)}, expected null or one of ${WEIGHTS.join(', ')}`);
  if (!Array.isArray(runs)) throw wrong('field runs is missing or wrong');
  const bad = runs.findIndex((run: unknown) => !isRun(run));
  if (bad >= 0) throw wrong(`run ${bad + 1} is wrong: ${JSON.stringify(runs[bad])?.slice(0, 80)}`);
  if (new Set(runs.map(({ name }) => name)).size < runs.length) throw wrong('two runs have one name');
  return plan as SweepPlan;
}

/** Names become paths, which stay within the sweep. */
function isRun(run: unknown): run is PlannedRun {
  if (typeof run !== 'object' || run === null) return false;
  const { name, flags, args, out } = run as Partial<PlannedRun>;
  return (
    typeof name === 'string' &&
    /^[\w+-][\w.+-]*$/.test(name) &&
    typeof flags === 'object' &&
    flags !== null &&
    Array.isArray(args) &&
    args.every((arg) => typeof arg === 'string') &&
    args[0] === 'train' &&
    out === `runs/${name}`
  );
}

/** Usage error where the flags that are given now ask for other runs than the sweep has. */
export function expectSamePlan(folder: string, begun: SweepPlan, asked: SweepPlan): void {
  const hint = 'Resume with the flags that the sweep began with, or with none but --out; or begin a new one.';
  if (begun.quantize !== asked.quantize)
    throw usageError(`--resume: ${folder} began with --quantize ${begun.quantize}, now it is ${asked.quantize}`, hint);
  const at = asked.runs.findIndex((run, i) => !isDeepStrictEqual(JSON.parse(JSON.stringify(run)), begun.runs[i]));
  const other = at >= 0 ? at : begun.runs.length > asked.runs.length ? asked.runs.length : -1;
  if (other < 0) return;
  const told = ({ runs }: SweepPlan): string => (runs[other] ? `slim ${runs[other].args.join(' ')}` : 'none');
  throw usageError(`--resume: run ${other + 1} of ${folder} was ${told(begun)} and is ${told(asked)} now`, hint);
}

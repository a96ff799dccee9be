/** What is done for one run of a sweep, each part once: what is on disk already is not made again. */
import { setTimeout } from 'node:timers/promises';
import type { Weights } from '../compress/quantize.ts';
import { UserError } from '../io/errors.ts';
import { exists } from '../io/files.ts';
import { throwIfInterrupted } from '../io/io.ts';
import { expectUnlocked } from '../io/lock.ts';
import { readRunRecord } from '../train/run-directory.ts';
import { type PlannedRun, placesOf } from './plan.ts';
import { runSlim, type Watch } from './slim-process.ts';

/** Flags of `slim train` that `slim quantize` takes, too, to judge by the same samples. */
const JUDGING = ['--data', '--labels'];

/** Trains, quantizes and packs. @throws UserError where one of these fails, Interrupted where it was told to end */
export async function makeRun(
  folder: string,
  planned: PlannedRun,
  quantize: Weights | null,
  watch: Pick<Watch, 'onLine' | 'signal'>,
): Promise<void> {
  const places = placesOf(folder, planned, quantize);
  const slim = (...args: string[]): Promise<void> => runSlim(args, { ...watch, log: places.log, lock: places.lock });
  await untilUnlocked(places.lock, watch);
  await trained(places.run, planned, slim);
  if (quantize !== null) await quantized(places, planned, quantize, slim);
  await packed(places.run, places.artifact, slim);
  if (quantize !== null) await packed(places.quantized, places.quantizedArtifact, slim);
}

type Slim = (...args: string[]) => Promise<void>;

async function trained(run: string, { args }: PlannedRun, slim: Slim): Promise<void> {
  const record = await readRunRecord(run);
  if (record?.status === 'finished') return;
  // One that was killed before its record was written is begun anew.
  await slim(...args, '--out', run, ...(record === null ? [] : ['--resume']));
}

async function quantized(
  { run, quantized: out }: Pick<ReturnType<typeof placesOf>, 'run' | 'quantized'>,
  { args }: PlannedRun,
  weights: Weights,
  slim: Slim,
): Promise<void> {
  const record = await readRunRecord(out);
  if (record?.status === 'finished') return;
  const judging = JUDGING.flatMap((flag) => {
    const at = args.indexOf(flag);
    return at < 0 ? [] : [flag, args[at + 1]];
  });
  const replacing = record === null ? [] : ['--overwrite'];
  await slim('quantize', run, '--weights', weights, ...judging, '--out', out, ...replacing);
}

/** An artifact is whole or not there. */
async function packed(run: string, artifact: string, slim: Slim): Promise<void> {
  if (!(await exists(artifact))) await slim('pack', run, '--out', artifact);
}

/** A step and an evaluation may take so long. */
const PATIENCE_MS = 600_000;
const LOOK_MS = 200;

/** Waits for a process of a sweep that was killed: it hears of that at once, and ends after its step. */
async function untilUnlocked(lock: string, { signal, onLine }: Pick<Watch, 'onLine' | 'signal'>): Promise<void> {
  const refusal = (holder: string): UserError => new UserError(`${holder} of an earlier sweep does not end`);
  for (let waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
    throwIfInterrupted(signal);
    const isFree = await expectUnlocked(lock, refusal).then(
      () => true,
      (error: unknown) => {
        if (error instanceof UserError) return false;
        throw error;
      },
    );
    if (isFree) return;
    onLine('waits for a process of an earlier sweep to end');
    await setTimeout(LOOK_MS);
  }
  await expectUnlocked(lock, refusal);
}

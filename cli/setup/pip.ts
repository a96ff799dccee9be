/** Python's pip as a means to bring libraries: nothing of what comes is run, and Python is only needed for that. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../io/files.ts';
import { throwIfInterrupted } from '../io/io.ts';
import type { BringingIo } from './packages.ts';
import { runProgram } from './program.ts';

/** Wheels to bring, each `NAME==VERSION`. */
export interface PipCall {
  readonly wheels: readonly string[];
  /** The folder that they are unpacked into. */
  readonly target: string;
  /** More for pip install: `--python-version=3.12`. */
  readonly flags?: readonly string[];
}

/**
 * Unpacks exactly these wheels, and none that they ask for: the list is whole, and the one place that says what comes.
 * @throws Error with what pip complained of, or that there is no Python; Interrupted
 */
export async function pipInstall(
  { wheels, target, flags = [] }: PipCall,
  { stderr, signal }: BringingIo,
): Promise<void> {
  throwIfInterrupted(signal);
  // Wheels of gigabytes are unpacked beside the target, not in a /tmp that may be small.
  const scratch = join(target, 'scratch');
  await mkdir(scratch, { recursive: true });
  const quiet = ['--no-compile', '--no-cache-dir', '--no-input', '--disable-pip-version-check', '--progress-bar=off'];
  const how = ['--no-deps', '--only-binary=:all:', ...quiet, ...flags];
  const call = {
    file: 'python3',
    args: ['-m', 'pip', 'install', ...how, '--target', target, ...wheels],
    // --user, which somebody may have set for all installations, does not go with --target.
    env: { ...process.env, TMPDIR: scratch, PIP_USER: '0' },
    onLine(line: string) {
      if (/^ *Downloading /.test(line)) stderr.write(`${line.trim()}\n`);
    },
  };
  const { code, stderr: said } = await runProgram(call, signal).catch((error: unknown) => {
    throw errorCode(error) === 'ENOENT' ? new Error('no python3 is on the PATH') : error;
  });
  if (code !== 0) throw new Error(complaintOf(said) || `pip ended with ${code}`);
  await rm(scratch, { recursive: true, force: true });
}

/** What pip calls errors, or else its last lines. */
function complaintOf(said: string): string {
  const lines = said.split('\n').map((line) => line.trim());
  const errors = lines.filter((line) => line.startsWith('ERROR:')).map((line) => line.replace(/^ERROR: */, ''));
  const last = lines.filter((line) => line !== '' && !/^(WARNING|\[notice\])/.test(line)).slice(-2);
  return (errors.length > 0 ? errors.slice(0, 4) : last).join('; ');
}

/**
 * What to do about what pip said.
 * @param again the command that is to be run once that is done
 * @param otherwise what else may help
 */
export function pipRemedy(said: string, again: string, otherwise = ''): string {
  const run = `then run ${again} again`;
  if (/no python3/.test(said)) return `Install Python 3 with pip (sudo apt-get install python3-pip), ${run}.`;
  if (/No module named pip/.test(said)) return `Install pip (sudo apt-get install python3-pip), ${run}.`;
  if (/No space left/i.test(said)) return `Make room, or set SLIM_CACHE to a folder with more of it, ${run}.`;
  if (/No matching distribution/.test(said))
    return 'The wheels are made for Linux, most of them for x86-64 alone; and pip sees them only where it reaches an index.';
  return `Check the network, ${run}${otherwise}.`;
}

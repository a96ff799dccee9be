/** What runs write is no input: left out where a folder or a pattern has it, and never written over where it is one. */
import { fstatSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { hasTableName } from '../data/text/layout.ts';
import { usageError } from '../io/errors.ts';
import { exists, identityOf, identityOfFound } from '../io/files.ts';
import { isRecorded } from './record.ts';
import { filesOfRun, outputNamedBy } from './run-files.ts';

/**
 * Tells the files of runs among those of folders: of the one with this output, whether it has begun or not, and of
 * others by the records beside theirs. A file that is there under the output's name, and no run's, is none of them.
 */
export async function filesOfRuns(output: string | undefined): Promise<(path: string) => Promise<boolean>> {
  const isOurs = output === undefined ? async () => false : sameName(output);
  const isNoRuns = output !== undefined && (await exists(output)) && !(await isRecorded(output));
  const known = new Map<string, Promise<boolean>>();
  const recorded = (other: string): Promise<boolean> => {
    const found = known.get(other) ?? isRecorded(other);
    known.set(other, found);
    return found;
  };
  return async (path) => {
    const named = outputNamedBy(path);
    if (named !== null && ((await isOurs(named)) || (await recorded(named)))) return true;
    if (await isOurs(path)) return !isNoRuns;
    return hasTableName(path) && recorded(path);
  };
}

/** Whether paths are this one, however their folders are written; there need be nothing. */
function sameName(path: string): (other: string) => Promise<boolean> {
  const placeOf = async (one: string): Promise<string> => {
    const folder = dirname(one);
    return join(await realpath(folder).catch(() => resolve(folder)), basename(one));
  };
  // Most names are others, which takes no look at the disk.
  return async (other) => basename(other) === basename(path) && (await placeOf(other)) === (await placeOf(path));
}

/**
 * Makes the check that an input, - for stdin, is no file that a run with this output, or else stdout, would write to:
 * also by another name, or a link.
 */
export async function expectKept(output: string | undefined): Promise<(input: string) => Promise<void>> {
  const written = new Map<string, string>();
  if (output === undefined) addFound(written, identityOfStream(process.stdout.fd), 'stdout');
  else for (const path of filesOfRun(output)) addFound(written, await identityOf(path), path);
  return async (input) => {
    if (written.size === 0) return;
    const found = input === '-' ? identityOfStream(process.stdin.fd) : await identityOf(input);
    const same = found === null ? undefined : written.get(found);
    if (same !== undefined)
      throw usageError(
        `${input === '-' ? 'stdin' : input} is read, and as ${same} it would be written over`,
        'Write to another file.',
      );
  };
}

function addFound(written: Map<string, string>, identity: string | null, path: string): void {
  if (identity !== null) written.set(identity, path);
}

/** Of a stream that is redirected to or from a file; null for others, and where it is closed. */
function identityOfStream(descriptor: number): string | null {
  try {
    const found = fstatSync(descriptor, { bigint: true });
    return found.isFile() ? identityOfFound(found) : null;
  } catch {
    return null;
  }
}

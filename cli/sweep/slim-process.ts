/** A command of slim as a process of its own: it ends when it is told to, and when whoever started it is gone. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { builtAsset } from '../io/assets.ts';
import { Interrupted, UserError } from '../io/errors.ts';
import { makeFolderOf, writeError } from '../io/files.ts';
import { holdFor } from '../io/lock.ts';

/** What a process is watched by. */
export interface Watch {
  /** A file that what it writes to stderr is added to. */
  readonly log: string;
  /** A file that names the process while it lives: see `expectUnlocked`. */
  readonly lock: string;
  /** Told of each of these lines. */
  readonly onLine: (line: string) => void;
  /** Asks it to save what it has and to end. */
  readonly signal: AbortSignal;
}

/**
 * Runs `slim ARGS` to its end. Its channel to this process closes when this one is killed, which it takes for an
 * interrupt.
 * @throws UserError with its own words where it fails
 * @throws Interrupted where it was told to end
 */
export async function runSlim(args: readonly string[], { log, lock, onLine, signal }: Watch): Promise<void> {
  if (signal.aborted) throw new Interrupted('interrupted');
  await makeFolderOf(log);
  const file = createWriteStream(log, { flags: 'a' });
  const unwritable: UserError[] = [];
  file.on('error', (error) => unwritable.push(writeError(log, error)));
  file.write(`$ slim ${args.join(' ')}\n`);
  // In a group of its own: an interrupt from the keyboard reaches it once, through this process.
  const child = spawn(process.execPath, [fileURLToPath(builtAsset('slim.mjs')), ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    detached: true,
  });
  // At once: where this process is killed next, a sweep that goes on has to wait for that one.
  if (child.pid !== undefined) holdFor(lock, child.pid);
  const told = { error: '', hint: '' };
  createInterface({ input: child.stderr! }).on('line', (line) => {
    file.write(`${line}\n`);
    const [, kind, text] = /^(error|hint): (.*)$/.exec(line) ?? [];
    if (kind === 'error' || kind === 'hint') told[kind] = text;
    else if (line.trim() !== '') onLine(line);
  });
  const stop = (): void => void child.kill('SIGINT');
  signal.addEventListener('abort', stop, { once: true });
  const end = await new Promise<{ code: number | null; killed: NodeJS.Signals | null }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, killed) => resolve({ code, killed }));
  }).finally(() => signal.removeEventListener('abort', stop));
  await rm(lock, { force: true });
  await new Promise<void>((resolve) => file.end(() => resolve()));
  if (unwritable.length > 0) throw unwritable[0];
  if (end.code === 0) return;
  if (signal.aborted) throw new Interrupted('interrupted');
  const how = end.killed === null ? `it ended with exit code ${end.code}` : `it was ended by ${end.killed}`;
  throw new UserError(told.error || how, told.hint);
}

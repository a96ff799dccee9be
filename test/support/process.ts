/** The built command line as a process of its own. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export const SLIM = fileURLToPath(new URL('../../dist/slim.mjs', import.meta.url));
if (!existsSync(SLIM)) throw new Error(`${SLIM} is missing: npm run build makes it`);

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Resolves with the match once stdout or stderr hold this. Rejects where the process ends before. */
  saw(text: string | RegExp): Promise<RegExpMatchArray>;
  readonly exit: Promise<Exit>;
}

/** Starts `slim ARGS`. */
export function start(args: readonly string[]): Running {
  return startCommand(process.execPath, [SLIM, ...args]);
}

/** Starts a shell line in which `$SLIM` runs the command line. */
export function startShell(line: string, args: readonly string[]): Running {
  return startCommand('bash', ['-c', `SLIM="${process.execPath} ${SLIM}"; ${line}`, 'bash', ...args]);
}

/** Starts any program. */
export function startCommand(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Running {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (data: Buffer) => {
      written[name] += data.toString();
    });
  const exit = new Promise<Exit>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, ...written })),
  );
  const saw = (text: string | RegExp): Promise<RegExpMatchArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = `${written.stdout}${written.stderr}`.match(text);
        if (found) resolve(found);
      };
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      look();
      // Where the match was found, this comes too late to matter.
      exit.then(() => reject(new Error(`${command} ended without writing ${text}:\n${written.stderr}`)), reject);
    });
  return { child, saw, exit };
}

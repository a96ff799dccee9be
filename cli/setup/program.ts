import { spawn } from 'node:child_process';

/** A program to run for its effect, and where its words go. */
export interface ProgramCall {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  /** Told of each line on stdout. */
  readonly onLine?: (line: string) => void;
}

/** How a program ended; `code` is null where a signal ended it. */
export interface ProgramEnd {
  readonly code: number | null;
  /** What it wrote to stderr, as far as 100,000 characters. */
  readonly stderr: string;
}

/** A program gets so long to end after it was asked to. */
const PATIENCE_MS = 5000;

/**
 * Runs a program until it has ended, whatever the signal says: it writes nothing after that. The signal, and the end of
 * this process, end it.
 * @throws the system's error where it can't be started, ENOENT where there is none
 */
export function runProgram({ file, args, cwd, env, onLine }: ProgramCall, signal: AbortSignal): Promise<ProgramEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let patience: NodeJS.Timeout | undefined;
    const kill = (): void => void child.kill('SIGKILL');
    const stop = (): void => {
      child.kill('SIGTERM');
      patience = setTimeout(kill, PATIENCE_MS);
    };
    signal.addEventListener('abort', stop, { once: true });
    process.once('exit', kill);
    if (signal.aborted) stop();
    const release = (): void => {
      clearTimeout(patience);
      signal.removeEventListener('abort', stop);
      process.removeListener('exit', kill);
    };
    let stderr = '';
    let line = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (line + text).split('\n');
      line = lines.pop()!;
      for (const told of lines) onLine?.(told);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < 100_000) stderr += text;
    });
    child.on('error', (error) => {
      release();
      reject(error);
    });
    child.on('close', (code) => {
      release();
      resolve({ code, stderr });
    });
  });
}

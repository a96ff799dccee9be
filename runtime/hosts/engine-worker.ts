// A thread of the engine pool: one engine, which answers one input a message.
import { parentPort, workerData } from 'node:worker_threads';
import { createEngine, type Inputs } from '../engine/engine.ts';
import type { EngineWorkerAnswer, EngineWorkerData } from './node-pool.ts';

const port = parentPort;
if (port === null) throw new Error('engine-worker runs as a worker thread only');

const { artifact, kernels } = workerData as EngineWorkerData;
const engine = createEngine(artifact, kernels);
port.postMessage({ ready: true } satisfies EngineWorkerAnswer);

port.on('message', (inputs: Inputs) => {
  try {
    const logits = engine.infer(inputs);
    port.postMessage({ logits } satisfies EngineWorkerAnswer, [logits.buffer as ArrayBuffer]);
  } catch (error) {
    port.postMessage({ failure: error instanceof Error ? error.message : String(error) } satisfies EngineWorkerAnswer);
  }
});

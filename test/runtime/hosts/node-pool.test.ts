import { describe, expect, it, onTestFinished } from 'vitest';
import { pack } from '../../../cli/compress/pack.ts';
import { quantizeTensors } from '../../../cli/compress/quantize.ts';
import { storedTensors } from '../../../cli/compress/stored-tensors.ts';
import { readArtifact } from '../../../runtime/artifact/artifact.ts';
import { createEngine } from '../../../runtime/engine/engine.ts';
import { createEnginePool, type EnginePool } from '../../../runtime/hosts/node-pool.ts';
import { description, smallVit } from '../../compress/small-vit.ts';
import { kernelsModule } from '../kernels-module.ts';

const { logits, values, pixels } = smallVit('low-rank');
const artifact = await readArtifact(await pack(logits, quantizeTensors(storedTensors(logits, values), logits), description));
const module = await kernelsModule();
const engineWorker = new URL('../../../dist/engine-worker.mjs', import.meta.url);

/** Takes input[0] as an order: 1 to crash, 2 to end, 3 to never answer; else answers with its input. */
const ODD_WORKER = worker(`
  parentPort.postMessage({ ready: true });
  parentPort.on('message', ({ pixels: input }) => {
    if (input[0] === 1) throw new Error('out of luck');
    if (input[0] === 2) process.exit(7);
    if (input[0] !== 3) parentPort.postMessage({ logits: input });
  });`);

function worker(code: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads';${code}`)}`);
}

async function start(workerFile: URL, workers: number, maxWaiting?: number): Promise<EnginePool> {
  const pool = await createEnginePool(artifact, module, { workers, workerFile, ...(maxWaiting === undefined ? {} : { maxWaiting }) });
  onTestFinished(() => pool.close());
  return pool;
}

describe('an engine pool', () => {
  it('answers as one engine does, each request with its own logits', async () => {
    const pool = await start(engineWorker, 2);
    const engine = createEngine(artifact, module);
    const inputs = Array.from({ length: 9 }, (_, i) => pixels.map((v) => v + i));
    expect(await Promise.all(inputs.map((input) => pool.infer({ pixels: input })))).toEqual(inputs.map((input) => engine.infer({ pixels: input })));
  });

  it('leaves the input as it was, also a view of a larger buffer', async () => {
    const pool = await start(engineWorker, 1);
    const view = new Float32Array([9, ...pixels, 9]).subarray(1, -1);
    expect(await pool.infer({ pixels: view })).toEqual(await pool.infer({ pixels }));
    expect(view).toEqual(pixels);
  });

  it('tells what the engine threw, and goes on', async () => {
    const pool = await start(engineWorker, 1);
    await expect(pool.infer({ pixels: pixels.subarray(1) })).rejects.toThrow('infer: expected 720 values for pixels of shape [1,3,12,20], got 719');
    expect(await pool.infer({ pixels })).toHaveLength(5);
  });

  it('refuses what would wait too long', async () => {
    const pool = await start(ODD_WORKER, 1, 2);
    const running = [pool.infer({ pixels: Float32Array.of(4) }), pool.infer({ pixels: Float32Array.of(5) }), pool.infer({ pixels: Float32Array.of(6) })];
    await expect(pool.infer({ pixels: Float32Array.of(7) })).rejects.toMatchObject({ status: 503, message: '2 requests wait already: try again later' });
    expect(await Promise.all(running)).toEqual([[4], [5], [6]].map((v) => Float32Array.from(v)));
  });
});

describe('a thread that crashes', () => {
  it.each([[1, 'an engine thread crashed: out of luck'], [2, 'an engine thread ended']])('by way %d fails its own request and is replaced', async (order, message) => {
    const pool = await start(ODD_WORKER, 1);
    const [crashed, after] = [pool.infer({ pixels: Float32Array.of(order) }), pool.infer({ pixels: Float32Array.of(8) })];
    await expect(crashed).rejects.toThrow(message);
    expect(await after).toEqual(Float32Array.of(8));
    expect(await pool.infer({ pixels: Float32Array.of(9) })).toEqual(Float32Array.of(9));
  });

  it('when it starts fails the pool', async () => {
    await expect(start(worker(`throw new Error('no memory');`), 2)).rejects.toThrow('an engine thread crashed: no memory');
  });

  it('when its replacement starts ends the pool, and what waits is told', async () => {
    const once = new SharedArrayBuffer(4);
    const odd = { ...artifact, data: new Uint8Array(once) };
    const file = worker(`import { workerData } from 'node:worker_threads';
      if (Atomics.add(new Int32Array(workerData.artifact.data.buffer), 0, 1) > 0) throw new Error('no memory');
      parentPort.postMessage({ ready: true });
      parentPort.on('message', () => process.exit());`);
    const pool = await createEnginePool(odd, module, { workers: 1, workerFile: file });
    const requests = [pool.infer({ pixels }), pool.infer({ pixels })];
    await expect(requests[0]).rejects.toThrow('an engine thread ended');
    await expect(requests[1]).rejects.toThrow('no engine thread is left: an engine thread crashed: no memory');
    await expect(pool.infer({ pixels })).rejects.toThrow('no engine thread is left');
  });
});

it('rejects what is not answered when it is closed', async () => {
  const pool = await start(ODD_WORKER, 1);
  const requests = [pool.infer({ pixels: Float32Array.of(3) }), pool.infer({ pixels: Float32Array.of(4) })];
  const closed = pool.close();
  for (const request of requests) await expect(request).rejects.toThrow('the engine pool was closed');
  await closed;
  await expect(pool.infer({ pixels })).rejects.toThrow('the engine pool was closed');
});

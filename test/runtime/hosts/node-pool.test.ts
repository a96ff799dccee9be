import sharp from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { pack } from '../../../cli/compress/pack.ts';
import { quantizeTensors } from '../../../cli/compress/quantize.ts';
import { storedTensors } from '../../../cli/compress/stored-tensors.ts';
import { builtFolder } from '../../../cli/io/assets.ts';
import { readArtifact } from '../../../runtime/artifact/artifact.ts';
import { nodeDecoders } from '../../../runtime/hosts/node-decoders.ts';
import { type ClassifierPool, createClassifierPool } from '../../../runtime/hosts/node-pool.ts';
import { createTaskClassifier } from '../../../runtime/hosts/task-classifier.ts';
import { description, preprocessing, smallVit } from '../../compress/small-vit.ts';
import { kernelsModule } from '../kernels-module.ts';
import { smallTextArtifact } from '../text/small-tokenizer.ts';

const { logits, values } = smallVit('low-rank');
const artifact = await readArtifact(
  await pack(logits, quantizeTensors(storedTensors(logits, values), logits), { ...description, preprocessing }),
);
const module = await kernelsModule();
const assets = builtFolder();
const classifierWorker = new URL('classifier-worker.mjs', assets);

/** Takes input[0] as an order: 1 to crash, 2 to end, 3 to never answer; else answers with its input. */
const ODD_WORKER = worker(`
  parentPort.postMessage({ ready: true });
  parentPort.on('message', ({ input, topK }) => {
    if (input[0] === 1) throw new Error('out of luck');
    if (input[0] === 2) process.exit(7);
    if (input[0] !== 3) parentPort.postMessage({ answer: { predictions: [{ label: String(input[0]), score: topK }] } });
  });`);

function worker(code: string): URL {
  return new URL(
    `data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads';${code}`)}`,
  );
}

async function start(workerFile: URL, workers: number, of = artifact): Promise<ClassifierPool> {
  const pool = await createClassifierPool(of, module, { workers, workerFile, assets });
  onTestFinished(() => pool.close());
  return pool;
}

const order = (value: number): Uint8Array => Uint8Array.of(value);
const answerOf = (value: number) => ({ predictions: [{ label: `${value}`, score: 2 }] });
const pngOf = async (grey: number): Promise<Uint8Array> =>
  new Uint8Array(
    await sharp({ create: { width: 40, height: 30, channels: 3, background: { r: grey, g: 90, b: 20 } } })
      .png()
      .toBuffer(),
  );

describe('a classifier pool', () => {
  it('answers pictures as one classifier does, each request with its own answer', async () => {
    const pool = await start(classifierWorker, 2);
    const alone = await createTaskClassifier(artifact, module, nodeDecoders(assets));
    const inputs = await Promise.all(Array.from({ length: 9 }, (_, i) => pngOf(25 * i)));
    const answers = await Promise.all(inputs.map((input) => pool.classify(input, 3)));
    expect(answers).toEqual(await Promise.all(inputs.map((input) => alone.classify(input, 3))));
    expect(new Set(answers.map(({ predictions }) => predictions[0].score)).size).toBeGreaterThan(5);
    expect(pool.info).toEqual(alone.info);
    expect(pool.input).toBe(alone.input);
  });

  it('answers texts', async () => {
    const texts = await readArtifact(await smallTextArtifact());
    const pool = await start(classifierWorker, 1, texts);
    const alone = await createTaskClassifier(texts, module, nodeDecoders(assets));
    const input = { text: 'not a good film', pair: null };
    expect(await pool.classify(input, 2)).toEqual(await alone.classify(input, 2));
    expect(pool.input).toBe(alone.input);
  });

  it('leaves the input as it was, also a view of a larger buffer and a Buffer', async () => {
    const pool = await start(classifierWorker, 1);
    const png = await pngOf(7);
    const view = Uint8Array.of(9, ...png, 9).subarray(1, -1);
    expect(await pool.classify(view, 1)).toEqual(await pool.classify(png, 1));
    expect(view).toEqual(png);
    const buffer = Buffer.from(png); // its slice() shares its memory
    expect(await pool.classify(buffer, 1)).toEqual(await pool.classify(png, 1));
    expect(buffer.equals(png)).toBe(true);
  });

  it('tells what is wrong with an input as a classifier does, and goes on', async () => {
    const pool = await start(classifierWorker, 1);
    await expect(pool.classify((await pngOf(7)).subarray(0, 60), 1)).rejects.toMatchObject({
      name: 'PreprocessError',
      code: 'truncated',
    });
    expect((await pool.classify(await pngOf(7), 4)).predictions).toHaveLength(4);
  });
});

describe('a signal', () => {
  it('takes what waits out of the queue', async () => {
    const pool = await start(ODD_WORKER, 1);
    const leaving = new AbortController();
    const [first, left, next] = [
      pool.classify(order(4), 2),
      pool.classify(order(1), 2, leaving.signal),
      pool.classify(order(5), 2),
    ];
    leaving.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    // The order to crash reached no thread.
    expect(await Promise.all([first, next])).toEqual([answerOf(4), answerOf(5)]);
    await expect(pool.classify(order(1), 2, leaving.signal)).rejects.toThrow('left');
  });

  it('at the deadline ends a thread that is stuck, and another takes its place', async () => {
    const pool = await start(ODD_WORKER, 1);
    const stuck = pool.classify(order(3), 2, AbortSignal.timeout(50));
    const waiting = pool.classify(order(6), 2);
    await expect(stuck).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(await waiting).toEqual(answerOf(6));
  });

  it('of a client that leaves lets a running answer end', async () => {
    const pool = await start(ODD_WORKER, 1);
    const leaving = new AbortController();
    const running = pool.classify(order(7), 2, leaving.signal);
    leaving.abort(new Error('left'));
    await expect(running).rejects.toThrow('left');
    expect(await pool.classify(order(8), 2)).toEqual(answerOf(8));
  });

  it('of a client that leaves does not leave a thread at work for ever', async () => {
    const pool = await start(ODD_WORKER, 1);
    const leaving = new AbortController();
    const stuck = pool.classify(order(3), 2, leaving.signal);
    leaving.abort(new Error('left'));
    await expect(stuck).rejects.toThrow('left');
    expect(await pool.classify(order(8), 2)).toEqual(answerOf(8));
  });

  it('at the deadline gives no work to a thread that is being ended, though its answer comes after all', async () => {
    const pool = await start(ODD_WORKER, 1);
    const deadline = new AbortController();
    const late = pool.classify(order(4), 2, deadline.signal);
    const next = pool.classify(order(5), 2);
    await Promise.resolve();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200); // the answer is there, and nobody has looked yet
    deadline.abort(new DOMException('late', 'TimeoutError'));
    await expect(late).rejects.toThrow('late');
    expect(await next).toEqual(answerOf(5));
  });
});

describe('a thread that crashes', () => {
  it.each([
    [1, 'a classifier thread crashed: out of luck'],
    [2, 'a classifier thread ended'],
  ])('by way %d fails its own request and is replaced', async (way, message) => {
    const pool = await start(ODD_WORKER, 1);
    const [crashed, after] = [pool.classify(order(way), 2), pool.classify(order(8), 2)];
    await expect(crashed).rejects.toThrow(message);
    expect(await after).toEqual(answerOf(8));
    expect(await pool.classify(order(9), 2)).toEqual(answerOf(9));
  });

  it('when it starts fails the pool', async () => {
    await expect(start(worker(`throw new Error('no memory');`), 2)).rejects.toThrow(
      'a classifier thread crashed: no memory',
    );
  });

  it('while its replacement starts leaves nothing waiting, and the next try mends the pool', async () => {
    const starts = new SharedArrayBuffer(4);
    const odd = { ...artifact, data: new Uint8Array(starts) };
    const file = worker(`import { workerData } from 'node:worker_threads';
      if (Atomics.add(new Int32Array(workerData.artifact.data.buffer), 0, 1) === 1) throw new Error('no memory');
      parentPort.postMessage({ ready: true });
      parentPort.on('message', ({ input }) => {
        if (input[0] === 2) process.exit();
        parentPort.postMessage({ answer: { predictions: [{ label: String(input[0]), score: 2 }] } });
      });`);
    const pool = await start(file, 1, odd);
    const requests = [pool.classify(order(2), 2), pool.classify(order(4), 2)];
    await expect(requests[0]).rejects.toThrow('a classifier thread ended');
    await expect(requests[1]).rejects.toThrow('no classifier thread is left: a classifier thread crashed: no memory');
    expect(await pool.classify(order(4), 2)).toEqual(answerOf(4));
  });
});

it('rejects what is not answered when it is closed', async () => {
  const pool = await start(ODD_WORKER, 1);
  const requests = [pool.classify(order(3), 2), pool.classify(order(4), 2)];
  const closed = pool.close();
  for (const request of requests) await expect(request).rejects.toThrow('the classifier pool was closed');
  await closed;
  await expect(pool.classify(order(4), 2)).rejects.toThrow('the classifier pool was closed');
});

/** The handler for edge hosts, and its bundle as it was built. */

import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { pack } from '../../../cli/compress/pack.ts';
import { quantizeTensors } from '../../../cli/compress/quantize.ts';
import { storedTensors } from '../../../cli/compress/stored-tensors.ts';
import { builtFolder } from '../../../cli/io/assets.ts';
import { readArtifact } from '../../../runtime/artifact/artifact.ts';
import { createEngine } from '../../../runtime/engine/engine.ts';
import { createEdgeHandler } from '../../../runtime/hosts/edge.ts';
import { nodeDecoders } from '../../../runtime/hosts/node-decoders.ts';
import { topPredictions } from '../../../runtime/http/inference.ts';
import { decodePicture } from '../../../runtime/preprocess/decode.ts';
import { prepareImage } from '../../../runtime/preprocess/normalize.ts';
import { readImagePreprocess } from '../../../runtime/preprocess/spec.ts';
import { description, preprocessing, smallVit } from '../../compress/small-vit.ts';
import { kernelsModule } from '../kernels-module.ts';

const { logits, values } = smallVit('low-rank');
const packed = await pack(logits, quantizeTensors(storedTensors(logits, values), logits), {
  ...description,
  preprocessing,
});
const picture = new Uint8Array(
  await sharp({ create: { width: 40, height: 30, channels: 3, background: '#a04020' } })
    .png()
    .toBuffer(),
);
const module = await kernelsModule();
const decoders = nodeDecoders(builtFolder());
const decode = (bytes: Uint8Array) => decodePicture(bytes, decoders);

const bundle = (await import(new URL('../../../dist/edge.mjs', import.meta.url).href)) as {
  createEdgeHandler: typeof createEdgeHandler;
};

describe.each([
  ['sources', createEdgeHandler],
  ['bundle', bundle.createEdgeHandler],
])('the edge handler of the %s', async (_, create) => {
  const handle = await create(packed, module, decode, { maxBodyBytes: 10_000 });
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await handle(new Request(`http://edge${path}`, init));
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const predict = (body: BodyInit, type: string, query = '') =>
    ask(`/v1/predict${query}`, { method: 'POST', body, headers: { 'content-type': type } });

  it('tells its health and its model', async () => {
    expect(await ask('/healthz')).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await ask('/v1/model')).toMatchObject({
      status: 200,
      body: { name: 'small-vit', labels: description.labels, bytes: packed.length },
    });
  });

  it('answers with what the engine computes', async () => {
    const input = prepareImage(await decode(picture), readImagePreprocess(preprocessing));
    const predictions = topPredictions(
      createEngine(await readArtifact(packed), module).infer({ pixels: input }),
      description,
      3,
    );
    const answer = { status: 200, body: { predictions, latencyMs: expect.any(Number) } };
    expect(await predict(picture, 'image/png', '?top_k=3')).toEqual(answer);
    expect(
      await predict(
        JSON.stringify({ inputs: Buffer.from(picture).toString('base64'), parameters: { top_k: 3 } }),
        'application/json',
      ),
    ).toEqual(answer);
  });

  it('tells a client what is wrong', async () => {
    expect(await predict(picture.slice(0, 50), 'image/png')).toMatchObject({
      status: 422,
      body: { code: 'truncated' },
    });
    expect(await predict(new Uint8Array(10_001), 'image/png')).toMatchObject({
      status: 413,
      body: { detail: 'the body is larger than 10000 bytes' },
    });
    expect(await predict('{', 'application/json')).toMatchObject({ status: 400 });
    expect(await predict('hello', 'text/plain')).toMatchObject({ status: 415 });
    expect(await ask('/v1/predict')).toMatchObject({ status: 405 });
    expect(await ask('/nothing')).toMatchObject({ status: 404, body: { detail: 'there is no /nothing' } });
  });

  it('refuses an artifact that is none', async () => {
    await expect(create(packed.subarray(0, 1000), module, decode)).rejects.toMatchObject({ name: 'ArtifactError' });
  });
});

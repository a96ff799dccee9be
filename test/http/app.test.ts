import { describe, expect, it } from 'vitest';
import { createApp } from '../../runtime/http/app.ts';
import type { Classifier, ModelInfo } from '../../runtime/http/classifier.ts';
import { pictureInput } from '../../runtime/http/picture-input.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';

const info: ModelInfo = { name: 'toy', task: 'image-classification', labels: ['ant', 'bee'], parameters: 3, macs: 5, bytes: 7, preprocessing: {} };

/** Answers with the length of what it was given. */
const model: Classifier<Uint8Array> = {
  info,
  input: pictureInput,
  classify: async (bytes, topK) => {
    if (bytes[0] === 0) throw new PreprocessError('truncated', 'a jpeg that ends too early (3 bytes)');
    if (bytes[0] === 1) throw new Error('secret: /home/someone/model.slim');
    return { predictions: [{ label: `${bytes.length} bytes`, score: 0.75 }, { label: 'bee', score: 0.25 }].slice(0, topK) };
  },
};

const failures: string[] = [];
const app = createApp(model, { maxBodyBytes: 100, onFailure: (error) => failures.push(error.message) });
const predict = (body: BodyInit | null, type: string, query = ''): Promise<Response> =>
  Promise.resolve(app.request(`/v1/predict${query}`, { method: 'POST', body, headers: type === '' ? {} : { 'content-type': type } }));
const json = (body: unknown, query = ''): Promise<Response> => predict(JSON.stringify(body), 'application/json', query);

async function expectProblem(response: Response, status: number, detail: string, extra: Record<string, unknown> = {}): Promise<void> {
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(await response.json()).toEqual({ status, detail: expect.stringContaining(detail), ...extra });
}

describe('GET', () => {
  it('/healthz', async () => {
    const response = await app.request('/healthz');
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }]);
  });

  it('/v1/model', async () => {
    expect(await (await app.request('/v1/model')).json()).toEqual(info);
  });
});

describe('POST /v1/predict', () => {
  it('takes a picture as the body', async () => {
    for (const type of ['image/jpeg', 'image/png', 'application/octet-stream', 'IMAGE/WEBP; q=1']) {
      const response = await predict(Uint8Array.of(9, 8, 7), type);
      expect([response.status, await response.json()])
        .toEqual([200, { predictions: [{ label: '3 bytes', score: 0.75 }, { label: 'bee', score: 0.25 }], latencyMs: expect.any(Number) }]);
    }
  });

  it('takes JSON, base64 or a data: URL', async () => {
    for (const image of ['CQgHBg==', 'data:image/png;base64,CQgHBg==']) {
      expect(await (await json({ image, topK: 1 })).json()).toEqual({ predictions: [{ label: '4 bytes', score: 0.75 }], latencyMs: expect.any(Number) });
    }
  });

  it('takes topK from the query', async () => {
    expect((await (await predict(Uint8Array.of(9), 'image/png', '?topK=1')).json()).predictions).toHaveLength(1);
    expect((await (await json({ image: 'CQgH' }, '?topK=1')).json()).predictions).toHaveLength(1);
  });

  it('refuses with problem details', async () => {
    await expectProblem(await predict('{', 'application/json'), 400, 'the body: expected JSON, got');
    await expectProblem(await json([]), 400, 'the body: expected an object, got []');
    await expectProblem(await json({}), 400, 'image: expected a string, got undefined');
    await expectProblem(await json({ image: '' }), 400, 'the picture is empty');
    await expectProblem(await json({ image: '%%%' }), 400, 'image: expected base64 or a data URL, got');
    await expectProblem(await json({ image: 'data:text/plain,hello' }), 400, 'image: expected base64 or a data URL, got');
    for (const topK of ['0', '-1', '1.5', 'many', '', '5000']) {
      await expectProblem(await predict(Uint8Array.of(9), 'image/png', `?topK=${topK}`), 400, 'topK: expected a whole number from 1 to 1000, got');
    }
    await expectProblem(await json({ image: 'CQgH', topK: '2' }), 400, 'topK: expected a whole number from 1 to 1000, got "2"');
    await expectProblem(await predict(new Uint8Array(), 'image/png'), 400, 'the picture is empty');
    await expectProblem(await predict('a=b', 'application/x-www-form-urlencoded'), 415, 'got application/x-www-form-urlencoded');
    await expectProblem(await predict(Uint8Array.of(9), ''), 415, 'got none');
    await expectProblem(await predict(new Uint8Array(101), 'image/png'), 413, 'larger than 100 bytes');
    await expectProblem(await predict(Uint8Array.of(0, 1, 2), 'image/jpeg'), 422, 'ends too early', { code: 'truncated' });
  });

  it('refuses a streamed body as soon as it is too long', async () => {
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        sent += 50;
        controller.enqueue(new Uint8Array(50));
      },
    });
    const request = new Request('http://localhost/v1/predict', { method: 'POST', body: endless, headers: { 'content-type': 'image/png' }, duplex: 'half' } as RequestInit);
    await expectProblem(await app.fetch(request), 413, 'larger than 100 bytes');
    expect(sent).toBeLessThan(1000);
  });

  it('keeps the reason of a failure inside', async () => {
    const response = await predict(Uint8Array.of(1), 'image/png');
    await expectProblem(response.clone(), 500, 'the prediction failed');
    expect(await response.text()).not.toContain('secret');
    expect(failures).toEqual(['secret: /home/someone/model.slim']);
  });
});

describe('elsewhere', () => {
  it('404 and 405 are problem details too', async () => {
    await expectProblem(await app.request('/nowhere'), 404, 'there is no /nowhere');
    const wrongMethod = await app.request('/v1/predict');
    expect(wrongMethod.headers.get('allow')).toBe('POST');
    await expectProblem(wrongMethod, 405, 'expected POST, got GET');
    await expectProblem(await app.request('/healthz', { method: 'DELETE' }), 405, 'expected GET, HEAD, got DELETE');
  });

  it('HEAD is answered', async () => {
    expect((await app.request('/healthz', { method: 'HEAD' })).status).toBe(200);
  });
});

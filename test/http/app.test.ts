/** The HTTP app with a model whose answers are known: what every route takes, refuses, logs and counts. */
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../runtime/http/access.ts';
import { type AppOptions, createApp, type LogEntry } from '../../runtime/http/app.ts';
import type { Classifier, ModelInfo } from '../../runtime/http/classifier.ts';
import { pictureInput } from '../../runtime/http/picture-input.ts';
import { type TextInput, textInput } from '../../runtime/http/text-input.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';

const info: ModelInfo = {
  name: 'toy',
  task: 'image-classification',
  architecture: 'vit',
  labels: ['ant', 'bee'],
  problemType: 'single_label_classification',
  precision: 'int8',
  rank: 4,
  parameters: 3,
  macs: 5,
  teacher: { parameters: 30, macs: 50 },
  accuracy: [{ stage: 'teacher', accuracy: 0.75, samples: 8 }],
  bytes: 7,
  digest: 'sha256:00',
  preprocessing: {},
};
const LABELS = [
  { label: 'ant', score: 0.75 },
  { label: 'bee', score: 0.25 },
];

/** Answers with the length of what it was given; a first byte of 0, 1 or 2 fails, or never ends. */
const pictures: Classifier<Uint8Array> = {
  info,
  input: pictureInput,
  classify: async (bytes, topK) => {
    if (bytes[0] === 0) throw new PreprocessError('truncated', 'a jpeg that ends too early (3 bytes)');
    if (bytes[0] === 1) throw new Error('secret: /home/someone/model.slim');
    if (bytes[0] === 2) return new Promise(() => undefined);
    return { predictions: [{ label: `${bytes.length} bytes`, score: 0.75 }, LABELS[1]].slice(0, topK) };
  },
};

/** Answers with the text itself. */
const texts: Classifier<TextInput> = {
  info: { ...info, task: 'text-classification' },
  input: textInput,
  classify: async ({ text, pair }, topK) => ({
    predictions: [{ label: pair === null ? text : `${text} | ${pair}`, score: 1 }, LABELS[1]].slice(0, topK),
  }),
};

interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
}

function client(options: AppOptions = {}, model: Classifier<any> | Promise<Classifier<any>> = pictures) {
  const app = createApp<any>(model, options);
  const ask = async (path: string, init: RequestInit & { client?: string } = {}): Promise<Asked> => {
    const response = await app.fetch(new Request(`http://slim${path}`, init), { client: init.client });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text !== '' && /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : text,
    };
  };
  const post = (
    body: BodyInit,
    type: string,
    path = '/v1/predict',
    headers: Record<string, string> = {},
  ): Promise<Asked> =>
    ask(path, { method: 'POST', body, headers: { ...(type === '' ? {} : { 'content-type': type }), ...headers } });
  const json = (body: unknown, path?: string): Promise<Asked> => post(JSON.stringify(body), 'application/json', path);
  return { app, ask, post, json };
}

function expectProblem(
  { status, headers, body }: Asked,
  expected: number,
  detail: string,
  extra: Record<string, unknown> = {},
): void {
  expect(body).toMatchObject({
    type: 'about:blank',
    status: expected,
    detail: expect.stringContaining(detail) as string,
    ...extra,
  });
  expect(body.title).toMatch(/^[A-Z]/);
  expect(status).toBe(expected);
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(body.requestId).toBe(headers.get('x-request-id'));
}

const answered = (...predictions: unknown[]) => ({
  status: 200,
  body: { predictions, latencyMs: expect.any(Number) as number },
});

describe('GET', () => {
  const { ask } = client({ page: '<!doctype html><style>p{}</style><script type="module">1</script>' });

  it.each([
    ['/healthz', { status: 'ok' }],
    ['/readyz', { status: 'ready' }],
    ['/v1/model', info],
  ])('%s', async (path, body) => {
    expect(await ask(path)).toMatchObject({ status: 200, body });
    expect(await ask(path, { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });

  it('/ is the page, and its policy lets nothing run but what is in it', async () => {
    const { headers, body } = await ask('/');
    expect([headers.get('content-type'), body]).toEqual([
      'text/html; charset=UTF-8',
      expect.stringContaining('<!doctype html>'),
    ]);
    // printf %s 1 | openssl dgst -sha256 -binary | base64, and of p{}
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='; " +
        "style-src 'sha256-gG2yISYereRMiG2lMXrbiUgi0Ubw9p7QCeWcroOvy9Y='; " +
        "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
  });

  it('/openapi.json is valid OpenAPI that names every route', async () => {
    for (const model of [pictures, texts]) {
      for (const tokenDigest of [undefined, 'x']) {
        const { app, ask } = client({ tokenDigest }, model);
        const { body } = await ask('/openapi.json');
        expect(await new Validator().validate(structuredClone(body))).toMatchObject({ valid: true });
        const documented = Object.entries(body.paths).flatMap(([path, operations]) =>
          Object.keys(operations as object).map((method) => `${method.toUpperCase()} ${path}`),
        );
        const routes = [
          ...new Set(
            app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`),
          ),
        ];
        expect(documented.sort()).toEqual(routes.filter((route) => route !== 'GET /openapi.json').sort());
      }
    }
  });

  it.each(['/v1/model', '/', '/nowhere', '/v1/predict'])('has headers that browsers heed: %s', async (path) => {
    const { headers } = await ask(path);
    expect(
      Object.fromEntries(
        ['x-content-type-options', 'x-frame-options', 'referrer-policy', 'cache-control'].map((name) => [
          name,
          headers.get(name),
        ]),
      ),
    ).toEqual({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
  });
});

describe('POST /v1/predict of pictures', () => {
  const { ask, post, json } = client({ maxBodyBytes: 1000 });
  const three = [{ label: '3 bytes', score: 0.75 }, LABELS[1]];

  it('takes one as the body', async () => {
    for (const type of ['image/jpeg', 'image/png', 'application/octet-stream', 'IMAGE/WEBP; q=1'])
      expect(await post(Uint8Array.of(9, 8, 7), type)).toMatchObject(answered(...three));
  });

  it('takes base64 or a data URL in JSON', async () => {
    for (const inputs of ['CQgH', 'data:image/png;base64,CQgH'])
      expect(await json({ inputs, parameters: { top_k: 1 } })).toMatchObject(answered(three[0]));
    expect(
      await json({ inputs: 'CQgH', parameters: { function_to_apply: 'softmax' }, options: { wait_for_model: true } }),
    ).toMatchObject(answered(...three));
  });

  it('takes lists, and answers with one', async () => {
    const { status, body } = await json({ inputs: ['CQgH', 'CQ=='], parameters: { top_k: 1 } });
    expect([status, body]).toEqual([
      200,
      {
        results: [{ predictions: [three[0]] }, { predictions: [{ label: '1 bytes', score: 0.75 }] }],
        latencyMs: expect.any(Number),
      },
    ]);
    expect((await json({ inputs: ['CQgH'] })).body.results).toHaveLength(1);
  });

  it('takes forms', async () => {
    const form = new FormData();
    form.set('picture', new File([Uint8Array.of(9, 8, 7)], 'a.png', { type: 'image/png' }));
    form.set('top_k', '1');
    expect(await ask('/v1/predict', { method: 'POST', body: form })).toMatchObject(answered(three[0]));
    form.append('picture', new File([Uint8Array.of(9)], 'b.png'));
    expect(
      (await ask('/v1/predict', { method: 'POST', body: form })).body.results.map(
        ({ predictions }: any) => predictions[0].label,
      ),
    ).toEqual(['3 bytes', '1 bytes']);
  });

  it('says which of several pictures is broken', async () => {
    expect(await json({ inputs: ['CQgH', 'AAAA'] })).toMatchObject({
      status: 422,
      body: { detail: 'inputs[1]: a jpeg that ends too early (3 bytes)', code: 'truncated' },
    });
    expect(await json({ inputs: ['AAAA'] })).toMatchObject({
      body: { detail: 'a jpeg that ends too early (3 bytes)' },
    });
  });

  it('takes top_k from the query first', async () => {
    expect((await post(Uint8Array.of(9), 'image/png', '/v1/predict?top_k=1')).body.predictions).toHaveLength(1);
    expect(
      (await json({ inputs: 'CQgH', parameters: { top_k: 2 } }, '/v1/predict?top_k=1')).body.predictions,
    ).toHaveLength(1);
  });

  it.each<[string, unknown, string]>([
    ['a list as the body', [], 'the body: expected an object, got []'],
    ['no inputs', {}, 'inputs: expected a string, got undefined'],
    ['an empty picture', { inputs: '' }, 'the picture is empty'],
    ['no base64', { inputs: '%%%' }, 'inputs: expected base64 or a data URL, got'],
    ['no base64 in a list', { inputs: ['CQgH', 7] }, 'inputs[1]: expected a string, got 7'],
    ['an empty list', { inputs: [] }, 'inputs: expected a list of 1 to 64, got []'],
    ['a list too long', { inputs: Array.from({ length: 65 }, () => '') }, 'inputs: expected a list of 1 to 64'],
    ['a data URL of something else', { inputs: 'data:text/plain,hello' }, 'inputs: expected base64 or a data URL, got'],
    ['a misspelt field', { inputs: 'CQgH', parameter: {} }, 'the body: unknown field "parameter"'],
    ['a misspelt parameter', { inputs: 'CQgH', parameters: { topK: 1 } }, 'parameters: unknown field "topK"'],
    [
      'top_k as text',
      { inputs: 'CQgH', parameters: { top_k: '2' } },
      'parameters.top_k: expected a whole number from 1 to 1000, got "2"',
    ],
    [
      'another function',
      { inputs: 'CQgH', parameters: { function_to_apply: 'sigmoid' } },
      'parameters.function_to_apply: expected softmax, got "sigmoid"',
    ],
  ])('refuses %s', async (_, body, detail) => {
    expectProblem(await json(body), 400, detail);
  });

  it('takes a body without a type for bytes', async () => {
    expect((await post(Uint8Array.of(9, 9), '')).body.predictions[0].label).toBe('2 bytes');
    expect((await post(new Blob([Uint8Array.of(9)]), '')).body.predictions[0].label).toBe('1 bytes');
  });

  it('refuses bodies that are none', async () => {
    expectProblem(await post('{', 'application/json'), 400, 'the body: expected JSON, got');
    expectProblem(await post('x', 'multipart/form-data'), 400, 'expected a form, with the boundary');
    expectProblem(await post('x', 'multipart/form-data; boundary=a'), 400, 'expected a form, with the boundary');
    expectProblem(await post(new Uint8Array(), 'image/png'), 400, 'the picture is empty');
    for (const topK of ['0', '-1', '1.5', 'many', '', '%20', '5000', '1e400']) {
      expectProblem(
        await post(Uint8Array.of(9), 'image/png', `/v1/predict?top_k=${topK}`),
        400,
        'top_k: expected a whole number from 1 to 1000, got',
      );
    }
    expectProblem(await post(new Uint8Array(1001), 'image/png'), 413, 'larger than 1000 bytes');
    expectProblem(await post(Uint8Array.of(0, 1, 2), 'image/jpeg'), 422, 'ends too early', { code: 'truncated' });
  });

  it('refuses a streamed body that has no end', async () => {
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        sent += 50;
        controller.enqueue(new Uint8Array(50));
      },
    });
    expectProblem(
      await ask('/v1/predict', {
        method: 'POST',
        body: endless,
        headers: { 'content-type': 'image/png' },
        duplex: 'half',
      } as RequestInit),
      413,
      'larger than 1000 bytes',
    );
    expect(sent).toBeLessThan(10_000);
  });
});

describe('POST /v1/predict of texts', () => {
  const { ask, post, json } = client({}, texts);

  it('takes one as the body, in JSON, as a form; pairs and lists', async () => {
    const film = answered({ label: 'a film', score: 1 }, LABELS[1]);
    expect(await post('a film', 'text/plain;charset=utf-8')).toMatchObject(film);
    expect(await json({ inputs: 'a film' })).toMatchObject(film);
    const form = new FormData();
    form.set('inputs', 'a film');
    expect(await ask('/v1/predict', { method: 'POST', body: form })).toMatchObject(film);
    expect(await json({ inputs: { text: 'a', text_pair: 'b' } })).toMatchObject(
      answered({ label: 'a | b', score: 1 }, LABELS[1]),
    );
    const { body } = await json({ inputs: ['x', { text: 'y' }], parameters: { top_k: 1 } });
    expect(body.results).toEqual([
      { predictions: [{ label: 'x', score: 1 }] },
      { predictions: [{ label: 'y', score: 1 }] },
    ]);
  });

  it('refuses what is none', async () => {
    expectProblem(await post(Uint8Array.of(0xff), 'text/plain'), 400, 'the text: expected UTF-8');
    expectProblem(await json({ inputs: { text: 'a', pair: 'b' } }), 400, 'inputs: unknown field "pair"');
    expectProblem(await json({ inputs: [{ text: 1 }] }), 400, 'inputs[0].text: expected a string, got 1');
    expectProblem(await post('a', 'image/png'), 415, 'expected text/plain, multipart/form-data or application/json');
  });
});

describe('failures', () => {
  it('of the log cost no answer', async () => {
    const { ask } = client({
      log() {
        throw new Error('the disk of the log is full');
      },
    });
    expect((await ask('/healthz')).status).toBe(200);
  });

  it('stay inside: the client gets 500, the log the reason', async () => {
    const log: LogEntry[] = [];
    const { post } = client({ log: (entry) => log.push(entry) });
    const response = await post(Uint8Array.of(1), 'image/png', '/v1/predict', { 'x-request-id': 'abc-1' });
    expectProblem(response, 500, 'the prediction failed', { requestId: 'abc-1' });
    expect(JSON.stringify(response.body)).not.toContain('secret');
    expect(log).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        level: 'error',
        requestId: 'abc-1',
        method: 'POST',
        route: '/v1/predict',
        status: 500,
        durationMs: expect.any(Number),
        error: expect.stringContaining('secret: /home/someone/model.slim'),
      },
    ]);
  });

  it('elsewhere are problems too', async () => {
    const { ask } = client();
    expectProblem(await ask('/nowhere'), 404, 'there is no /nowhere');
    const wrong = await ask('/v1/predict');
    expect(wrong.headers.get('allow')).toBe('POST');
    expectProblem(wrong, 405, 'expected POST, got GET');
    expectProblem(await ask('/healthz', { method: 'DELETE' }), 405, 'expected GET, HEAD, got DELETE');
    expectProblem(await ask('/'), 405, 'expected POST, got GET'); // where no page is given
  });
});

describe('a token', () => {
  it('is asked for wherever the model answers, and nowhere else', async () => {
    const log: LogEntry[] = [];
    const { ask, post } = client({
      tokenDigest: await digestOf('open sesame'.replace(' ', '-')),
      log: (entry) => log.push(entry),
      page: '',
    });
    const authorization = (value: string) => ({ headers: { authorization: value } });
    for (const path of ['/v1/model', '/metrics']) {
      const refused = await ask(path);
      expectProblem(refused, 401, 'expected Authorization: Bearer TOKEN');
      expect(refused.headers.get('www-authenticate')).toBe('Bearer');
      expectProblem(await ask(path, authorization('Basic b3Blbi1zZXNhbWU=')), 401, 'expected Authorization');
      expectProblem(await ask(path, authorization('Bearer close-sesame')), 403, 'not the one');
      expect((await ask(path, authorization('Bearer open-sesame'))).status).toBe(200);
    }
    for (const path of ['/v1/predict', '/']) {
      expectProblem(await post(Uint8Array.of(9), 'image/png', path), 401, 'expected Authorization');
      expect((await post(Uint8Array.of(9), 'image/png', path, { authorization: 'bearer open-sesame' })).status).toBe(
        200,
      );
    }
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/']) expect((await ask(path)).status).toBe(200);
    expect(JSON.stringify(log)).not.toMatch(/sesame/);
  });
});

describe('limits', () => {
  it('on requests of a client in a minute', async () => {
    const { ask } = client({ ratePerMinute: 2 });
    const asked = async (name: string) => (await ask('/v1/model', { client: name })).status;
    expect([await asked('a'), await asked('a'), await asked('a'), await asked('b')]).toEqual([200, 200, 429, 200]);
    const refused = await ask('/v1/model', { client: 'a' });
    expectProblem(refused, 429, 'more than 2 requests in a minute');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(25);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(30);
    expect((await ask('/healthz', { client: 'a' })).status).toBe(200);
  });

  it('on how long an answer may take', async () => {
    const { post } = client({ deadlineMs: 20 });
    expectProblem(await post(Uint8Array.of(2), 'image/png'), 504, 'no answer within 20 ms');
  });

  it('on how many are pending; the next is admitted when one has ended', async () => {
    const { post, json } = client({ maxPending: 2, deadlineMs: 200 });
    const pending = [post(Uint8Array.of(2), 'image/png'), post(Uint8Array.of(2), 'image/png')];
    await new Promise((resolve) => setTimeout(resolve, 50));
    const refused = await post(Uint8Array.of(9), 'image/png');
    expectProblem(refused, 503, '2 predictions are pending', { code: 'busy' });
    expect(refused.headers.get('retry-after')).toBe('1');
    await Promise.all(pending);
    expect((await post(Uint8Array.of(9), 'image/png')).status).toBe(200);
    expect((await json({ inputs: ['CQgH', 'CQgH', 'CQgH'] })).status).toBe(200); // a list longer than the limit, alone
  });

  it('on what all bodies take together, given back when they have come', async () => {
    const { ask, post } = client({ maxBodyBytes: 1000 });
    const controllers: ReadableStreamDefaultController[] = [];
    const slowly = () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue(new Uint8Array(1000).fill(9));
          controllers.push(controller);
        },
      });
    const coming = Array.from({ length: 64 }, () =>
      ask('/v1/predict', {
        method: 'POST',
        body: slowly(),
        headers: { 'content-type': 'image/png' },
        duplex: 'half',
      } as RequestInit),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    expectProblem(await post(Uint8Array.of(9), 'image/png'), 503, 'too many requests are being received');
    for (const controller of controllers) controller.close();
    // maxPending admits half of them.
    expect((await Promise.all(coming)).filter(({ status }) => status === 200).length).toBe(32);
    expect((await post(Uint8Array.of(9), 'image/png')).status).toBe(200);
  });

  it.each([
    [1, undefined],
    [3, 3],
    [5, Infinity],
  ])('on how many inputs of a list are worked on: %d', async (most, parallel) => {
    let running = 0;
    let seen = 0;
    const counting: Classifier<Uint8Array> = {
      ...pictures,
      parallel,
      classify: async (bytes) => {
        seen = Math.max(seen, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
        return { predictions: [{ label: `${bytes[0]}`, score: 1 }] };
      },
    };
    const { json } = client({}, counting);
    const inputs = [1, 2, 3, 4, 5].map((byte) => btoa(String.fromCharCode(byte)));
    expect((await json({ inputs })).body.results.map(({ predictions }: any) => predictions[0].label)).toEqual([
      '1',
      '2',
      '3',
      '4',
      '5',
    ]);
    expect(seen).toBe(most);
  });

  it('and nothing is computed for a client that has left', async () => {
    const log: LogEntry[] = [];
    const { ask } = client({ log: (entry) => log.push(entry) });
    const leaving = new AbortController();
    const asking = ask('/v1/predict', {
      method: 'POST',
      body: Uint8Array.of(2),
      headers: { 'content-type': 'image/png' },
      signal: leaving.signal,
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    leaving.abort();
    await asking;
    expect(log).toMatchObject([{ status: 499 }]);
  });
});

describe('while the model loads', () => {
  it('answers that it runs, and 503 to all else', async () => {
    let finish = (_: Classifier<Uint8Array>): void => undefined;
    const loading = new Promise<Classifier<Uint8Array>>((resolve) => {
      finish = resolve;
    });
    const { ask, post } = client({}, loading);
    expect((await ask('/healthz')).status).toBe(200);
    for (const path of ['/readyz', '/v1/model', '/openapi.json'])
      expectProblem(await ask(path), 503, 'the model is loading', { code: 'loading' });
    expectProblem(await post(Uint8Array.of(9), 'image/png'), 503, 'the model is loading');
    finish(pictures);
    await loading;
    expect((await ask('/readyz')).status).toBe(200);
    expect((await post(Uint8Array.of(9), 'image/png')).status).toBe(200);
  });

  it('a failure to load is left to the host', async () => {
    const failed = Promise.reject(new Error('no such model'));
    const { ask } = client({}, failed);
    await expect(failed).rejects.toThrow('no such model');
    expectProblem(await ask('/readyz'), 503, 'the model is loading');
  });
});

describe('CORS', () => {
  const preflight = {
    method: 'OPTIONS',
    headers: {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  };

  it('is closed unless asked for', async () => {
    const { ask } = client();
    expect((await ask('/v1/predict', preflight)).status).toBe(405);
    expect(
      (await ask('/v1/model', { headers: { origin: 'https://app.example' } })).headers.get(
        'access-control-allow-origin',
      ),
    ).toBeNull();
  });

  it('lets the origins that are named, preflights without a token', async () => {
    const { ask } = client({ corsOrigins: ['https://app.example'], tokenDigest: 'x' });
    const allowed = await ask('/v1/predict', preflight);
    expect([
      allowed.status,
      allowed.headers.get('access-control-allow-origin'),
      allowed.headers.get('access-control-allow-headers'),
    ]).toEqual([204, 'https://app.example', 'authorization,content-encoding,content-type,x-request-id']);
    expect(
      (await ask('/healthz', { headers: { origin: 'https://other.example' } })).headers.get(
        'access-control-allow-origin',
      ),
    ).toBeNull();
    const refused = await ask('/v1/model', { headers: { origin: 'https://app.example' } });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, 'https://app.example']);
    const all = await client({ corsOrigins: ['*'] }).ask('/healthz', { headers: { origin: 'https://other.example' } });
    expect(all.headers.get('access-control-allow-origin')).toBe('*');
  });
});

describe('GET /metrics', () => {
  it('counts requests by route and status, predictions, and tells what the host measures', async () => {
    const { ask, post, json } = client({
      gauges: () => [{ name: 'up', help: 'A "gauge".', value: 1, labels: { of: 'a"\\\n' } }],
    });
    await post(Uint8Array.of(9), 'image/png');
    await json({ inputs: ['CQgH', 'CQgH'] });
    await json({});
    await ask('/etc/passwd');
    const { headers, body } = await ask('/metrics');
    expect(headers.get('content-type')).toBe('text/plain; charset=UTF-8');
    const lines = (body as string).split('\n');
    for (const line of [
      '# TYPE slim_requests_total counter',
      'slim_requests_total{route="/v1/predict",status="200"} 2',
      'slim_requests_total{route="/v1/predict",status="400"} 1',
      'slim_requests_total{route="other",status="404"} 1',
      'slim_predictions_total 3',
      '# TYPE slim_request_duration_seconds histogram',
      'slim_request_duration_seconds_bucket{le="+Inf"} 4',
      'slim_request_duration_seconds_count 4',
      'slim_predict_duration_seconds_count 2',
      'slim_predictions_pending 0',
      'up{of="a\\"\\\\\\n"} 1',
    ])
      expect(lines).toContain(line);
    // Every line is one of Prometheus' text format.
    for (const line of lines.slice(0, -1))
      expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[^}]*\})? [\d.e+-]+)$/);
  });
});

describe("Hugging Face's answers at POST /", () => {
  it('of a picture: a list; of texts: a list of lists', async () => {
    const pictureApp = client();
    expect((await pictureApp.post(Uint8Array.of(9, 8, 7), 'image/png', '/')).body).toEqual([
      { label: '3 bytes', score: 0.75 },
      LABELS[1],
    ]);
    expect((await pictureApp.json({ inputs: ['CQgH'] }, '/')).body).toEqual([
      [{ label: '3 bytes', score: 0.75 }, LABELS[1]],
    ]);
    const textApp = client({}, texts);
    expect((await textApp.json({ inputs: 'x', parameters: { top_k: 1 } }, '/')).body).toEqual([
      [{ label: 'x', score: 1 }],
    ]);
    expect((await textApp.json({ inputs: ['x', 'y'], parameters: { top_k: 1 } }, '/')).body).toEqual([
      [{ label: 'x', score: 1 }],
      [{ label: 'y', score: 1 }],
    ]);
  });
});

describe('options out of range', () => {
  it.each<[AppOptions, string]>([
    [{ deadlineMs: Infinity }, 'deadlineMs: expected 1 to 2147483647, got Infinity'],
    [{ deadlineMs: 0 }, 'deadlineMs: expected 1 to 2147483647, got 0'],
    [{ maxPending: 0 }, 'maxPending: expected 1 to 9007199254740991, got 0'],
    [{ maxBodyBytes: Number.NaN }, 'maxBodyBytes: expected 1 to 9007199254740991, got NaN'],
    [{ ratePerMinute: 0.5 }, 'ratePerMinute: expected 1 to 9007199254740991, got 0.5'],
  ])('%o', (options, message) => {
    expect(() => createApp(pictures, options)).toThrow(new RangeError(message));
  });
});

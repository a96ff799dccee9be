/**
 * Requests that nobody would send: whatever comes, the answer is a prediction or a problem of the client's, and the
 * server goes on.
 */
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pack } from '../../cli/compress/pack.ts';
import { quantizeTensors } from '../../cli/compress/quantize.ts';
import { storedTensors } from '../../cli/compress/stored-tensors.ts';
import { builtFolder } from '../../cli/io/assets.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { nodeDecoders } from '../../runtime/hosts/node-decoders.ts';
import { createTaskClassifier } from '../../runtime/hosts/task-classifier.ts';
import { type App, createApp, type LogEntry } from '../../runtime/http/app.ts';
import { description, preprocessing, smallVit } from '../compress/small-vit.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { smallTextArtifact } from '../runtime/text/small-tokenizer.ts';

const RUNS = Number(process.env.SLIM_FUZZ_REQUESTS ?? 5000); // for each of two models
const SEED = Number(process.env.SLIM_FUZZ_SEED ?? 2026);
const BOUNDARY = 'xxBOUNDARYxx';

interface FuzzedRequest {
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

let pictures: Uint8Array[] = [];

beforeAll(async () => {
  const png = sharp({ create: { width: 30, height: 20, channels: 3, background: '#a04020' } });
  pictures = await Promise.all(
    [png.clone().jpeg().toBuffer(), png.clone().png().toBuffer(), png.clone().webp().toBuffer()].map(
      async (made) => new Uint8Array(await made),
    ),
  );
});

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A picture with some bytes changed, cut or added. */
const spoiltPicture = fc
  .tuple(
    fc.nat(2),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
    fc.option(fc.nat(), { freq: 1 }),
    fc.uint8Array({ maxLength: 4 }),
  )
  .map(([which, changes, cut, tail]) => {
    const bytes = Uint8Array.from(pictures[which]);
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return Uint8Array.from([...(cut === null ? bytes : bytes.subarray(0, cut % bytes.length)), ...tail]);
  });

const base64 = spoiltPicture.map((bytes) => Buffer.from(bytes).toString('base64'));
const anyInput = fc.oneof(
  fc.string({ unit: 'binary' }),
  base64,
  fc.anything(),
  fc.record({ text: fc.oneof(fc.string(), fc.anything()), text_pair: fc.anything() }, { requiredKeys: [] }),
);
const jsonBody = fc
  .oneof(
    fc.record(
      {
        inputs: fc.oneof(anyInput, fc.array(anyInput, { maxLength: 70 })),
        parameters: fc.oneof(fc.record({ top_k: fc.oneof(fc.integer(), fc.anything()) }), fc.anything()),
        options: fc.anything(),
      },
      { requiredKeys: [] },
    ),
    fc.anything(),
    fc.jsonValue(),
  )
  .map((value) =>
    utf8(JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}` : part)) ?? ''),
  );
const form = fc
  .array(fc.tuple(fc.string(), fc.string(), fc.oneof(fc.uint8Array(), spoiltPicture)), { maxLength: 4 })
  .chain((fields) =>
    fc.constantFrom(...['\r\n', '\n', '']).map((end) => {
      const parts = fields.flatMap(([name, file, value]) => [
        utf8(`--${BOUNDARY}${end}content-disposition: form-data; name="${name}"; filename="${file}"${end}${end}`),
        value,
        utf8(end),
      ]);
      return Buffer.concat([...parts, utf8(`--${BOUNDARY}--${end}`)]);
    }),
  );
const types = [
  'application/json',
  'image/png',
  'application/octet-stream',
  'text/plain',
  `multipart/form-data; boundary=${BOUNDARY}`,
];
const payload = fc.oneof(
  fc.tuple(fc.constantFrom('image/png', 'image/jpeg', 'application/octet-stream'), spoiltPicture),
  fc.tuple(fc.constantFrom('text/plain', 'text/plain; charset=utf-8'), fc.string({ unit: 'grapheme' }).map(utf8)),
  fc.tuple(
    fc.constant('application/json'),
    fc.oneof(
      jsonBody,
      jsonBody.map((bytes) => bytes.subarray(0, -1)),
    ),
  ),
  fc.tuple(fc.constant(`multipart/form-data; boundary=${BOUNDARY}`), form),
  fc.tuple(
    fc.oneof(
      fc.constantFrom(...types, 'application/json; charset=utf-16', 'multipart/form-data', 'image/', ''),
      fc.stringMatching(/^[ -~]{0,30}$/),
    ),
    fc.oneof(fc.uint8Array({ maxLength: 200 }), spoiltPicture, jsonBody, form, fc.string().map(utf8)),
  ),
);

const header = fc.stringMatching(/^[ -~]{0,40}$/);
const path = fc.oneof(
  { weight: 16, arbitrary: fc.constantFrom('/v1/predict', '/') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '/v1/model',
      '/healthz',
      '/metrics',
      '/v1/predict/',
      '//',
      '/v1/../metrics',
      '/%00',
      '/%ff',
      '/__proto__',
      '/constructor',
    ),
  },
  { weight: 1, arbitrary: fc.webPath().map((text) => text || '/') },
);
const query = fc.oneof(
  { weight: 8, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: fc
      .oneof(fc.integer(), fc.double(), fc.string({ unit: 'grapheme' }))
      .map((value) => `?top_k=${encodeURIComponent(value)}`),
  },
  { weight: 1, arbitrary: fc.webQueryParameters().map((text) => `?${text}`) },
);

const fuzzed: fc.Arbitrary<FuzzedRequest> = fc
  .record({
    path: fc.tuple(path, query).map((parts) => parts.join('')),
    method: fc.oneof(
      { weight: 14, arbitrary: fc.constant('POST') },
      { weight: 1, arbitrary: fc.constantFrom('GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS') },
    ),
    payload,
    odd: fc.record({ 'x-request-id': header, authorization: header, 'content-length': header }, { requiredKeys: [] }),
  })
  .map(({ payload: [type, body], odd, ...request }) => ({
    ...request,
    body,
    headers: { ...odd, 'content-type': type },
  }));

async function send(app: App, { path, method, headers, body }: FuzzedRequest): Promise<Response> {
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return app.fetch(
    new Request(`http://slim${path}`, { method, headers, ...(hasBody && { body: new Uint8Array(body) }) }),
  );
}

describe.each(['pictures', 'texts'])('a model for %s', (kind) => {
  const failures: LogEntry[] = [];
  const statuses = new Map<number, number>();
  let app: App;

  beforeAll(async () => {
    const { logits, values } = smallVit('low-rank');
    const packed =
      kind === 'texts'
        ? await smallTextArtifact()
        : await pack(logits, quantizeTensors(storedTensors(logits, values), logits), { ...description, preprocessing });
    const model = await createTaskClassifier(
      await readArtifact(packed),
      await kernelsModule(),
      nodeDecoders(builtFolder()),
    );
    app = createApp(model, { log: (entry) => entry.level === 'error' && failures.push(entry) });
  });

  afterAll(() =>
    console.log(
      `${kind}, seed ${SEED}: ${[...statuses]
        .sort(([a], [b]) => a - b)
        .map(([status, count]) => `${count} × ${status}`)
        .join(', ')}`,
    ),
  );

  it(`gives ${RUNS} fuzzed requests answers, or problems that are theirs`, async () => {
    await fc.assert(
      fc.asyncProperty(fuzzed, async (request) => {
        const response = await send(app, request);
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
        expect(failures).toEqual([]);
        expect(response.headers.get('x-request-id')).toMatch(/^[\w=-]{1,255}$/);
        const text = await response.text();
        if (response.status === 200) return;
        expect(response.status).toBeGreaterThanOrEqual(400);
        expect(response.status).toBeLessThan(500);
        expect(response.headers.get('content-type')).toBe('application/problem+json');
        if (request.method === 'HEAD') return;
        expect(JSON.parse(text)).toMatchObject({
          type: 'about:blank',
          status: response.status,
          detail: expect.stringMatching(/./),
          requestId: response.headers.get('x-request-id'),
        });
        expect(text).not.toMatch(/\bat .*:\d+:\d+/); // no stack
      }),
      { numRuns: RUNS, seed: SEED },
    );
  }, 300_000);

  it('still answers afterwards', async () => {
    const asked =
      kind === 'texts'
        ? { type: 'text/plain', body: utf8('not a good film') }
        : { type: 'image/png', body: pictures[1] };
    const response = await send(app, {
      path: '/v1/predict',
      method: 'POST',
      headers: { 'content-type': asked.type },
      body: asked.body,
    });
    expect(response.status).toBe(200);
    const { predictions } = (await response.json()) as { predictions: { score: number }[] };
    expect(predictions.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 9);
    expect(statuses.get(200)).toBeGreaterThan(RUNS / 50); // the fuzzing reached the model
  });
});

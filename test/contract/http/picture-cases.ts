/**
 * What a model for pictures is asked: served to everybody, in bodies of up to 200,000 bytes, also from pages of
 * https://app.example.
 */
import { deflateSync, gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import type { Artifact } from '../../../runtime/artifact/artifact.ts';
import type { Engine } from '../../../runtime/engine/engine.ts';
import type { Prediction } from '../../../runtime/http/classifier.ts';
import { modelInfo } from '../../../runtime/http/inference.ts';
import { prepareImage } from '../../../runtime/preprocess/normalize.ts';
import { readImagePreprocess } from '../../../runtime/preprocess/spec.ts';
import { chunked, type HttpCase, post, postForm, postJson, problem } from './case.ts';
import { commonCases } from './common-cases.ts';
import { answer, answers, predictionsOf } from './expected.ts';
import type { HostSettings } from './host.ts';
import type { PictureFile, PictureFiles } from './pictures.ts';

export const PICTURE_SETTINGS = {
  corsOrigins: ['https://app.example'],
  maxBodyBytes: 2_000_000,
} as const satisfies HostSettings;

const packed = (bytes: Uint8Array, encoding: 'gzip' | 'deflate'): Uint8Array<ArrayBuffer> =>
  new Uint8Array(encoding === 'gzip' ? gzipSync(bytes) : deflateSync(bytes));

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

export function pictureCases(artifact: Artifact, engine: Engine, { good, odd }: PictureFiles): HttpCase[] {
  const spec = readImagePreprocess(artifact.manifest.preprocessing);
  const of = ({ picture }: PictureFile, topK?: number): Prediction[] =>
    predictionsOf(artifact, engine, { pixels: prepareImage(picture, spec) }, topK);
  const ok = (body: unknown): HttpCase['expected'] => ({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body,
  });
  const bytes =
    ({ bytes: body }: PictureFile) =>
    (): BodyInit =>
      body;
  const refused = (name: string, picture: Uint8Array<ArrayBuffer>, code: string, detail: string): HttpCase => ({
    name,
    path: '/v1/predict',
    request: post(() => picture, 'image/png'),
    expected: problem(422, detail, { code }),
  });
  const wrong = (name: string, body: unknown, detail: string): HttpCase => ({
    name,
    path: '/v1/predict',
    request: postJson(body),
    expected: problem(400, detail),
  });
  const preflight = (origin: string) => () => ({
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
  });

  return [
    ...commonCases(modelInfo(artifact), {}),

    {
      name: 'a PNG',
      path: '/v1/predict',
      request: post(bytes(good.png), 'image/png'),
      expected: ok(answer(of(good.png))),
    },
    {
      name: 'a JPEG',
      path: '/v1/predict',
      request: post(bytes(good.jpeg), 'image/jpeg'),
      expected: ok(answer(of(good.jpeg))),
    },
    {
      name: 'a WebP',
      path: '/v1/predict',
      request: post(bytes(good.webp), 'image/webp'),
      expected: ok(answer(of(good.webp))),
    },
    {
      name: 'bytes of an unknown format',
      path: '/v1/predict',
      request: post(bytes(good.jpeg), 'application/octet-stream'),
      expected: ok(answer(of(good.jpeg))),
    },
    {
      name: 'bytes as curl --data-binary sends them',
      path: '/v1/predict',
      request: post(bytes(good.jpeg), 'application/x-www-form-urlencoded'),
      expected: ok(answer(of(good.jpeg))),
    },
    {
      name: 'a grey PNG',
      path: '/v1/predict',
      request: post(bytes(good.grey), 'image/png'),
      expected: ok(answer(of(good.grey))),
    },
    {
      name: 'a PNG that is transparent in part',
      path: '/v1/predict',
      request: post(bytes(good.transparent), 'image/png'),
      expected: ok(answer(of(good.transparent))),
    },
    {
      name: 'a JPEG that its EXIF says to turn',
      path: '/v1/predict',
      request: post(bytes(good.turned), 'image/jpeg'),
      expected: ok(answer(of(good.turned))),
    },
    {
      name: 'a form',
      path: '/v1/predict',
      request: postForm([['picture', good.png.bytes]]),
      expected: ok(answer(of(good.png))),
    },
    {
      name: 'a form with two pictures and top_k',
      path: '/v1/predict',
      request: postForm([
        ['a', good.png.bytes],
        ['b', good.other.bytes],
        ['top_k', '2'],
      ]),
      expected: ok(answers(of(good.png, 2), of(good.other, 2))),
    },
    {
      name: 'base64 in JSON',
      path: '/v1/predict',
      request: postJson({ inputs: base64(good.png.bytes), parameters: { top_k: 1 } }),
      expected: ok(answer(of(good.png, 1))),
    },
    {
      name: 'a data URL in JSON',
      path: '/v1/predict',
      request: postJson({ inputs: `data:image/webp;base64,${base64(good.webp.bytes)}` }),
      expected: ok(answer(of(good.webp))),
    },
    {
      name: 'a list in JSON',
      path: '/v1/predict',
      request: postJson({
        inputs: [good.png, good.other, good.jpeg].map((file) => base64(file.bytes)),
        parameters: { top_k: 2 },
      }),
      expected: ok(answers(of(good.png, 2), of(good.other, 2), of(good.jpeg, 2))),
    },
    {
      name: 'a list of one',
      path: '/v1/predict',
      request: postJson({ inputs: [base64(good.png.bytes)] }),
      expected: ok(answers(of(good.png))),
    },
    {
      name: 'top_k in the query, which goes first',
      path: '/v1/predict?top_k=3',
      request: postJson({ inputs: base64(good.png.bytes), parameters: { top_k: 1 } }),
      expected: ok(answer(of(good.png, 3))),
    },
    {
      name: "Hugging Face's protocol",
      path: '/',
      request: post(bytes(good.png), 'image/png'),
      expected: ok(of(good.png)),
    },
    {
      name: "Hugging Face's protocol in JSON, with options",
      path: '/',
      request: postJson({
        inputs: base64(good.other.bytes),
        parameters: { top_k: 2, function_to_apply: 'softmax' },
        options: { wait_for_model: true },
      }),
      expected: ok(of(good.other, 2)),
    },
    {
      name: "Hugging Face's protocol with a list",
      path: '/',
      request: postJson({ inputs: [base64(good.png.bytes), base64(good.other.bytes)] }),
      expected: ok([of(good.png), of(good.other)]),
    },

    wrong('JSON that is a list', [], 'the body: expected an object, got []'),
    wrong('JSON without inputs', {}, 'inputs: expected a string, got undefined'),
    wrong('inputs that are no base64', { inputs: '%%%' }, 'inputs: expected base64 or a data URL, got "%%%"'),
    wrong(
      'inputs that are no base64 in a list',
      { inputs: [base64(good.png.bytes), 7] },
      'inputs[1]: expected a string, got 7',
    ),
    wrong('an empty list', { inputs: [] }, 'inputs: expected a list of 1 to 64, got []'),
    wrong('a list too long', { inputs: Array.from({ length: 65 }, () => '') }, 'inputs: expected a list of 1 to 64'),
    wrong('a misspelt field', { inputs: base64(good.png.bytes), topK: 1 }, 'the body: unknown field "topK"'),
    wrong(
      'top_k as text',
      { inputs: base64(good.png.bytes), parameters: { top_k: '2' } },
      'parameters.top_k: expected a whole number from 1 to 1000, got "2"',
    ),
    wrong(
      'another function',
      { inputs: base64(good.png.bytes), parameters: { function_to_apply: 'sigmoid' } },
      'parameters.function_to_apply: expected softmax, got "sigmoid"',
    ),
    {
      name: 'no JSON',
      path: '/v1/predict',
      request: post(() => '{"inputs":', 'application/json'),
      expected: problem(400, 'the body: expected JSON'),
    },
    {
      name: 'a form without its boundary',
      path: '/v1/predict',
      request: post(() => 'x', 'multipart/form-data'),
      expected: problem(400, 'expected a form, with the boundary'),
    },
    {
      name: 'a form without fields',
      path: '/v1/predict',
      request: postForm([['top_k', '1']]),
      expected: problem(400, 'the fields of the form: expected a list of 1 to 64, got []'),
    },
    {
      name: 'top_k below 1',
      path: '/v1/predict?top_k=0',
      request: post(bytes(good.png), 'image/png'),
      expected: problem(400, 'top_k: expected a whole number from 1 to 1000, got 0'),
    },
    {
      name: 'top_k that is no number',
      path: '/v1/predict?top_k=many',
      request: post(bytes(good.png), 'image/png'),
      expected: problem(400, 'top_k: expected a whole number from 1 to 1000, got "many"'),
    },
    {
      name: 'an empty body',
      path: '/v1/predict',
      request: () => ({ method: 'POST', headers: { 'content-type': 'image/png' } }),
      expected: problem(400, 'the picture is empty'),
    },

    {
      name: 'a body longer than the limit',
      path: '/v1/predict',
      request: post(() => new Uint8Array(2_000_001), 'image/png'),
      expected: problem(413, 'the body is larger than 2000000 bytes'),
    },
    {
      name: 'a body that comes in pieces and is longer than the limit',
      path: '/v1/predict',
      request: () => ({ ...post(chunked(3_000_000), 'image/png')(), duplex: 'half' }) as RequestInit,
      expected: problem(413, 'the body is larger than 2000000 bytes'),
    },
    {
      name: 'a body longer than 6 MB',
      path: '/v1/predict',
      request: post(() => new Uint8Array(7_000_000), 'image/png'),
      expected: problem(413, 'the body is larger than 2000000 bytes'),
      differs: {
        lambda: {
          why: 'AWS refuses before the function is called',
          expected: {
            status: 413,
            headers: { 'x-request-id': null },
            body: { Message: expect.stringContaining('Request must be smaller') as string },
          },
        },
      },
    },
    {
      name: 'text for a model of pictures',
      path: '/v1/predict',
      request: post(() => 'a film', 'text/plain'),
      expected: problem(
        415,
        'Content-Type: expected image/*, multipart/form-data or application/json {"inputs": base64}, got text/plain',
      ),
    },
    {
      name: 'a form of another kind',
      path: '/v1/predict',
      request: post(() => 'a=b', 'application/x-www-form-urlencoded'),
      expected: problem(422, 'not a picture of a known format', { code: 'unsupported-format' }),
    },
    {
      name: 'a body without its type',
      path: '/v1/predict',
      request: () => ({ method: 'POST', body: good.png.bytes }),
      expected: ok(answer(of(good.png))),
    },
    {
      name: 'a body whose type is empty',
      path: '/v1/predict?top_k=1',
      request: post(() => new Blob([good.jpeg.bytes]), ''),
      expected: ok(answer(of(good.jpeg, 1))),
    },
    ...(['gzip', 'deflate'] as const).map((encoding) => ({
      name: `a picture packed with ${encoding}`,
      path: '/v1/predict',
      request: post(() => packed(good.png.bytes, encoding), 'image/png', { 'content-encoding': encoding }),
      expected: ok(answer(of(good.png))),
    })),
    {
      name: 'a body packed with what no host unpacks',
      path: '/v1/predict',
      request: post(bytes(good.png), 'image/png', { 'content-encoding': 'zstd' }),
      expected: problem(415, 'Content-Encoding: expected gzip, deflate or none, got zstd', {
        headers: { 'accept-encoding': 'gzip, deflate' },
      }),
    },
    {
      name: 'a body that is not packed as it says',
      path: '/v1/predict',
      request: post(bytes(good.png), 'image/png', { 'content-encoding': 'gzip' }),
      expected: problem(400, 'the body: expected gzip'),
    },
    {
      name: 'a body of 65 KB that would be 64 MB',
      path: '/v1/predict',
      request: post(() => packed(new Uint8Array(64e6), 'gzip'), 'image/png', { 'content-encoding': 'gzip' }),
      expected: problem(413, 'the body is larger than 2000000 bytes unpacked'),
    },

    refused('a JPEG that ends too early', odd.truncated, 'truncated', 'a jpeg that ends too early'),
    refused('a JPEG in CMYK', odd.cmyk, 'unsupported-format', 'a jpeg in CMYK'),
    refused('a JPEG of 50,000×50,000 by its header', odd.wideJpeg, 'too-large', 'a jpeg of 50000×50000 pixels'),
    refused('a PNG of 50,000×50,000 by its header', odd.widePng, 'too-large', 'a png of 50000×50000 pixels'),
    refused('a PNG of 100 KB that would be 900 megapixels', odd.bomb, 'too-large', 'a png of 30000×30000 pixels'),
    refused('a GIF', odd.gif, 'unsupported-format', 'not a picture of a known format'),
    refused('a PNG whose data is damaged', odd.damaged, 'corrupt', "a png that can't be decoded"),
    refused(
      'one damaged picture of a form, as alone',
      odd.damaged.slice(0, 40),
      'truncated',
      'a png that ends too early',
    ),
    {
      name: 'twelve megapixels',
      path: '/v1/predict?top_k=1',
      request: post(() => odd.twelveMegapixels, 'image/png'),
      expected: ok(answer([{ label: expect.any(String) as string, score: expect.any(Number) as number }])),
      differs: {
        cloudflare: {
          why: 'an isolate has 128 MB, and decoding takes up to 16 bytes a pixel',
          expected: problem(422, 'a png of 4000×3000 pixels', { code: 'too-large' }),
        },
      },
    },

    {
      name: 'a preflight from a page that may call',
      path: '/v1/predict',
      request: preflight('https://app.example'),
      expected: {
        status: 204,
        headers: {
          'access-control-allow-origin': 'https://app.example',
          'access-control-allow-methods': 'GET,HEAD,POST',
          'access-control-allow-headers': 'authorization,content-encoding,content-type,x-request-id',
        },
        body: '',
      },
    },
    {
      name: 'a preflight from another page',
      path: '/v1/predict',
      request: preflight('https://other.example'),
      expected: { status: 204, headers: { 'access-control-allow-origin': null }, body: '' },
    },
    {
      name: 'a request from a page that may call',
      path: '/v1/model',
      request: () => ({ headers: { origin: 'https://app.example' } }),
      expected: {
        status: 200,
        headers: {
          'access-control-allow-origin': 'https://app.example',
          'access-control-expose-headers': 'x-request-id,retry-after',
        },
      },
    },
    {
      name: 'a refusal to a page that may call',
      path: '/v1/predict',
      request: () => ({ headers: { origin: 'https://app.example' } }),
      expected: problem(405, 'expected POST', { headers: { 'access-control-allow-origin': 'https://app.example' } }),
    },
  ];
}

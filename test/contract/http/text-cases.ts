/** What a model for texts is asked, which wants a token. */
import { gzipSync } from 'node:zlib';
import type { Artifact } from '../../../runtime/artifact/artifact.ts';
import type { Engine } from '../../../runtime/engine/engine.ts';
import type { Prediction } from '../../../runtime/http/classifier.ts';
import { modelInfo } from '../../../runtime/http/inference.ts';
import { TOKENS } from '../../compress/small-bert.ts';
import { SMALL_TOKENS } from '../../runtime/text/small-tokenizer.ts';
import { type Expected, type HttpCase, post, postForm, postJson, problem } from './case.ts';
import { commonCases } from './common-cases.ts';
import { answer, answers, predictionsOf } from './expected.ts';
import type { HostSettings } from './host.ts';

export const TEXT_SETTINGS = { token: 'a-token-that-nobody-guesses' } as const satisfies HostSettings;

const access = { authorization: `Bearer ${TEXT_SETTINGS.token}` };

/** What the small tokenizer makes of the texts below. */
export const FILM = { text: 'Not a GOOD film!', tokens: ['[CLS]', 'not', 'a', 'good', 'film', '!', '[SEP]'] } as const;

export function textCases(artifact: Artifact, engine: Engine): HttpCase[] {
  /** By tokens; the second text of a pair begins after the first [SEP]. */
  const of = (tokens: readonly string[], topK?: number): Prediction[] => {
    const pairAt = tokens.indexOf('[SEP]') + 1;
    const ids = Int32Array.from(tokens, (token) => SMALL_TOKENS.indexOf(token));
    return predictionsOf(artifact, engine, { ids, types: ids.map((_, i) => (i < pairAt ? 0 : 1)) }, topK);
  };
  const ok = (body: unknown): Expected => ({ status: 200, headers: { 'content-type': 'application/json' }, body });
  const asked = (name: string, body: unknown, expected: Expected, path = '/v1/predict'): HttpCase => ({
    name,
    path,
    request: postJson(body, access),
    expected,
  });
  const plain = (name: string, text: string, expected: Expected): HttpCase => ({
    name,
    path: '/v1/predict',
    request: post(() => text, 'text/plain; charset=utf-8', access),
    expected,
  });
  const whole = ['[CLS]', ...Array.from({ length: TOKENS - 2 }, () => 'bad'), '[SEP]'];
  const film = of(FILM.tokens);
  const noToken = problem(401, 'expected Authorization: Bearer TOKEN', {
    code: 'unauthorized',
    headers: { 'www-authenticate': 'Bearer' },
  });
  const wrongToken = problem(403, 'the token is not the one that gives access', { code: 'forbidden' });
  const withHeader = (authorization: string) => () => ({ headers: { authorization } });

  return [
    ...commonCases(modelInfo(artifact), access),

    plain('a text', FILM.text, ok(answer(film))),
    plain('an empty text', '', ok(answer(of(['[CLS]', '[SEP]'])))),
    plain('a text that is cut', 'bad '.repeat(TOKENS - 1), ok(answer(of(whole), { truncated: true }))),
    plain('a text that just fits', 'bad '.repeat(TOKENS - 2), ok(answer(of(whole)))),
    plain('a text in other letters', '漢字 𝕏 ☃', ok(answer(of(['[CLS]', '漢', '字', '[UNK]', '[UNK]', '[SEP]'])))),
    asked('a text in JSON', { inputs: FILM.text }, ok(answer(film))),
    asked(
      'a text in JSON, with parameters',
      { inputs: { text: FILM.text, text_pair: null }, parameters: { top_k: 2 } },
      ok(answer(of(FILM.tokens, 2))),
    ),
    asked(
      'a pair',
      { inputs: { text: 'films', text_pair: 'bad' } },
      ok(answer(of(['[CLS]', 'film', '##s', '[SEP]', 'bad', '[SEP]']))),
    ),
    asked(
      'a list of texts and pairs',
      { inputs: [FILM.text, { text: 'films', text_pair: 'bad' }] },
      ok(answers(film, of(['[CLS]', 'film', '##s', '[SEP]', 'bad', '[SEP]']))),
    ),
    asked('half a character', { inputs: '\ud800 a\0' }, ok(answer(of(['[CLS]', 'a', '[SEP]'])))),
    asked('top_k in the query', { inputs: FILM.text }, ok(answer(of(FILM.tokens, 1))), '/v1/predict?top_k=1'),
    {
      name: 'a form',
      path: '/v1/predict',
      request: postForm(
        [
          ['inputs', FILM.text],
          ['top_k', '3'],
        ],
        access,
      ),
      expected: ok(answer(of(FILM.tokens, 3))),
    },
    {
      name: 'a form with two texts',
      path: '/v1/predict',
      request: postForm(
        [
          ['inputs', FILM.text],
          ['inputs', 'bad'],
        ],
        access,
      ),
      expected: ok(answers(film, of(['[CLS]', 'bad', '[SEP]']))),
    },
    asked("Hugging Face's protocol", { inputs: FILM.text }, ok([film]), '/'),
    asked(
      "Hugging Face's protocol with a list",
      { inputs: [FILM.text, 'bad'] },
      ok([film, of(['[CLS]', 'bad', '[SEP]'])]),
      '/',
    ),

    asked('inputs that are no text', { inputs: 7 }, problem(400, 'inputs: expected a string, got 7')),
    asked('a misspelt pair', { inputs: { text: 'a', pair: 'b' } }, problem(400, 'inputs: unknown field "pair"')),
    asked(
      'a pair in a list that is none',
      { inputs: ['a', { text: 1 }] },
      problem(400, 'inputs[1].text: expected a string, got 1'),
    ),
    {
      name: 'bytes that are no UTF-8',
      path: '/v1/predict',
      request: post(() => Uint8Array.of(0x61, 0xff, 0xfe), 'text/plain', access),
      expected: problem(400, 'the text: expected UTF-8'),
      differs: {
        lambda: {
          why: 'a function gets bodies of type text as strings, in which such bytes are replaced',
          expected: ok(answer(of(['[CLS]', 'a', '[SEP]']))),
        },
      },
    },
    {
      name: 'a text packed with gzip',
      path: '/v1/predict',
      request: post(() => new Uint8Array(gzipSync(FILM.text)), 'text/plain', { ...access, 'content-encoding': 'gzip' }),
      expected: ok(answer(film)),
      differs: {
        lambda: {
          why: 'a function gets bodies of type text as strings, in which what is packed is lost',
          expected: problem(400, 'the body: expected gzip'),
        },
      },
    },
    {
      name: 'a body without its type for a model of texts',
      path: '/v1/predict',
      request: () => ({ method: 'POST', body: new TextEncoder().encode(FILM.text), headers: access }),
      expected: problem(415, 'got none'),
    },
    {
      name: 'a picture for a model of texts',
      path: '/v1/predict',
      request: post(() => Uint8Array.of(1), 'image/png', access),
      expected: problem(
        415,
        'Content-Type: expected text/plain, multipart/form-data or application/json {"inputs": "..."}, got image/png',
      ),
    },

    { name: 'the model without a token', path: '/v1/model', expected: noToken },
    { name: 'the metrics without a token', path: '/metrics', expected: noToken },
    {
      name: 'a prediction without a token',
      path: '/v1/predict',
      request: postJson({ inputs: 'a' }),
      expected: noToken,
    },
    {
      name: "Hugging Face's protocol without a token",
      path: '/',
      request: postJson({ inputs: 'a' }),
      expected: noToken,
    },
    { name: 'a token of another kind', path: '/v1/model', request: withHeader('Basic YTpi'), expected: noToken },
    {
      name: 'another token',
      path: '/v1/model',
      request: withHeader('Bearer another-token-altogether'),
      expected: wrongToken,
    },
    {
      name: 'a prediction with another token',
      path: '/v1/predict',
      request: postJson({ inputs: 'a' }, { authorization: 'Bearer x' }),
      expected: wrongToken,
    },
    {
      name: 'a preflight where no page may call',
      path: '/v1/predict',
      request: () => ({
        method: 'OPTIONS',
        headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
      }),
      expected: { status: 401, headers: { 'access-control-allow-origin': null } },
    },
  ];
}

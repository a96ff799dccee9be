/** The web API of a model for texts: on this host, and as the bundle for edge hosts. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packTokenizer } from '../../cli/text/pack-tokenizer.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine } from '../../runtime/engine/engine.ts';
import { createEdgeTextHandler } from '../../runtime/hosts/edge-text.ts';
import { topPredictions } from '../../runtime/http/inference.ts';
import { TOKENS, VOCABULARY } from '../compress/small-bert.ts';
import { description } from '../compress/small-vit.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { bertTokenizer, SMALL_TOKENS, smallTextArtifact } from '../runtime/text/small-tokenizer.ts';

const artifact = await smallTextArtifact();
const module = await kernelsModule();
const engine = createEngine(await readArtifact(artifact), module);

const bundle = (await import(new URL('../../dist/edge-text.mjs', import.meta.url).href)) as {
  createEdgeTextHandler: typeof createEdgeTextHandler;
};

/** What the engine says of tokens, by name; a second text begins after the first [SEP]. */
function predictionsOf(tokens: readonly string[], topK = 5): unknown {
  const pairAt = tokens.indexOf('[SEP]') + 1;
  const ids = Int32Array.from(tokens, (token) => SMALL_TOKENS.indexOf(token));
  return topPredictions(
    engine.infer({ ids, types: Int32Array.from(ids, (_, i) => (i < pairAt ? 0 : 1)) }),
    description,
    topK,
  );
}

const u8 = (data: Uint8Array) => ({ dtype: 'U8' as const, shape: [data.length], data });

describe.each([
  ['sources', createEdgeTextHandler],
  ['bundle', bundle.createEdgeTextHandler],
])('the text handler of the %s', async (_, create) => {
  const handle = await create(artifact, module, { maxBodyBytes: 20_000_000 });
  const ask = async (body: BodyInit, type: string, query = '') => {
    const response = await handle(
      new Request(`http://edge/v1/predict${query}`, { method: 'POST', body, headers: { 'content-type': type } }),
    );
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const json = (body: unknown, query = '') => ask(JSON.stringify(body), 'application/json', query);
  const answer = (tokens: readonly string[], extra: Record<string, unknown> = {}, topK = 5) => ({
    status: 200,
    body: { predictions: predictionsOf(tokens, topK), ...extra, latencyMs: expect.any(Number) },
  });

  it('tells of its model', async () => {
    const response = await handle(new Request('http://edge/v1/model'));
    expect(await response.json()).toMatchObject({
      task: 'text-classification',
      labels: description.labels,
      bytes: artifact.length,
      preprocessing: { kind: 'text', maxTokens: TOKENS },
    });
  });

  it('answers a text with what the engine computes for its tokens', async () => {
    const tokens = ['[CLS]', 'not', 'a', 'good', 'film', '!', '[SEP]'];
    expect(await json({ inputs: 'Not a GOOD film!' })).toEqual(answer(tokens));
    expect(await ask('Not a GOOD film!', 'text/plain; charset=utf-8')).toEqual(answer(tokens));
    expect(await json({ inputs: { text: 'Not a GOOD film!', text_pair: null }, parameters: { top_k: 2 } })).toEqual(
      answer(tokens, {}, 2),
    );
    expect(await ask('Not a GOOD film!', 'text/plain', '?top_k=2')).toEqual(answer(tokens, {}, 2));
  });

  it('answers a pair of texts', async () => {
    expect(await json({ inputs: { text: 'films', text_pair: 'bad' } })).toEqual(
      answer(['[CLS]', 'film', '##s', '[SEP]', 'bad', '[SEP]']),
    );
    expect(await json({ inputs: { text: '', text_pair: '' } })).toEqual(answer(['[CLS]', '[SEP]', '[SEP]']));
  });

  it('answers a pair of texts in a form, and each of other fields', async () => {
    const form = (fields: Record<string, string>): FormData => {
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.set(name, value);
      return form;
    };
    const sent = async (body: FormData): Promise<unknown> =>
      (await handle(new Request('http://edge/v1/predict', { method: 'POST', body }))).json();
    const tokens = ['[CLS]', 'film', '##s', '[SEP]', 'bad', '[SEP]'];
    expect(await sent(form({ text: 'films', text_pair: 'bad' }))).toEqual(answer(tokens).body);
    expect(await sent(form({ text_pair: 'bad', text: 'films', top_k: '1' }))).toEqual(answer(tokens, {}, 1).body);
    expect(await sent(form({ a: 'bad', b: 'film' }))).toMatchObject({
      results: [
        ['[CLS]', 'bad', '[SEP]'],
        ['[CLS]', 'film', '[SEP]'],
      ].map((ids) => ({ predictions: predictionsOf(ids, 5) })),
    });
    expect(await sent(form({ text: 'a', text_pair: 'b', c: 'd' }))).toMatchObject({
      status: 400,
      detail: 'the form: unknown field "c"',
    });
  });

  it('says that a text was cut', async () => {
    const whole = ['[CLS]', ...Array.from({ length: TOKENS - 2 }, () => 'bad'), '[SEP]'];
    expect(await json({ inputs: 'bad '.repeat(TOKENS - 2) })).toEqual(answer(whole));
    expect(await json({ inputs: 'bad '.repeat(TOKENS - 1) })).toEqual(answer(whole, { truncated: true }));
  });

  it('answers nothing, zeros, halves of characters', async () => {
    expect(await json({ inputs: '' })).toEqual(answer(['[CLS]', '[SEP]']));
    expect(await ask('', 'text/plain')).toEqual(answer(['[CLS]', '[SEP]']));
    expect(await json({ inputs: '\0\ud800 \udc00a\0\ufffd' })).toEqual(answer(['[CLS]', 'a', '[SEP]']));
    expect(await json({ inputs: '𝕏 ☃' })).toEqual(answer(['[CLS]', '[UNK]', '[UNK]', '[SEP]']));
  });

  it('answers ten million characters soon', async () => {
    const started = performance.now();
    for (const text of ['bad film. ', 'x', '漢', ' ']) {
      const { status } = await ask(
        text.repeat(1e7 / (text.length * new TextEncoder().encode(text[0]).length)),
        'text/plain',
      );
      expect(status).toBe(200);
    }
    expect(performance.now() - started).toBeLessThan(4000);
  });

  it('tells a client what is wrong', async () => {
    const refused = (status: number, detail: string) => ({
      status,
      body: expect.objectContaining({ status, detail: expect.stringContaining(detail) as string }),
    });
    expect(await json({})).toEqual(refused(400, 'inputs: expected a string, got undefined'));
    expect(await json({ inputs: 7 })).toEqual(refused(400, 'inputs: expected a string, got 7'));
    expect(await json({ inputs: { text: 'a', text_pair: ['b'] } })).toEqual(
      refused(400, 'inputs.text_pair: expected a string, got ["b"]'),
    );
    expect(await json({ inputs: 'a', parameters: { top_k: 0 } })).toEqual(
      refused(400, 'parameters.top_k: expected a whole number from 1 to 1000, got 0'),
    );
    expect(await json([])).toEqual(refused(400, 'the body: expected an object, got []'));
    expect(await ask('{', 'application/json')).toEqual(refused(400, 'the body: expected JSON'));
    expect(await ask(Uint8Array.of(0xff, 0xfe), 'text/plain')).toEqual(refused(400, 'expected UTF-8'));
    expect(await ask(Buffer.from('{"inputs": "caf\xe9"}', 'latin1'), 'application/json')).toEqual(
      refused(400, 'the body: expected UTF-8'),
    );
    expect(await ask('a', 'text/plain; charset=utf-16le')).toEqual(
      refused(415, 'expected charset=utf-8, got charset=utf-16le'),
    );
    expect(await ask('a', 'text/plain', '?top_k=0x2')).toEqual(refused(400, 'top_k: expected a whole number'));
    const form = (text: string): Uint8Array<ArrayBuffer> =>
      Uint8Array.from(
        Buffer.from(`--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n${text}\r\n--b--\r\n`, 'latin1'),
      );
    expect(await ask(form('caf\xe9'), 'multipart/form-data; boundary=b')).toEqual(
      refused(400, 'a field of the form: expected UTF-8'),
    );
    expect(await ask(Uint8Array.of(1), 'image/png')).toEqual(
      refused(
        415,
        'Content-Type: expected text/plain, multipart/form-data or application/json {"inputs": "..."}, got image/png',
      ),
    );
    expect(await ask('a'.repeat(20_000_001), 'text/plain')).toEqual(
      refused(413, 'the body is larger than 20000000 bytes'),
    );
  });

  describe('refuses when loading', () => {
    const many = [...SMALL_TOKENS, ...Array.from({ length: VOCABULARY }, (_, i) => `w${i}`)];
    const manyTypes = bertTokenizer();
    manyTypes.post_processor.single[1].Sequence.type_id = 2;
    const cases: [name: string, options: Parameters<typeof smallTextArtifact>[0], error: Record<string, unknown>][] = [
      [
        'no tokenizer',
        { tokenizer: null },
        { name: 'ArtifactError', code: 'name', message: expect.stringContaining('no tensor is named "tokenizer"') },
      ],
      [
        'a tokenizer of another dtype',
        { tokenizer: { ...packTokenizer(bertTokenizer()), dtype: 'I8' } },
        { code: 'dtype', message: expect.stringContaining('as U8, got I8') },
      ],
      [
        'a tokenizer that is not compressed',
        { tokenizer: u8(Buffer.from('{}')) },
        { code: 'value', message: expect.stringContaining('expected gzip') },
      ],
      [
        'a tokenizer cut short',
        { tokenizer: u8(packTokenizer(bertTokenizer()).data.slice(0, -20)) },
        { code: 'value' },
      ],
      [
        'a tokenizer that is no JSON',
        { tokenizer: u8(gzipSync('{"model":')) },
        { code: 'value', message: expect.stringContaining('tokenizer: expected JSON') },
      ],
      [
        'a tokenizer that inflates to more than memory should take',
        { tokenizer: u8(gzipSync(Buffer.alloc(33 * 1024 ** 2, ' '))) },
        { code: 'memory', message: expect.stringContaining('at most 33554432 bytes') },
      ],
      ['a tokenizer that is none', { tokenizer: u8(gzipSync('{}')) }, { name: 'PreprocessError', code: 'bad-spec' }],
      [
        'more tokens than embeddings',
        { tokenizer: packTokenizer(bertTokenizer(many)) },
        {
          code: 'plan',
          message: expect.stringContaining(
            `expected at most ${VOCABULARY} tokens in the vocabulary, got ${many.length}`,
          ),
        },
      ],
      [
        'more token types than embeddings',
        { tokenizer: packTokenizer(manyTypes) },
        { code: 'plan', message: expect.stringContaining('expected at most 2 token types, got 3') },
      ],
      [
        "longer sequences than the plan's",
        { maxTokens: TOKENS + 1 },
        { code: 'plan', message: expect.stringContaining(`expected at most ${TOKENS} tokens, got ${TOKENS + 1}`) },
      ],
      ['no room for a text', { maxTokens: 3 }, { code: 'plan', message: expect.stringContaining('special') }],
      [
        'preprocessing of pictures',
        { change: (manifest) => (manifest.preprocessing = { size: 3 }) },
        {
          name: 'PreprocessError',
          code: 'bad-spec',
          message: expect.stringContaining('preprocessing.kind: expected text'),
        },
      ],
    ];
    it.each(cases)('%s', async (_, options, error) => {
      await expect(create(await smallTextArtifact(options), module)).rejects.toMatchObject(error);
    });
  });
});

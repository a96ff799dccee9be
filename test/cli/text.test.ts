/** Texts on the command line: slim predict and slim serve with an artifact for texts. */
import { writeFileSync } from 'node:fs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pack } from '../../cli/compress/pack.ts';
import { storedTensors } from '../../cli/compress/stored-tensors.ts';
import { packTokenizer } from '../../cli/text/pack-tokenizer.ts';
import { description, preprocessing, smallVit } from '../compress/small-vit.ts';
import { bertTokenizer, SMALL_TOKENS, smallTextArtifact } from '../runtime/text/small-tokenizer.ts';
import { slim, slimJson, workFolder } from '../support/cli.ts';
import { start, startShell } from '../support/process.ts';

const work = workFolder();
afterAll(() => work.remove());
const [texts, pictures, picture, file] = ['texts.slim', 'pictures.slim', 'red.png', 'review.txt'].map((name) =>
  work.path(name),
);

interface Predicted {
  readonly predictions: readonly { readonly label: string; readonly score: number }[];
  readonly truncated?: true;
}
const predict = (...args: string[]): Promise<Predicted> =>
  slimJson(['predict', texts, ...args]) as unknown as Promise<Predicted>;

async function fails(args: readonly string[], code: number, ...words: readonly string[]): Promise<void> {
  const outcome = await slim(args);
  expect(outcome.code, outcome.stderr).toBe(code);
  for (const word of words) expect(outcome.stderr).toContain(word);
}

beforeAll(async () => {
  writeFileSync(texts, await smallTextArtifact());
  const { logits, values } = smallVit('dense');
  writeFileSync(pictures, await pack(logits, storedTensors(logits, values), { ...description, preprocessing }));
  writeFileSync(
    picture,
    await sharp({ create: { width: 8, height: 8, channels: 3, background: '#f00' } })
      .png()
      .toBuffer(),
  );
  writeFileSync(file, 'A good film!\r\n');
});

describe('slim predict', () => {
  it('takes a text as a flag, in a file, and on stdin one a line', async () => {
    const { predictions } = await predict('--text', 'A good film!');
    expect(predictions).toHaveLength(description.labels.length);
    expect((await predict(file)).predictions).toEqual(predictions);
    const { stdout, code, stderr } = await startShell('printf "a GOOD film!\\n" | $SLIM predict "$1" - --json', [texts])
      .exit;
    expect([code, stderr]).toEqual([0, '']);
    expect((JSON.parse(stdout) as { results: unknown }).results).toEqual([
      { text: 'a GOOD film!', ...predictions[0], error: null },
    ]);
  });

  it('takes two texts, and nothing for a text', async () => {
    const [one, two, empty] = [
      await predict('--text', 'good'),
      await predict('--text', 'good', '--text-pair', 'bad'),
      await predict('--text', ''),
    ];
    expect(one.predictions).not.toEqual(two.predictions);
    expect(empty.predictions.map(({ score }) => score).reduce((a, b) => a + b)).toBeCloseTo(1);
  });

  it('says that a text is too long', async () => {
    expect((await predict('--text', 'good '.repeat(9))).truncated).toBeUndefined();
    expect((await predict('--text', 'good '.repeat(10))).truncated).toBe(true);
    expect((await slim(['predict', texts, '--text', 'good '.repeat(10)])).stdout).toContain('only the beginning');
  });

  it('says what is mixed up', async () => {
    await fails(['predict', texts, picture], 1, `${picture} is no text in UTF-8`, 'classifies texts');
    await fails(['predict', pictures, '--text', 'good'], 2, `${pictures} classifies pictures, not texts`, 'PICTURE');
    await fails(['predict', pictures, picture, '--text-pair', 'good'], 2, 'classifies pictures, not texts');
    await fails(['predict', pictures, file], 1, `${file}: not a picture of a known format`);
    await fails(['predict', texts], 2, 'nothing to classify is given', '--text');
    await fails(['predict', pictures], 2, 'nothing to classify is given', 'PICTURE');
    await fails(['predict', texts, file, '--text', 'good'], 2, `both ${file} and --text are given`);
    await fails(['predict', texts, work.path('nope.txt')], 1, `can't read ${work.path('nope.txt')}`);
  });

  it('names an artifact whose tokenizer does not fit it', async () => {
    const bad = work.path('bad.slim');
    const tokens = [...SMALL_TOKENS, ...Array.from({ length: 30 }, (_, i) => `w${i}`)];
    writeFileSync(bad, await smallTextArtifact({ tokenizer: packTokenizer(bertTokenizer(tokens)) }));
    await fails(
      ['predict', bad, '--text', 'good'],
      1,
      `${bad} is no valid artifact`,
      `at most 23 tokens in the vocabulary, got ${tokens.length}`,
      'slim pack',
    );
    await fails(['serve', bad, '--port', '0', '--workers', '1'], 1, `${bad} is no valid artifact`);
  });
});

it.each([0, 2])('slim serve answers texts, with %i workers', async (workers) => {
  const server = start(['serve', texts, '--port', '0', '--workers', `${workers}`]);
  const [, url] = await server.saw(/listening on (\S+)/);
  const ask = async (body: string, type: string) =>
    (
      await fetch(`${url}/v1/predict`, { method: 'POST', headers: { 'content-type': type }, body })
    ).json() as Promise<Predicted>;
  const { predictions } = await predict('--text', 'A good film!');
  const answers = await Promise.all([
    ask('A good film!', 'text/plain'),
    ask('{"inputs": "A good film!"}', 'application/json'),
    ask('good '.repeat(100), 'text/plain'),
  ]);
  expect(answers[0]).toEqual({ predictions, latencyMs: expect.any(Number) });
  expect(answers[1].predictions).toEqual(predictions);
  expect(answers[2].truncated).toBe(true);
  server.child.kill('SIGINT');
  await server.exit;
});

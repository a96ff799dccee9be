/** Vocabularies as WordPieceTrainer of Hugging Face's tokenizers learns them. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { trainWordPiece, type WordPieceTraining } from '../../cli/text/train-wordpiece.ts';
import { createTokenizer } from '../../runtime/text/tokenizer.ts';
import type { TokenizerFile } from '../runtime/text/small-tokenizer.ts';
import { describeWith, own, shared } from '../support/shared.ts';

async function train(texts: readonly string[], options: Partial<WordPieceTraining> = {}): Promise<TokenizerFile> {
  return (await trainWordPiece(texts, { vocabSize: 30, lowercase: true, ...options })) as TokenizerFile;
}

/** By id, which is not the order of an object's keys where some are numbers. */
const tokensOf = (json: TokenizerFile): string[] =>
  Object.entries(json.model.vocab as Record<string, number>)
    .sort(([, a], [, b]) => a - b)
    .map(([token]) => token);

it('merges the most frequent pair, again and again: by hand', async () => {
  // hug 10, pug 5, pun 12, bun 4, hugs 5: the example of Hugging Face's course.
  // u+g 20, u+n 16, h+ug 15, p+un 12, p+ug 5, hug+s 5, b+un 4.
  const texts = Object.entries({ hug: 10, pug: 5, pun: 12, bun: 4, hugs: 5 }).map(([word, count]) =>
    `${word} `.repeat(count),
  );
  const specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  const characters = ['b', 'g', 'h', 'n', 'p', 's', 'u', '##g', '##n', '##s', '##u'];
  const json = await train(texts);
  expect(tokensOf(json)).toEqual([...specials, ...characters, '##ug', '##un', 'hug', 'pun', 'pug', 'hugs', 'bun']);
  expect(Object.values(json.model.vocab as object)).toEqual(Array.from({ length: 23 }, (_, id) => id));
  expect(tokensOf(await train(texts, { vocabSize: 18 }))).toEqual([...specials, ...characters, '##ug', '##un']);
  expect(tokensOf(await train(texts, { minFrequency: 5 }))).not.toContain('bun');
});

it('counts pairs of the same letter as merging leaves them', async () => {
  // aaaa: a ##a ##a ##a. ##a+##a comes twice a word, and once it is merged, a+##aa and ##aa+##a once each; a has the
  // smaller id.
  expect(tokensOf(await train(['aaaa '.repeat(3)])).slice(5)).toEqual(['a', '##a', '##aa', 'aaa', 'aaaa']);
});

it('keeps case and accents where told to', async () => {
  const texts = ['Éa éa '.repeat(5)];
  expect(tokensOf(await train(texts, { lowercase: false })).slice(5)).toEqual(['a', 'É', 'é', '##a', 'Éa', 'éa']);
  expect(tokensOf(await train(texts)).slice(5)).toEqual(['a', 'e', '##a', 'ea']);
});

it('leaves rare characters and too long words out', async () => {
  const json = await train(['ab '.repeat(9), 'ac', 'ca ', 'z'.repeat(101)], { maxCharacters: 2 });
  expect(tokensOf(json).slice(5)).toEqual(['a', 'b', '##a', '##b', 'ab']);
});

it('forgets rare words where there are too many', async () => {
  const rare = Array.from({ length: 500 }, (_, i) => `${String.fromCharCode(97 + (i % 26))}${i}`);
  const json = await train(['film '.repeat(50), ...rare, 'film '.repeat(50)], { maxWords: 100, vocabSize: 200 });
  expect(tokensOf(json)).toContain('film');
});

it('does the same for a stream of the same texts', async () => {
  const texts = ['one film', 'another film', 'films filmed'];
  async function* stream(): AsyncGenerator<string> {
    yield* texts;
  }
  expect(await trainWordPiece(stream(), { vocabSize: 60, lowercase: true })).toEqual(
    await train(texts, { vocabSize: 60 }),
  );
});

it('refuses no words, and no room', async () => {
  await expect(train([' ', '\0'])).rejects.toMatchObject({
    name: 'UserError',
    message: 'the texts hold no words to learn a vocabulary from',
  });
  await expect(train(['abc'], { vocabSize: 6 })).rejects.toMatchObject({
    name: 'UserError',
    message: 'a vocabulary of 6 tokens has no room for 10 special tokens and characters',
  });
});

/** No token of the texts that were learnt from is unknown. */
function expectKnown(json: TokenizerFile, texts: readonly string[]): void {
  const tokenizer = createTokenizer(json);
  for (const text of texts) expect(tokenizer.encode(text, null, 10_000).ids, text).not.toContain(1);
}

describe('on the sentences of fixtures/corpus.txt', () => {
  const fixtures = own(import.meta.url, 'fixtures');
  const lines = (file: string): string[] => readFileSync(fixtures.path(file), 'utf8').trimEnd().split('\n');

  it('learns the 700 tokens that WordPieceTrainer 0.23.2 learns, in the same order', async () => {
    const json = await train(lines('corpus.txt'), { vocabSize: 700 });
    expect(tokensOf(json)).toEqual(lines('wordpiece/vocab.txt'));
    expectKnown(json, lines('corpus.txt'));
  });
});

const sst2 = shared('data/sst2');
describeWith([sst2], 'on SST-2', () => {
  it('learns the 4,000 tokens that WordPieceTrainer 0.23.2 learns, and knows every word', async () => {
    const [, ...rows] = readFileSync(sst2.path('train.tsv'), 'utf8').trim().split('\n');
    const sentences = rows.map((row) => row.split('\t')[0]);
    const json = await train(sentences, { vocabSize: 4000 });
    // Of the sorted tokens: their order differs in the characters, which the original numbers by chance.
    expect(createHash('sha256').update(tokensOf(json).sort().join('\n')).digest('hex')).toBe(
      'd6c26d091f0dfe3b6e0acd3c9f184e5b4fc8b57dce7dde4341a095017bbbf417',
    );
    expectKnown(json, sentences);
  });
});

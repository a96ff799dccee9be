import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { pruneVocabulary } from '../../cli/text/prune-vocabulary.ts';
import { trainWordPiece } from '../../cli/text/train-wordpiece.ts';
import { createTokenizer } from '../../runtime/text/tokenizer.ts';
import { bertTokenizer, SMALL_TOKENS, type TokenizerFile } from '../runtime/text/small-tokenizer.ts';
import { itWith, own, shared } from '../support/shared.ts';

const golden = JSON.parse(readFileSync(new URL('../runtime/text/fixtures/golden.json', import.meta.url), 'utf8')) as {
  groups: { tokenizer: TokenizerFile; cases: { text: string }[] }[];
};

/** The names of tokens by id. */
function namesOf(json: TokenizerFile): Map<number, string> {
  const added = (json.added_tokens as { id: number; content: string }[]).map(
    ({ id, content }) => [id, content] as const,
  );
  return new Map([
    ...Object.entries(json.model.vocab as Record<string, number>).map(([token, id]) => [id, token] as const),
    ...added,
  ]);
}

function tokensOf(json: TokenizerFile): (text: string, pair?: string | null) => string[] {
  const tokenizer = createTokenizer(json);
  const names = namesOf(json);
  return (text, pair = null) => [...tokenizer.encode(text, pair, 2 ** 24).ids].map((id) => names.get(id) as string);
}

function usedBy(json: TokenizerFile, texts: readonly string[]): Set<number> {
  const tokenizer = createTokenizer(json);
  return new Set(texts.flatMap((text) => [...tokenizer.encode(text, null, 2 ** 24).ids]));
}

/** What must hold of any tokenizer, data set and other texts. */
function expectPruned(json: TokenizerFile, texts: readonly string[], others: readonly string[]): TokenizerFile {
  const used = usedBy(json, texts);
  const { json: small, kept } = pruneVocabulary(json, used) as { json: TokenizerFile; kept: Int32Array };
  const [names, smallNames] = [namesOf(json), namesOf(small)];
  // Dense, in the old order, and each new id names what the old one named.
  expect([...smallNames.keys()].sort((a, b) => a - b)).toEqual(Array.from(kept, (_, i) => i));
  expect([...kept]).toEqual([...kept].sort((a, b) => a - b));
  expect(Array.from(kept, (id) => names.get(id))).toEqual(Array.from(kept, (_, i) => smallNames.get(i)));
  expect(createTokenizer(small).vocabSize).toBe(kept.length);
  const [full, pruned] = [tokensOf(json), tokensOf(small)];
  for (const text of texts) expect(pruned(text)).toEqual(full(text));
  for (const text of texts.slice(1)) expect(pruned(texts[0], text)).toEqual(full(texts[0], text));
  for (const text of others) {
    const unknown = (tokens: readonly string[]): number => tokens.filter((token) => token === '[UNK]').length;
    expect(unknown(pruned(text)), text).toBe(unknown(full(text)));
    // Pieces of the same words: only cut finer.
    if (!full(text).includes('[UNK]'))
      expect(
        pruned(text)
          .map((token) => token.replace('##', ''))
          .join(''),
      ).toBe(
        full(text)
          .map((token) => token.replace('##', ''))
          .join(''),
      );
  }
  return small;
}

const word = fc.string({ unit: fc.constantFrom(...'abcde'), minLength: 1, maxLength: 8 });
const sentences = fc.array(
  fc.array(word, { minLength: 1, maxLength: 12 }).map((words) => words.join(' ')),
  { minLength: 1, maxLength: 12 },
);

describe('WordPiece', () => {
  let json: TokenizerFile;
  beforeAll(async () => {
    const texts = fc.sample(sentences, { numRuns: 40, seed: 1 }).flat();
    json = (await trainWordPiece([...texts, 'abcde edcba aa bb cc dd ee'], {
      vocabSize: 150,
      lowercase: true,
    })) as TokenizerFile;
  });

  it('keeps the tokens of texts that were counted, and knows all others', () => {
    fc.assert(
      fc.property(sentences, sentences, (texts, others) => {
        const small = expectPruned(json, texts, [...others, 'xyz a', 'A B!', '']);
        expect(Object.keys(small.model.vocab as object).length).toBeLessThan(150);
      }),
      { numRuns: 60 },
    );
  });

  it('keeps what cannot be spelled: by hand', () => {
    // film has no letters of its own, nor have good and ##ly; xx has, and goes.
    const tokens = [...SMALL_TOKENS, 'xx', 'xxx'];
    const { json: small, kept } = pruneVocabulary(bertTokenizer(tokens), new Set([tokens.indexOf('xxx')]));
    expect([...kept].map((id) => tokens[id])).toEqual(tokens.filter((token) => token !== 'xx'));
    expect(tokensOf(small as TokenizerFile)('xxx xxxx film')).toEqual(['[CLS]', 'xxx', 'xxx', '##x', 'film', '[SEP]']);
  });

  const readJson = (path: string): TokenizerFile => JSON.parse(readFileSync(path, 'utf8')) as TokenizerFile;
  const linesOf = (path: string): string[] => readFileSync(path, 'utf8').trim().split('\n');

  it('keeps what the golden tokenizer needs for half of its corpus', () => {
    const fixtures = own(import.meta.url, 'fixtures');
    const json = readJson(fixtures.path('wordpiece/tokenizer.json'));
    const sentences = linesOf(fixtures.path('corpus.txt'));
    const small = expectPruned(json, sentences.slice(0, 100), sentences.slice(600));
    expect(Object.keys(small.model.vocab as object).length).toBeLessThan(600);
  });

  const bert = shared('tokenizers/bert-base-uncased');
  const sst2 = shared('data/sst2');
  itWith([bert, sst2], 'bert-base-uncased on the sentences of SST-2', () => {
    const json = readJson(bert.path('tokenizer.json'));
    const read = (name: string): string[] =>
      linesOf(sst2.path(`${name}.tsv`))
        .slice(1)
        .map((line) => line.split('\t')[0]);
    const small = expectPruned(json, read('train').slice(0, 2000), read('dev').slice(0, 400));
    expect(Object.keys(small.model.vocab as object).length).toBeLessThan(10_000);
  });
});

describe('byte-level BPE', () => {
  it.each([0, 1, 2])('keeps the tokens of texts that were counted, and all bytes, golden tokenizer %i', (i) => {
    const { tokenizer, cases } = golden.groups[i];
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').split('\n');
    const texts = fc.subarray([...cases.map(({ text }) => text), ...readme], { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(texts, fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 5 }), (counted, others) => {
        expectPruned(tokenizer, counted, others);
      }),
      { numRuns: 30 },
    );
  });

  it('keeps the merges that lead to a token, in their order', () => {
    const vocab = Object.fromEntries(['a', 'b', 'c', 'ab', 'bc', 'abc', 'ca', 'cab'].map((token, id) => [token, id]));
    const merges = [
      ['c', 'a'],
      ['a', 'b'],
      ['b', 'c'],
      ['ca', 'b'],
      ['a', 'bc'],
      ['ab', 'c'],
    ];
    const json = {
      added_tokens: [],
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
      model: { type: 'BPE', vocab, merges },
    };
    const { json: small, kept } = pruneVocabulary(json, new Set([5]));
    expect([...kept]).toEqual([0, 1, 2, 3, 4, 5]);
    expect((small as TokenizerFile).model.merges).toEqual([
      ['a', 'b'],
      ['b', 'c'],
      ['a', 'bc'],
      ['ab', 'c'],
    ]);
  });
});

it('gives new ids to all that names one', () => {
  const json = {
    ...bertTokenizer(['x', 'xx', 'xxx', ...SMALL_TOKENS.filter((token) => token !== 'x')]),
    padding: { pad_id: 3, pad_token: '[PAD]' },
  };
  const { json: small } = pruneVocabulary(json, new Set([]));
  const { post_processor, padding, added_tokens } = small as TokenizerFile;
  expect(padding).toEqual({ pad_id: 1, pad_token: '[PAD]' });
  expect(added_tokens.map(({ id }: { id: number }) => id)).toEqual([1, 2, 3, 4, 5]);
  expect(post_processor.special_tokens['[SEP]']).toEqual({ id: '[SEP]', ids: [4], tokens: ['[SEP]'] });
  expect(createTokenizer(small).padId).toBe(1);
});

it('refuses what it does not know', () => {
  expect(() => pruneVocabulary({ ...bertTokenizer(), model: { type: 'Unigram', vocab: [] } }, new Set())).toThrow(
    /the vocabulary can't be made smaller: the tokenizer is of type Unigram/,
  );
  expect(() => pruneVocabulary(bertTokenizer(), new Set([999]))).toThrow('no token has the id 999');
});

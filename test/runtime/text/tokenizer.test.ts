/** Texts become the tokens that Hugging Face's tokenizers makes of them. */
import { readFileSync } from 'node:fs';
import { Tokenizer as Library } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTokenizer, type Encoding } from '../../../runtime/text/tokenizer.ts';
import { describeWith, own, shared, type TestData } from '../../support/shared.ts';
import { bertTokenizer, SMALL_TOKENS, type TokenizerFile } from './small-tokenizer.ts';

const WHOLE = 2 ** 24;

interface GoldenCase {
  readonly text: string;
  readonly pair?: string;
  readonly ids: readonly number[];
  readonly types?: readonly number[];
}

const golden = JSON.parse(readFileSync(new URL('fixtures/golden.json', import.meta.url), 'utf8')) as {
  readonly groups: readonly {
    readonly tokenizer: TokenizerFile;
    readonly cases: readonly GoldenCase[];
    readonly pairs: readonly GoldenCase[];
  }[];
  readonly truncated: {
    readonly tokenizer: TokenizerFile;
    readonly cases: readonly [string, string, number, string, string | null, number[], number[]][];
  };
};

const idsOf = ({ ids }: Encoding): number[] => [...ids];

describe.each(golden.groups.map((group, i) => [`${i}, ${group.tokenizer.model.type}`, group] as const))(
  'golden tokenizer %s',
  (_, { tokenizer: json, cases, pairs }) => {
    const tokenizer = createTokenizer(json);

    it('gives the same ids', () => {
      expect(cases.map(({ text }) => idsOf(tokenizer.encode(text, null, WHOLE)))).toEqual(cases.map(({ ids }) => ids));
    });

    it('gives the same ids and types for pairs', () => {
      const encodings = pairs.map(({ text, pair }) => tokenizer.encode(text, pair!, WHOLE));
      expect(encodings.map(({ ids, types }) => [[...ids], [...types]])).toEqual(
        pairs.map(({ ids, types }) => [ids, types]),
      );
    });

    it('gives of a text that is cut what it gives of the whole', () => {
      for (const { text } of cases) {
        const whole = tokenizer.encode(text, null, WHOLE);
        for (const most of [2, 3, 7, whole.ids.length - 1, whole.ids.length]) {
          if (most < 2) continue;
          const cut = tokenizer.encode(text, null, most);
          const expected = most >= whole.ids.length ? whole.ids : [...whole.ids.slice(0, most - 1), whole.ids.at(-1)];
          expect([...cut.ids]).toEqual([...expected]);
          expect(cut.truncated > 0).toBe(most < whole.ids.length);
          expect(cut.truncated).toBeLessThanOrEqual(Math.max(0, whole.ids.length - most));
        }
      }
    });
  },
);

describe('truncation', () => {
  const NAMES: Record<string, string> = {
    longest_first: 'LongestFirst',
    only_first: 'OnlyFirst',
    only_second: 'OnlySecond',
    left: 'Left',
    right: 'Right',
  };
  const { tokenizer: json, cases } = golden.truncated;

  it.each(['longest_first', 'only_first', 'only_second'])('%s keeps what the original keeps', (strategy) => {
    const chosen = cases.filter(([name]) => name === strategy);
    expect(chosen.length).toBeGreaterThan(50);
    for (const [, direction, most, text, pair, ids, types] of chosen) {
      const tokenizer = createTokenizer({
        ...json,
        truncation: { strategy: NAMES[strategy], direction: NAMES[direction], max_length: 1, stride: 0 },
      });
      const encoding = tokenizer.encode(text, pair, most);
      expect([[...encoding.ids], [...encoding.types]], JSON.stringify([direction, most, text, pair])).toEqual([
        ids,
        types,
      ]);
    }
  });

  it('never gives more than it may, whatever the strategy', () => {
    const texts = fc.tuple(
      fc.nat(20),
      fc.nat(20),
      fc.integer({ min: 3, max: 30 }),
      fc.constantFrom('LongestFirst', 'OnlyFirst', 'OnlySecond'),
      fc.constantFrom('Left', 'Right'),
    );
    fc.assert(
      fc.property(texts, ([first, second, most, strategy, direction]) => {
        const tokenizer = createTokenizer({ ...bertTokenizer(), truncation: { strategy, direction } });
        const { ids, types, truncated } = tokenizer.encode('good '.repeat(first), 'bad '.repeat(second), most);
        expect(ids.length).toBe(Math.min(most, first + second + 3));
        expect(types.length).toBe(ids.length);
        expect(truncated > 0).toBe(first + second + 3 > most);
      }),
    );
  });

  it('refuses no room for the special tokens', () => {
    const tokenizer = createTokenizer(bertTokenizer());
    expect(idsOf(tokenizer.encode('good', null, 2))).toEqual([2, 3]);
    expect(() => tokenizer.encode('good', null, 1)).toThrow('room for 2 special tokens, got 1');
    expect(() => tokenizer.encode('good', 'bad', 2)).toThrow('room for 3 special tokens, got 2');
    expect(() => tokenizer.encode('good', null, NaN)).toThrow(RangeError);
  });
});

interface FolderCase extends GoldenCase {
  readonly src: string;
  readonly max_length?: number;
  readonly attention_mask?: readonly number[];
  readonly type_ids?: readonly number[];
}
const fixture = (name: string): TestData => own(import.meta.url, `../../text/fixtures/${name}`);
const FOLDERS = [
  {
    data: fixture('wordpiece'),
    count: 585,
    vocabSize: 700,
    types: { single: 1, pair: 2 },
    padId: 0,
    specials: { single: 2, pair: 3 },
  },
  {
    data: fixture('bpe'),
    count: 585,
    vocabSize: 801,
    types: { single: 1, pair: 1 },
    padId: 1,
    specials: { single: 2, pair: 4 },
  },
  {
    data: shared('tokenizers/bert-base-uncased'),
    count: 1442,
    vocabSize: 30522,
    types: { single: 1, pair: 2 },
    padId: 0,
    specials: { single: 2, pair: 3 },
  },
];

for (const { data, count, ...expected } of FOLDERS)
  describeWith([data], data.name, () => {
    it.each(['tokenizer.json', 'tokenizer.with_padding_truncation.json'])(
      '%s gives all golden ids and types, whole, cut and without padding',
      (name) => {
        const cases = readFileSync(data.path('golden.jsonl'), 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as FolderCase);
        expect(cases).toHaveLength(count);
        const { vocabSize, types, padId, specials, ...tokenizer } = createTokenizer(
          JSON.parse(readFileSync(data.path(name), 'utf8')),
        );
        expect({ vocabSize, types, padId, specials }).toEqual(expected);
        for (const { src, text, pair = null, max_length = WHOLE, ids, type_ids, attention_mask } of cases) {
          const real = <T>(values: readonly T[]): T[] => values.filter((_, i) => attention_mask?.[i] !== 0);
          const encoding = tokenizer.encode(text, pair, max_length);
          const where = `${src}: ${JSON.stringify([text, pair])}`;
          expect([...encoding.ids], where).toEqual(real(ids));
          if (type_ids !== undefined) expect([...encoding.types], where).toEqual(real(type_ids));
        }
      },
    );
  });

describe('long texts', () => {
  const tokenizer = createTokenizer(bertTokenizer());
  const bpe = createTokenizer(golden.groups[0].tokenizer);
  const parts = fc.constantFrom(
    'good',
    'films',
    ' ',
    '\n',
    '漢',
    '字',
    'e\u0301',
    '\u0301',
    '\0',
    '𠀀',
    '\ud800',
    'x',
    '!',
    '[SEP]',
    '\u00a0',
    '😀',
    'Σ',
  );
  // Around the windows' ends: a run of one part, then others.
  const long = fc
    .tuple(parts, fc.integer({ min: 1000, max: 5000 }), fc.array(parts, { maxLength: 30 }), parts, fc.nat(9000))
    .map(([a, n, rest, b, m]) => a.repeat(n) + rest.join('') + b.repeat(m) + rest.join(''));

  it('are cut to the tokens of the whole, WordPiece', () => {
    fc.assert(
      fc.property(long, fc.integer({ min: 2, max: 6000 }), (text, most) => {
        const whole = idsOf(tokenizer.encode(text, null, WHOLE));
        expect(idsOf(tokenizer.encode(text, null, most))).toEqual(
          whole.length <= most ? whole : [...whole.slice(0, most - 1), 3],
        );
        // The normalizer as a whole, without windows: an added token that is normalized, too, asks for that.
        const unparted = createTokenizer({
          ...bertTokenizer(),
          added_tokens: [...bertTokenizer().added_tokens, { id: 99, content: 'neverthere', normalized: true }],
        });
        expect(idsOf(unparted.encode(text, null, WHOLE))).toEqual(whole);
      }),
      { numRuns: 40 },
    );
  });

  it('are parted between words, byte-level BPE', () => {
    const library = new Library(
      { ...golden.groups[0].tokenizer, added_tokens: [] } as ConstructorParameters<typeof Library>[0],
      {},
    );
    const own = createTokenizer({ ...golden.groups[0].tokenizer, added_tokens: [] });
    const word = fc.constantFrom('good ', 'film  ', 'bad\n', ' a', 'x', "don't ", '漢字 ', '12 ');
    fc.assert(
      fc.property(fc.array(word, { minLength: 2500, maxLength: 4000 }), (words) => {
        const text = words.join('');
        expect(idsOf(own.encode(text, null, WHOLE))).toEqual(library.encode(text).ids);
      }),
      { numRuns: 8 },
    );
  });

  it.each([
    ['WordPiece', tokenizer],
    ['byte-level BPE', bpe],
  ] as const)('take no longer than what is kept of them: 10 MB, %s', (_, one) => {
    for (const text of ['good film, bad film. ', 'x', '漢', ' ', '\0', '!', `${'x'.repeat(99)}\u2603 `]) {
      const started = performance.now();
      expect(
        one.encode(text.repeat(1e7 / text.length), text.repeat(1e7 / text.length), 512).ids.length,
      ).toBeLessThanOrEqual(512);
      expect(performance.now() - started, JSON.stringify(text)).toBeLessThan(3000);
    }
  });
});

describe('words', () => {
  const tokenizer = createTokenizer(bertTokenizer());
  const tokensOf = (text: string): string[] =>
    [...tokenizer.encode(text, null, WHOLE).ids].slice(1, -1).map((id) => SMALL_TOKENS[id]);

  it('are spelled with the longest tokens, or unknown', () => {
    expect(tokensOf('films goodly badx')).toEqual(['film', '##s', 'good', '##ly', 'bad', '##x']);
    expect(tokensOf('filmz zfilm')).toEqual(['[UNK]', '[UNK]']);
    expect(tokensOf('x'.repeat(100))).toEqual(['x', ...Array.from({ length: 99 }, () => '##x')]);
    expect(tokensOf('x'.repeat(101))).toEqual(['[UNK]']);
    expect(tokensOf(`${'x'.repeat(50_000)} a`)).toEqual(['[UNK]', 'a']);
  });

  it("know nothing of JavaScript's objects", () => {
    for (const word of ['constructor', '__proto__', 'toString', 'hasOwnProperty'])
      expect(tokensOf(word)).not.toEqual([undefined]);
    const tokens = [...SMALL_TOKENS, '__', 'proto', '__proto__', 'constructor', '_'];
    const json = JSON.parse(JSON.stringify(bertTokenizer(tokens)).replace('"__":', '"__proto__":99,"__":')) as unknown;
    expect(idsOf(createTokenizer(json).encode('constructor proto', null, WHOLE))).toEqual([
      2,
      tokens.indexOf('constructor'),
      tokens.indexOf('proto'),
      3,
    ]);
  });
});

describe('a tokenizer.json is refused', () => {
  const changed = (change: (json: TokenizerFile) => void, json: TokenizerFile = bertTokenizer()): TokenizerFile => {
    const copy = structuredClone(json);
    change(copy);
    return copy;
  };
  const byteLevel = golden.groups[0].tokenizer;
  const cases: [name: string, json: unknown, message: RegExp][] = [
    ['that is none', [], /tokenizer: expected an object, got \[\]/],
    ['without a model', {}, /tokenizer\.model: expected an object, got undefined/],
    [
      'of another model',
      changed((j) => (j.model.type = 'Unigram')),
      /model\.type: expected WordPiece or BPE, got "Unigram"/,
    ],
    [
      'of a model of the prototype',
      changed((j) => (j.model.type = 'constructor')),
      /model\.type: expected WordPiece or BPE/,
    ],
    [
      'with no tokens',
      changed((j) => (j.model.vocab = {})),
      /vocab: tokens: expected a whole number from 1 to 1048576, got 0/,
    ],
    [
      'with an id that is none',
      changed((j) => (j.model.vocab.film = -1)),
      /expected a whole number from 0 to 2097151, got -1/,
    ],
    ['with an id twice', changed((j) => (j.model.vocab.film = 5)), /an id of its own for each token, got 5/],
    ['with a token without end', changed((j) => (j.model.vocab['x'.repeat(2000)] = 99)), /at most 1024 characters/],
    ['without the unknown token', changed((j) => (j.model.unk_token = '[NONE]')), /the unknown token \[NONE\]/],
    [
      'with words without end',
      changed((j) => (j.model.max_input_chars_per_word = 1e9)),
      /max_input_chars_per_word: expected a whole number from 1 to 256/,
    ],
    [
      'with another normalizer',
      changed((j) => (j.normalizer = { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' })),
      /normalizer\.type: expected .*, got "Replace"/,
    ],
    [
      'with another pre-tokenizer',
      changed((j) => (j.pre_tokenizer = { type: 'Split', pattern: { Regex: '(a+)+$' } })),
      /pre_tokenizer\.type: expected BertPreTokenizer or ByteLevel or Sequence, got "Split"/,
    ],
    [
      "with the other model's pre-tokenizer",
      changed((j) => (j.pre_tokenizer = { type: 'ByteLevel' })),
      /expected BertPreTokenizer beside WordPiece, got "ByteLevel"/,
    ],
    [
      "with the other model's normalizer",
      changed((j) => (j.normalizer = { type: 'NFC' })),
      /expected BertNormalizer beside WordPiece, got "NFC"/,
    ],
    [
      'with a flag that is none',
      changed((j) => (j.normalizer.lowercase = 'yes')),
      /lowercase: expected true or false, got "yes"/,
    ],
    [
      'with another post-processor',
      changed((j) => (j.post_processor = { type: 'Magic' })),
      /post_processor\.type: expected TemplateProcessing/,
    ],
    [
      'with a template that loses the text',
      changed((j) => j.post_processor.single.splice(1, 1)),
      /post_processor\.single: expected the texts A once each/,
    ],
    [
      'with a template of unknown tokens',
      changed((j) => (j.post_processor.single[0].SpecialToken.id = 'toString')),
      /expected a token toString/,
    ],
    [
      'with a template without end',
      changed((j) => (j.post_processor.single = Array(1000).fill(j.post_processor.single[0]))),
      /a list of 1 to 16/,
    ],
    [
      'with an added token of nothing',
      changed((j) => j.added_tokens.push({ id: 9, content: '' })),
      /content: expected a string of 1 to 1024/,
    ],
    [
      'with another strategy',
      changed((j) => (j.truncation = { strategy: 'DoNot' })),
      /strategy: expected LongestFirst or/,
    ],
    [
      'with merges of nothing',
      changed((j) => j.model.merges.push(['zz', 'zz']), byteLevel),
      /merges: expected tokens of the vocabulary, got "zz"/,
    ],
    [
      'with merges of three',
      changed((j) => j.model.merges.push('a b c'), byteLevel),
      /merges\[\d+\]: expected a list of 2/,
    ],
    ['with dropout', changed((j) => (j.model.dropout = 0.1), byteLevel), /dropout: expected nothing, got 0.1/],
    [
      'with bytes for what is unknown',
      changed((j) => (j.model.byte_fallback = true), byteLevel),
      /byte_fallback: expected nothing, got true/,
    ],
    [
      'with pieces of words',
      changed((j) => (j.model.continuing_subword_prefix = '##'), byteLevel),
      /continuing_subword_prefix: expected nothing/,
    ],
    [
      'without pieces',
      changed((j) => (j.pre_tokenizer.use_regex = false), byteLevel),
      /use_regex: expected true, got false/,
    ],
  ];
  it.each(cases)('%s', (_, json, message) => {
    expect(() => createTokenizer(json)).toThrow(
      expect.objectContaining({
        name: 'PreprocessError',
        code: 'bad-spec',
        message: expect.stringMatching(message) as string,
      }),
    );
  });
});

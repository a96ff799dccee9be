import { cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../cli/io/errors.ts';
import { loadTokenizerJson, saveTokenizer } from '../../cli/text/tokenizer-files.ts';
import { createTokenizer } from '../../runtime/text/tokenizer.ts';
import { bertTokenizer, SMALL_TOKENS, type TokenizerFile } from '../runtime/text/small-tokenizer.ts';
import { describeWith, own, shared, type TestData } from '../support/shared.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = temporaryFolder();
let folders = 0;

/** A folder with these files. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = join(root, `${folders++}`);
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

async function idsOf(folder: string, text: string, pair: string | null = null): Promise<number[]> {
  return [...createTokenizer(await loadTokenizerJson(folder)).encode(text, pair, 1000).ids];
}

const golden = JSON.parse(readFileSync(new URL('../runtime/text/fixtures/golden.json', import.meta.url), 'utf8')) as {
  readonly groups: readonly {
    readonly tokenizer: TokenizerFile;
    readonly cases: readonly { text: string; ids: number[] }[];
    readonly pairs: readonly { text: string; pair: string; ids: number[] }[];
  }[];
};

interface FolderCase {
  readonly text: string;
  readonly pair?: string;
  readonly max_length?: number;
  readonly ids: number[];
  readonly attention_mask?: number[];
}

/** Loads some of a folder's files, and compares what they give with its golden.jsonl. */
async function expectGoldenIds(data: TestData, files: readonly string[]): Promise<void> {
  const folder = folderOf({});
  for (const file of files) cpSync(data.path(file), join(folder, file));
  const tokenizer = createTokenizer(await loadTokenizerJson(folder));
  const cases = readFileSync(data.path('golden.jsonl'), 'utf8').trim().split('\n');
  expect(cases.length).toBeGreaterThan(500);
  for (const line of cases) {
    const { text, pair = null, max_length = 2 ** 24, ids, attention_mask } = JSON.parse(line) as FolderCase;
    expect([...tokenizer.encode(text, pair, max_length).ids], JSON.stringify([text, pair])).toEqual(
      ids.filter((_, i) => attention_mask?.[i] !== 0),
    );
  }
}

for (const data of [own(import.meta.url, 'fixtures/wordpiece'), shared('tokenizers/bert-base-uncased')])
  describeWith([data], data.name, () => {
    it.each([
      ['vocab.txt alone', ['vocab.txt']],
      ['vocab.txt and its settings', ['vocab.txt', 'tokenizer_config.json', 'special_tokens_map.json']],
    ])('gives the golden ids from %s', (_, files) => expectGoldenIds(data, files));

    it('gives from vocab.txt what tokenizer.json says', async () => {
      const folder = folderOf({});
      cpSync(data.path('vocab.txt'), join(folder, 'vocab.txt'));
      const { version: _, decoder: __, ...made } = (await loadTokenizerJson(folder)) as TokenizerFile;
      const { version: ___, decoder: ____, ...given } = (await loadTokenizerJson(data.path())) as TokenizerFile;
      // Older files name no type.
      expect({ ...made, model: { ...made.model, type: null } }).toEqual({
        ...given,
        model: { ...given.model, type: null },
      });
    });
  });

it('text/fixtures/bpe gives the golden ids from vocab.json and merges.txt', () =>
  expectGoldenIds(own(import.meta.url, 'fixtures/bpe'), ['vocab.json', 'merges.txt', 'tokenizer_config.json']));

describe('vocab.txt', () => {
  const vocab = SMALL_TOKENS.join('\n');
  it('goes by tokenizer_config.json', async () => {
    expect(await idsOf(folderOf({ 'vocab.txt': vocab }), 'GOOD 漢字')).toEqual(
      ['[CLS]', 'good', '漢', '字', '[SEP]'].map((t) => SMALL_TOKENS.indexOf(t)),
    );
    const cased = JSON.stringify({ do_lower_case: false, tokenize_chinese_chars: false, strip_accents: null });
    expect(
      await idsOf(folderOf({ 'vocab.txt': `${vocab}\n`, 'tokenizer_config.json': cased }), 'GOOD good 漢字'),
    ).toEqual([2, 1, SMALL_TOKENS.indexOf('good'), 1, 3]);
    const accents = JSON.stringify({ do_lower_case: true, strip_accents: false });
    expect(await idsOf(folderOf({ 'vocab.txt': vocab, 'tokenizer_config.json': accents }), 'göod good')).toEqual([
      2,
      1,
      SMALL_TOKENS.indexOf('good'),
      3,
    ]);
  });

  it('takes other names for special tokens', async () => {
    const renamed = vocab.replace('[CLS]', '<start>').replace('[UNK]', '?');
    const map = JSON.stringify({ cls_token: '<start>', unk_token: { content: '?', lstrip: false } });
    expect(await idsOf(folderOf({ 'vocab.txt': renamed, 'special_tokens_map.json': map }), 'good zzz')).toEqual([
      2,
      SMALL_TOKENS.indexOf('good'),
      1,
      3,
    ]);
  });

  it("takes Windows' line ends", async () => {
    expect(await idsOf(folderOf({ 'vocab.txt': `${SMALL_TOKENS.join('\r\n')}\r\n` }), 'good')).toEqual([
      2,
      SMALL_TOKENS.indexOf('good'),
      3,
    ]);
  });
});

it("vocab.json and merges.txt give what RoBERTa's tokenizer.json gives", async () => {
  const { tokenizer, cases, pairs } = golden.groups[0];
  const merges = (tokenizer.model.merges as string[][]).map((merge) => merge.join(' '));
  const config = {
    add_prefix_space: true,
    added_tokens_decoder: Object.fromEntries(
      (tokenizer.added_tokens as { id: number }[]).map(({ id, ...token }) => [id, token]),
    ),
  };
  const folder = folderOf({
    'vocab.json': JSON.stringify(tokenizer.model.vocab),
    'merges.txt': `#version: 0.2\n${merges.join('\n')}\n`,
    'tokenizer_config.json': JSON.stringify(config),
  });
  for (const { text, ids } of cases) expect(await idsOf(folder, text)).toEqual(ids);
  for (const { text, pair, ids } of pairs) expect(await idsOf(folder, text, pair)).toEqual(ids);
  const gpt2 = folderOf({
    'vocab.json': JSON.stringify(tokenizer.model.vocab),
    'merges.txt': merges.join('\n'),
    'tokenizer_config.json': JSON.stringify({ ...config, tokenizer_class: 'GPT2Tokenizer' }),
  });
  expect(await idsOf(gpt2, cases[0].text)).toEqual(cases[0].ids.slice(1, -1));
});

it('what is saved is loaded again', async () => {
  const folder = join(root, 'saved');
  await saveTokenizer(folder, bertTokenizer(), { maxTokens: 128, types: true });
  expect(await loadTokenizerJson(folder)).toEqual(bertTokenizer());
  expect(JSON.parse(readFileSync(join(folder, 'tokenizer_config.json'), 'utf8'))).toEqual({
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: 128,
    model_input_names: ['input_ids', 'token_type_ids', 'attention_mask'],
    pad_token: '[PAD]',
    unk_token: '[UNK]',
    cls_token: '[CLS]',
    sep_token: '[SEP]',
    mask_token: '[MASK]',
  });
});

describe('is refused, naming the file', () => {
  const small = JSON.stringify(bertTokenizer());
  const cases: [name: string, files: Record<string, string>, message: RegExp][] = [
    ['nothing', {}, /has no tokenizer: expected tokenizer\.json, vocab\.txt, or vocab\.json and merges\.txt/],
    ['half a JSON', { 'tokenizer.json': small.slice(0, 100) }, /tokenizer\.json is not valid JSON/],
    ['a list', { 'tokenizer.json': '[]' }, /tokenizer\.json: expected a JSON object/],
    [
      'another tokenizer',
      { 'tokenizer.json': small.replace('"model":{"type":"WordPiece"', '"model":{"type":"WordLevel"') },
      /tokenizer\.json: .*expected WordPiece or BPE, got "WordLevel"/,
    ],
    ['bytes', { 'tokenizer.json': Buffer.from([0xff, 0xfe]).toString('latin1') }, /tokenizer\.json is not valid JSON/],
    [
      'a vocabulary without special tokens',
      { 'vocab.txt': 'a\nb\n' },
      /vocab\.txt has no \[CLS\], nor what tokenizer_config\.json calls cls_token/,
    ],
    [
      'settings that are none',
      { 'vocab.txt': SMALL_TOKENS.join('\n'), 'tokenizer_config.json': '{"do_lower_case": "very"}' },
      /vocab\.txt: .*lowercase: expected true or false, got "very"/,
    ],
    [
      'settings that are no JSON',
      { 'vocab.txt': SMALL_TOKENS.join('\n'), 'tokenizer_config.json': '{' },
      /tokenizer_config\.json is not valid JSON/,
    ],
    ['vocab.json alone', { 'vocab.json': '{}' }, /has vocab\.json but no merges\.txt/],
    [
      'ids that are none',
      { 'vocab.json': '{"a": "b"}', 'merges.txt': '' },
      /vocab\.json: expected a number for each token, got "b" for "a"/,
    ],
    [
      'merges of something else',
      { 'vocab.json': '{"a": 0, "<s>": 1, "</s>": 2}', 'merges.txt': 'x y\n' },
      /vocab\.json: .*merges: expected tokens of the vocabulary, got "x"/,
    ],
    [
      "another class's tokenizer",
      {
        'vocab.json': '{"a": 0, "<s>": 1, "</s>": 2}',
        'merges.txt': '',
        'tokenizer_config.json': '{"tokenizer_class": "HerbertTokenizerFast"}',
      },
      /a tokenizer of class HerbertTokenizerFast is not read/,
    ],
    [
      'SentencePiece alone',
      { 'sentencepiece.bpe.model': 'x', 'tokenizer_config.json': '{"tokenizer_class": "XLMRobertaTokenizer"}' },
      /has sentencepiece\.bpe\.model but no tokenizer\.json/,
    ],
    [
      'a vocabulary that its class does not take',
      { 'tokenizer.json': small, 'tokenizer_config.json': '{"tokenizer_class": "RobertaTokenizer"}' },
      /a tokenizer of class RobertaTokenizer is made of BPE, tokenizer\.json holds WordPiece/,
    ],
  ];
  it.each(cases)('%s', async (_, files, message) => {
    const error: unknown = await loadTokenizerJson(folderOf(files)).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(message);
  });

  it('a file of more than 64 MiB', async () => {
    const folder = folderOf({ 'tokenizer.json': '' });
    truncateSync(join(folder, 'tokenizer.json'), 65 * 1024 ** 2);
    await expect(loadTokenizerJson(folder)).rejects.toThrow('expected at most 67108864 bytes, got 68157440');
  });
});

/**
 * Tokenizers on disk: tokenizer.json, and the files of before it, vocab.txt (BERT) or vocab.json with merges.txt
 * (RoBERTa, GPT-2).
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject, type JsonObject } from '../../runtime/artifact/schema.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { createTokenizer } from '../../runtime/text/tokenizer.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { kindOf, writeJson } from '../io/files.ts';
import { bertTokenizerJson, type SpecialToken, specialTokenJson } from './bert-json.ts';

const MAX_FILE_BYTES = 64 * 1024 ** 2;

/**
 * The tokenizer of a model's folder as a tokenizer.json that `createTokenizer` takes.
 * @throws UserError naming the file that is missing, too large, malformed or not supported
 */
export async function loadTokenizerJson(folder: string): Promise<unknown> {
  const kind = await kindOf(folder);
  if (kind !== 'folder')
    throw new UserError(
      kind === 'absent' ? `there is no folder ${folder}` : `${folder} is a file, expected the folder of a tokenizer`,
      'Give the folder that holds tokenizer.json or vocab.txt.',
    );
  const path = (name: string): string => join(folder, name);
  const found = async (name: string): Promise<boolean> => (await kindOf(path(name))) === 'file';
  if (await found('tokenizer.json')) return checked(path('tokenizer.json'), await readObject(path('tokenizer.json')));
  const settings = await readSettings(folder);
  if (await found('vocab.txt'))
    return checked(path('vocab.txt'), bertJson(path('vocab.txt'), await readLines(path('vocab.txt')), settings));
  if (!(await found('vocab.json'))) {
    throw new UserError(
      `${folder} has no tokenizer: expected tokenizer.json, vocab.txt, or vocab.json and merges.txt`,
      'Copy the files of the tokenizer into it, from where the model came.',
    );
  }
  if (!(await found('merges.txt')))
    throw new UserError(`${folder} has vocab.json but no merges.txt beside it`, 'Copy it from where the model came.');
  return checked(
    path('vocab.json'),
    byteLevelJson(
      path('vocab.json'),
      await readObject(path('vocab.json')),
      await readLines(path('merges.txt')),
      settings,
    ),
  );
}

/** Writes tokenizer.json and tokenizer_config.json, which transformers loads. */
export async function saveTokenizer(
  folder: string,
  json: unknown,
  { maxTokens }: { readonly maxTokens: number },
): Promise<void> {
  await writeJson(join(folder, 'tokenizer.json'), json);
  const contents = new Set(addedTokens(json).map(({ content }) => content));
  const specials = Object.fromEntries(
    Object.entries(SPECIALS).flatMap(([name, tokens]) => {
      const token = tokens.find((candidate) => contents.has(candidate));
      return token === undefined ? [] : [[name, token]];
    }),
  );
  const types = createTokenizer(json).typeCount > 1 ? ['token_type_ids'] : [];
  await writeJson(join(folder, 'tokenizer_config.json'), {
    // Reads tokenizer.json whatever is in it; classes of models make one anew of their vocabulary.
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: maxTokens,
    model_input_names: ['input_ids', ...types, 'attention_mask'],
    ...specials,
  });
}

/** What each special token is called, by BERT and by RoBERTa. */
const SPECIALS = {
  pad_token: ['[PAD]', '<pad>'],
  unk_token: ['[UNK]', '<unk>'],
  cls_token: ['[CLS]', '<s>'],
  sep_token: ['[SEP]', '</s>'],
  mask_token: ['[MASK]', '<mask>'],
} as const;

type SpecialName = keyof typeof SPECIALS;

/** tokenizer_config.json, and over it special_tokens_map.json. */
async function readSettings(folder: string): Promise<JsonObject> {
  const read = async (name: string): Promise<JsonObject> =>
    (await kindOf(join(folder, name))) === 'file' ? readObject(join(folder, name)) : {};
  return { ...(await read('tokenizer_config.json')), ...(await read('special_tokens_map.json')) };
}

/** A special token: as the settings name it, as it is usually called, or null where the vocabulary has none. */
function specialToken(settings: JsonObject, name: SpecialName, has: (token: string) => boolean): string | null {
  const given = settings[name];
  const named = isObject(given) ? given.content : given;
  return [...(typeof named === 'string' ? [named] : []), ...SPECIALS[name]].find(has) ?? null;
}

/** What transformers' BertTokenizer makes of its vocabulary: a token a line, by the line's number. */
function bertJson(path: string, lines: readonly string[], settings: JsonObject): JsonObject {
  const ids = new Map<string, number>();
  for (const [id, token] of lines.entries()) if (token !== '') ids.set(token, id);
  const special = (name: SpecialName): SpecialToken => {
    const content = specialToken(settings, name, (token) => ids.has(token));
    if (content === null)
      throw new UserError(
        `${path} has no ${SPECIALS[name][0]}, nor what tokenizer_config.json calls ${name}`,
        'A vocabulary of BERT holds one token a line, special ones included.',
      );
    return { content, id: ids.get(content) as number };
  };
  const [cls, sep, unk] = [special('cls_token'), special('sep_token'), special('unk_token')];
  const { do_lower_case = true, strip_accents = null, tokenize_chinese_chars = true } = settings;
  return bertTokenizerJson({
    vocab: ids,
    addedTokens: withSpecials(settings, ids, false),
    cls,
    sep,
    unk,
    lowercase: do_lower_case,
    stripAccents: strip_accents,
    chineseCharacters: tokenize_chinese_chars,
  });
}

/** What transformers' RobertaTokenizer makes of its files, or GPT2Tokenizer where there are no <s> and </s>. */
function byteLevelJson(path: string, vocab: JsonObject, lines: readonly string[], settings: JsonObject): JsonObject {
  const ids = new Map(
    Object.entries(vocab).map(([token, id]) => {
      if (typeof id !== 'number')
        throw new UserError(
          `${path}: expected a number for each token, got ${JSON.stringify(id)} for ${JSON.stringify(token)}`,
        );
      return [token, id];
    }),
  );
  const special = (name: SpecialName): [string, number] | null => {
    const token = specialToken(settings, name, (candidate) => ids.has(candidate));
    return token === null ? null : [token, ids.get(token) as number];
  };
  const isGpt2 = String(settings.tokenizer_class ?? '').includes('GPT2');
  const [cls, sep] = isGpt2 ? [null, null] : [special('cls_token'), special('sep_token')];
  const { add_prefix_space = false } = settings;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: withSpecials(settings, ids, true),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space, trim_offsets: true, use_regex: true },
    post_processor:
      cls && sep
        ? { type: 'RobertaProcessing', cls, sep, trim_offsets: true, add_prefix_space }
        : { type: 'ByteLevel', add_prefix_space, trim_offsets: true, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: lines.filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version'))),
    },
  };
}

/** Special tokens by their ids, and what tokenizer_config.json adds. RoBERTa's mask takes the space before it. */
function withSpecials(
  settings: JsonObject,
  ids: ReadonlyMap<string, number>,
  maskStripsLeft: boolean,
): readonly JsonObject[] {
  const added = new Map<number, JsonObject>();
  for (const name of Object.keys(SPECIALS) as SpecialName[]) {
    const content = specialToken(settings, name, (token) => ids.has(token));
    if (content === null) continue;
    const id = ids.get(content) as number;
    added.set(id, specialTokenJson({ content, id }, maskStripsLeft && name === 'mask_token'));
  }
  const { added_tokens_decoder: more } = settings;
  for (const [id, token] of Object.entries(isObject(more) ? more : {}))
    if (isObject(token)) added.set(Number(id), { id: Number(id), ...token });
  return [...added.values()].sort((x, y) => Number(x.id) - Number(y.id));
}

function addedTokens(json: unknown): readonly { readonly content?: unknown }[] {
  return isObject(json) && Array.isArray(json.added_tokens) ? json.added_tokens.filter(isObject) : [];
}

function checked(path: string, json: unknown): unknown {
  try {
    createTokenizer(json);
  } catch (error) {
    if (error instanceof PreprocessError)
      throw new UserError(
        `${path}: ${error.message}`,
        'Slim reads tokenizers as BERT (WordPiece) and as RoBERTa (byte-level BPE) have them.',
      );
    throw error;
  }
  return json;
}

async function readObject(path: string): Promise<JsonObject> {
  const text = await readText(path);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path} is not valid JSON: ${messageOf(error)}`);
  }
  if (!isObject(json)) throw new UserError(`${path}: expected a JSON object`);
  return json;
}

async function readLines(path: string): Promise<string[]> {
  const lines = (await readText(path)).split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw new UserError(`${path}: expected at most ${MAX_FILE_BYTES} bytes, got ${size}`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    throw error instanceof UserError ? error : new UserError(`can't read ${path}: ${messageOf(error)}`);
  }
}

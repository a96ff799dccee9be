/**
 * Tokenizers on disk: tokenizer.json, and the files of before it, vocab.txt (BERT) or vocab.json with merges.txt
 * (RoBERTa, GPT-2).
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject, type JsonObject } from '../../runtime/artifact/schema.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { createAnyTokenizer } from '../../runtime/text/any-tokenizer.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { kindOf, writeJson } from '../io/files.ts';
import { buildTokenizer, ofTokenizerJson, type Vocabulary, vocabularyOfObject } from './tokenizer-build.ts';
import { type TokenizerClass, tokenizerClass } from './tokenizer-class.ts';

const MAX_FILE_BYTES = 64 * 1024 ** 2;

/**
 * The tokenizer of a model's folder as a tokenizer.json that `createAnyTokenizer` takes: what transformers makes of the
 * folder's files. A tokenizer.json with neither tokenizer_config.json nor a model's config.json beside it stands for
 * itself.
 * @throws UserError naming the file that is missing, too large, malformed or not supported
 */
export async function loadTokenizerJson(folder: string): Promise<unknown> {
  const kind = await kindOf(folder);
  if (kind !== 'folder')
    throw new UserError(
      kind === 'absent' ? `there is no folder ${folder}` : `${folder} is a file, expected the folder of a tokenizer`,
      'Give the folder that holds tokenizer.json or vocab.txt.',
    );
  const optional = async (name: string): Promise<JsonObject | null> =>
    (await kindOf(join(folder, name))) === 'file' ? readObject(join(folder, name)) : null;
  const json = await optional('tokenizer.json');
  const settings = await optional('tokenizer_config.json');
  const model = await optional('config.json');
  const path = join(folder, 'tokenizer.json');
  if (json !== null && settings === null && model === null) return checked(path, json);
  const known = tokenizerClass(folder, settings ?? {}, model ?? {});
  const vocabulary = json === null ? await vocabularyFiles(folder, known) : ofTokenizerJson(path, json);
  const chosen = known ?? classOf(vocabulary);
  const files = {
    settings: settings ?? {},
    specialsMap: (await optional('special_tokens_map.json')) ?? {},
    addedTokens: (await optional('added_tokens.json')) ?? {},
    jsonTokens: addedTokens(json),
  };
  return checked(vocabulary.path, buildTokenizer(folder, chosen, vocabulary, json, files));
}

/** The class where nothing names one. */
function classOf({ json, merges }: Vocabulary): TokenizerClass {
  if (json !== null) return { name: 'PreTrainedTokenizerFast', kind: 'written', types: true };
  return merges === null
    ? { name: 'BertTokenizer', kind: 'bert', types: true }
    : { name: 'RobertaTokenizer', kind: 'roberta', types: false };
}

/** vocab.txt, or vocab.json and merges.txt, by what the class reads, else by what is there. */
async function vocabularyFiles(folder: string, known: TokenizerClass | null): Promise<Vocabulary> {
  const found = async (name: string): Promise<boolean> => (await kindOf(join(folder, name))) === 'file';
  for (const name of ['sentencepiece.bpe.model', 'spiece.model', 'tokenizer.model'])
    if (await found(name))
      throw new UserError(
        `${folder} has ${name} but no tokenizer.json`,
        'AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) of transformers makes one.',
      );
  if (known?.kind === 'written' || known?.kind === 'xlm-roberta' || known?.kind === 'camembert')
    throw new UserError(`${folder} has no tokenizer.json, of which its class ${known.name} is made`, COPY);
  const wordPiece = join(folder, 'vocab.txt');
  if ((known === null || known.kind === 'bert') && (await found('vocab.txt')))
    return { path: wordPiece, json: null, vocab: vocabularyOfLines(await readLines(wordPiece)), merges: null };
  const path = join(folder, 'vocab.json');
  if (known?.kind === 'bert' || !(await found('vocab.json')))
    throw new UserError(
      `${folder} has no tokenizer: expected tokenizer.json, vocab.txt, or vocab.json and merges.txt`,
      COPY,
    );
  if (!(await found('merges.txt')))
    throw new UserError(`${folder} has vocab.json but no merges.txt beside it`, 'Copy it from where the model came.');
  const lines = await readLines(join(folder, 'merges.txt'));
  return {
    path,
    json: null,
    vocab: vocabularyOfObject(path, await readObject(path)),
    merges: lines.filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version'))),
  };
}

const COPY = 'Copy the files of the tokenizer into it, from where the model came.';

/** A token a line, by the line's number; the library takes white space off a line's end. */
function vocabularyOfLines(lines: readonly string[]): ReadonlyMap<string, number> {
  return new Map(lines.map((line, id) => [line.replace(/\p{White_Space}+$/u, ''), id]));
}

/** Writes tokenizer.json and tokenizer_config.json, which transformers loads. */
export async function saveTokenizer(
  folder: string,
  json: unknown,
  { maxTokens, types }: { readonly maxTokens: number; readonly types: boolean },
): Promise<void> {
  await writeJson(join(folder, 'tokenizer.json'), json);
  const contents = new Set(addedTokens(json).map(({ content }) => content));
  const specials = Object.fromEntries(
    Object.entries(SPECIALS).flatMap(([name, tokens]) => {
      const token = tokens.find((candidate) => contents.has(candidate));
      return token === undefined ? [] : [[name, token]];
    }),
  );
  await writeJson(join(folder, 'tokenizer_config.json'), {
    // Reads tokenizer.json whatever is in it; classes of models make one anew of their vocabulary.
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: maxTokens,
    model_input_names: ['input_ids', ...(types ? ['token_type_ids'] : []), 'attention_mask'],
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

function addedTokens(json: unknown): readonly JsonObject[] {
  return isObject(json) && Array.isArray(json.added_tokens) ? json.added_tokens.filter(isObject) : [];
}

function checked(path: string, json: unknown): unknown {
  try {
    createAnyTokenizer(json);
  } catch (error) {
    if (error instanceof PreprocessError)
      throw new UserError(
        `${path}: ${error.message}`,
        'Slim reads tokenizers as BERT (WordPiece), RoBERTa (byte-level BPE) and XLM-RoBERTa (Unigram) have them.',
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

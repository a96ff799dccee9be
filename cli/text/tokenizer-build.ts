/** A tokenizer.json as transformers' classes of tokenizers make theirs, of a vocabulary and tokenizer_config.json. */
import { isObject, type JsonObject } from '../../runtime/artifact/schema.ts';
import { UserError } from '../io/errors.ts';
import { bertTokenizerJson, type SpecialToken } from './bert-json.ts';
import { type GatheredTokens, gatherTokens, type SpecialName, type TokenFiles } from './special-tokens.ts';
import { SAVE_AS_JSON, type TokenizerClass, type TokenizerKind } from './tokenizer-class.ts';

/** Tokens with their ids, and where they were read. */
export interface Vocabulary {
  readonly path: string;
  /** The `model` of a tokenizer.json; null for the files of before it. */
  readonly json: JsonObject | null;
  readonly vocab: ReadonlyMap<string, number>;
  /** Of BPE, as tokenizer.json has them. */
  readonly merges: readonly unknown[] | null;
}

/** The vocabulary of a tokenizer.json. UserError where it has none. */
export function ofTokenizerJson(path: string, { model }: JsonObject): Vocabulary {
  if (!isObject(model)) throw new UserError(`${path}: expected an object model, got ${JSON.stringify(model)}`);
  const { vocab, merges } = model;
  return {
    path,
    json: model,
    vocab: Array.isArray(vocab)
      ? new Map(vocab.map((entry, id) => [String(Array.isArray(entry) ? entry[0] : entry), id]))
      : vocabularyOfObject(path, isObject(vocab) ? vocab : {}),
    merges: Array.isArray(merges) ? merges : null,
  };
}

/** Ids by token. UserError where one is no number. */
export function vocabularyOfObject(path: string, vocab: JsonObject): ReadonlyMap<string, number> {
  return new Map(
    Object.entries(vocab).map(([token, id]) => {
      if (typeof id !== 'number')
        throw new UserError(
          `${path}: expected a number for each token, got ${JSON.stringify(id)} for ${JSON.stringify(token)}`,
        );
      return [token, id];
    }),
  );
}

/**
 * The tokenizer that transformers makes. `json` is tokenizer.json where there is one.
 * @throws UserError naming the folder, and what does not go together
 */
export function buildTokenizer(
  folder: string,
  { name, kind, types }: TokenizerClass,
  vocabulary: Vocabulary,
  json: JsonObject | null,
  files: TokenFiles,
): JsonObject {
  const { settings } = files;
  if (settings.split_special_tokens === true)
    throw new UserError(`${folder}: split_special_tokens in tokenizer_config.json is not supported`, SAVE_AS_JSON);
  expectModel(folder, name, kind, vocabulary);
  const tokens = gatherTokens(kind, files, kind === 'written' ? files.jsonTokens : [], vocabulary.vocab);
  const made = MAKERS[kind]({ folder, name, vocabulary, json, settings, tokens });
  const hasTypes = Array.isArray(settings.model_input_names)
    ? settings.model_input_names.includes('token_type_ids')
    : types;
  return {
    ...made,
    truncation: truncationOf(json, settings),
    padding: json?.padding ?? null,
    post_processor: hasTypes ? made.post_processor : withoutTypes(made.post_processor),
  };
}

/** What a class of transformers takes a vocabulary for; of another one it would make nonsense. */
const MODELS: Readonly<Record<Exclude<TokenizerKind, 'written'>, string>> = {
  bert: 'WordPiece',
  roberta: 'BPE',
  gpt2: 'BPE',
  'xlm-roberta': 'Unigram',
  camembert: 'Unigram',
};

function expectModel(folder: string, name: string, kind: TokenizerKind, { json, merges }: Vocabulary): void {
  if (kind === 'written' || json === null) return;
  const { type = merges === null ? 'WordPiece' : 'BPE' } = json;
  if (type !== MODELS[kind])
    throw new UserError(
      `${folder}: a tokenizer of class ${name} is made of ${MODELS[kind]}, tokenizer.json holds ${String(type)}`,
      SAVE_AS_JSON,
    );
}

interface Ingredients {
  readonly folder: string;
  readonly name: string;
  readonly vocabulary: Vocabulary;
  readonly json: JsonObject | null;
  readonly settings: JsonObject;
  readonly tokens: GatheredTokens;
}

const MAKERS: Readonly<Record<TokenizerKind, (from: Ingredients) => JsonObject>> = {
  written: ({ json, tokens }) => ({ ...json, added_tokens: tokens.added }),
  bert: bertJson,
  roberta: (from) => {
    const [cls, sep] = [specialOf(from, 'cls_token'), specialOf(from, 'sep_token')].map(({ content, id }) => [
      content,
      id,
    ]);
    const { add_prefix_space = false, trim_offsets = true } = from.settings;
    return byteLevelJson(from, { type: 'RobertaProcessing', cls, sep, trim_offsets, add_prefix_space });
  },
  gpt2: (from) => {
    if (from.json === null && (from.settings.add_bos_token === true || from.settings.add_eos_token === true))
      throw new UserError(`${from.folder}: add_bos_token and add_eos_token are not supported`, SAVE_AS_JSON);
    return byteLevelJson(from, from.json?.post_processor ?? null);
  },
  'xlm-roberta': (from) => unigramJson(from, 3),
  camembert: (from) => {
    const unknown = from.vocabulary.vocab.get(from.tokens.specials.unk_token ?? '');
    return unigramJson(from, unknown ?? 0);
  },
};

/** A special token and its id. UserError where the vocabulary has none. */
function specialOf({ vocabulary, tokens }: Ingredients, name: SpecialName): SpecialToken {
  const content = tokens.specials[name];
  const id =
    content === undefined
      ? undefined
      : (vocabulary.vocab.get(content) ?? tokens.added.find((token) => token.content === content)?.id);
  if (content === undefined || typeof id !== 'number')
    throw new UserError(
      `${vocabulary.path} has no ${content ?? name}, nor what tokenizer_config.json calls ${name}`,
      'A vocabulary holds special tokens, too, under the names that its files give.',
    );
  return { content, id };
}

function bertJson(from: Ingredients): JsonObject {
  const { do_lower_case = true, strip_accents = null, tokenize_chinese_chars = true } = from.settings;
  return bertTokenizerJson({
    vocab: from.vocabulary.vocab,
    addedTokens: from.tokens.added,
    cls: specialOf(from, 'cls_token'),
    sep: specialOf(from, 'sep_token'),
    unk: specialOf(from, 'unk_token'),
    lowercase: do_lower_case,
    stripAccents: strip_accents,
    chineseCharacters: tokenize_chinese_chars,
  });
}

function byteLevelJson({ vocabulary, settings, tokens }: Ingredients, post_processor: unknown): JsonObject {
  const { add_prefix_space = false } = settings;
  const byteLevel = { type: 'ByteLevel', add_prefix_space, trim_offsets: true, use_regex: true };
  return {
    version: '1.0',
    added_tokens: tokens.added,
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor,
    decoder: { ...byteLevel, add_prefix_space: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary.vocab),
      merges: vocabulary.merges ?? [],
    },
  };
}

function unigramJson(from: Ingredients, unk_id: number): JsonObject {
  const { add_prefix_space = true } = from.settings;
  const [first, last] = [specialOf(from, 'bos_token'), specialOf(from, 'eos_token')];
  const token = ({ content }: SpecialToken): JsonObject => ({ SpecialToken: { id: content, type_id: 0 } });
  const text = (id: string): JsonObject => ({ Sequence: { id, type_id: 0 } });
  const metaspace = {
    type: 'Metaspace',
    replacement: '\u2581',
    prepend_scheme: add_prefix_space === false ? 'never' : 'always',
    split: true,
  };
  return {
    version: '1.0',
    added_tokens: from.tokens.added,
    normalizer: precompiledOf(from.json?.normalizer),
    pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] },
    post_processor: {
      type: 'TemplateProcessing',
      single: [token(first), text('A'), token(last)],
      pair: [token(first), text('A'), token(last), token(last), text('B'), token(last)],
      special_tokens: Object.fromEntries(
        [first, last].map(({ content, id }) => [content, { id: content, ids: [id], tokens: [content] }]),
      ),
    },
    decoder: metaspace,
    model: { type: 'Unigram', unk_id, vocab: from.vocabulary.json?.vocab, byte_fallback: false },
  };
}

/** SentencePiece's rules in a normalizer: all of it that transformers keeps. */
function precompiledOf(normalizer: unknown): unknown {
  if (!isObject(normalizer)) return null;
  const all =
    normalizer.type === 'Sequence' && Array.isArray(normalizer.normalizers) ? normalizer.normalizers : [normalizer];
  return all.find((one) => isObject(one) && one.type === 'Precompiled' && one.precompiled_charsmap) ?? null;
}

/** Which end of a text is cut; of two texts transformers cuts the longer one first. */
function truncationOf(json: JsonObject | null, { truncation_side, model_max_length }: JsonObject): JsonObject | null {
  const given = isObject(json?.truncation) ? json.truncation : null;
  const left = truncation_side === undefined ? given?.direction === 'Left' : truncation_side === 'left';
  if (!left && given === null) return null;
  const max_length =
    given?.max_length ??
    (Number.isInteger(model_max_length) && Number(model_max_length) < 2 ** 16 ? model_max_length : 512);
  return { direction: left ? 'Left' : 'Right', max_length, strategy: 'LongestFirst', stride: 0 };
}

/** A post-processor for a model that is given no types: all of them are 0. */
function withoutTypes(processor: unknown): unknown {
  if (!isObject(processor) || processor.type === 'ByteLevel') return BARE;
  switch (processor.type) {
    case 'RobertaProcessing':
      return processor;
    case 'TemplateProcessing':
      return { ...processor, single: withoutTypeIds(processor.single), pair: withoutTypeIds(processor.pair) };
    case 'Sequence': {
      const all: unknown[] = Array.isArray(processor.processors) ? processor.processors : [];
      const others = all.filter((one) => !isObject(one) || one.type !== 'ByteLevel');
      return others.length === 1 ? withoutTypes(others[0]) : others.length === 0 ? BARE : processor;
    }
    case 'BertProcessing': {
      const [cls, sep] = [processor.cls, processor.sep].map((pair) => (Array.isArray(pair) ? pair : []));
      const token = ([id]: readonly unknown[]): JsonObject => ({ SpecialToken: { id, type_id: 0 } });
      return {
        type: 'TemplateProcessing',
        single: [token(cls), sequence('A'), token(sep)],
        pair: [token(cls), sequence('A'), token(sep), sequence('B'), token(sep)],
        special_tokens: Object.fromEntries(
          [cls, sep].map(([content, id]) => [content, { id: content, ids: [id], tokens: [content] }]),
        ),
      };
    }
    default:
      return processor; // none that is known: refused when it is read
  }
}

const sequence = (id: string): JsonObject => ({ Sequence: { id, type_id: 0 } });

const BARE: JsonObject = {
  type: 'TemplateProcessing',
  single: [sequence('A')],
  pair: [sequence('A'), sequence('B')],
  special_tokens: {},
};

function withoutTypeIds(template: unknown): unknown {
  if (!Array.isArray(template)) return template;
  return template.map((item) =>
    isObject(item)
      ? Object.fromEntries(
          Object.entries(item).map(([key, value]) => [key, isObject(value) ? { ...value, type_id: 0 } : value]),
        )
      : item,
  );
}

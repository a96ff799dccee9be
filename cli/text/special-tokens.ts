/** Added and special tokens of a tokenizer's folder, as transformers gathers them from its files. */
import { isObject, type JsonObject } from '../../runtime/artifact/schema.ts';
import { specialTokenJson } from './bert-json.ts';
import type { TokenizerKind } from './tokenizer-class.ts';

/** In the order in which transformers adds those that the vocabulary lacks. */
const NAMES = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'] as const;
/** What a special token is for. */
export type SpecialName = (typeof NAMES)[number];

const BERT = {
  unk_token: '[UNK]',
  sep_token: '[SEP]',
  pad_token: '[PAD]',
  cls_token: '[CLS]',
  mask_token: '[MASK]',
} as const;
const ROBERTA = {
  bos_token: '<s>',
  eos_token: '</s>',
  unk_token: '<unk>',
  sep_token: '</s>',
  pad_token: '<pad>',
  cls_token: '<s>',
  mask_token: '<mask>',
} as const;
const END = '<|endoftext|>';

/** What each class calls its special tokens where no file says otherwise. */
const DEFAULTS: Readonly<Record<TokenizerKind, Readonly<Partial<Record<SpecialName, string>>>>> = {
  bert: BERT,
  roberta: ROBERTA,
  gpt2: { bos_token: END, eos_token: END, unk_token: END },
  'xlm-roberta': ROBERTA,
  camembert: ROBERTA,
  written: {},
};

/** CamemBERT's own, which no text has. */
const MORE: Readonly<Partial<Record<TokenizerKind, readonly string[]>>> = {
  camembert: ['<s>NOTUSED', '</s>NOTUSED', '<unk>NOTUSED'],
};

/** What the files of a folder say of tokens that are found before all others. */
export interface TokenFiles {
  /** tokenizer_config.json. */
  readonly settings: JsonObject;
  /** special_tokens_map.json, which older versions wrote. */
  readonly specialsMap: JsonObject;
  /** added_tokens.json, which older versions wrote: ids by token. */
  readonly addedTokens: JsonObject;
  /** tokenizer.json's `added_tokens`. */
  readonly jsonTokens: readonly JsonObject[];
}

/** Special tokens by what they are for, and all that are found before a text is split, with their ids. */
export interface GatheredTokens {
  readonly specials: Readonly<Partial<Record<SpecialName, string>>>;
  readonly added: readonly JsonObject[];
}

/**
 * Gathers them as transformers does: those of the tokenizer itself (`own`), those that the files list, special ones
 * that are missing among these, and additional ones. A token that the vocabulary lacks comes behind its end, as in the
 * library; one that only its class names, and no file, is left out.
 */
export function gatherTokens(
  kind: TokenizerKind,
  files: TokenFiles,
  own: readonly JsonObject[],
  vocab: ReadonlyMap<string, number>,
): GatheredTokens {
  const settings = withMap(files);
  const listed = listedTokens(files, settings);
  const byContent = new Map(listed.map((token) => [token.content, token]));
  const added = new Map(own.map((token) => [token.content, token]));
  const add = (token: JsonObject): void => {
    if (typeof token.content !== 'string' || token.content === '' || added.has(token.content)) return;
    added.set(token.content, { ...token, id: vocab.get(token.content) ?? nextId(added.values(), vocab.size) });
  };
  for (const token of listed) add(token);

  const names = [...NAMES, ...Object.keys(settings).filter(isModelSpecific)];
  const specials: Partial<Record<string, string>> = {};
  for (const name of names) {
    const given = name in settings ? tokenOf(settings[name]) : null;
    const content = given?.content ?? (name in settings ? undefined : DEFAULTS[kind][name as SpecialName]);
    if (typeof content !== 'string') continue;
    specials[name] = content;
    if (given === null && !vocab.has(content) && !byContent.has(content)) continue;
    const plain = specialTokenJson({ content, id: 0 }, kind === 'camembert' && name === 'mask_token' && given === null);
    add({ ...plain, ...byContent.get(content), ...(given?.flags ?? {}), special: true });
  }
  for (const token of additionalTokens(settings, kind)) if (token.stated || vocab.has(token.content)) add(token.json);
  return { specials, added: [...added.values()].sort((x, y) => Number(x.id) - Number(y.id)) };
}

/** tokenizer_config.json; over it the map, where it lists no tokens itself. */
function withMap({ settings, specialsMap }: TokenFiles): JsonObject {
  return isObject(settings.added_tokens_decoder) ? settings : { ...settings, ...specialsMap };
}

/** Tokens that a file lists, by their ids. */
function listedTokens({ addedTokens, jsonTokens }: TokenFiles, settings: JsonObject): JsonObject[] {
  const byId = new Map<number, JsonObject>();
  if (isObject(settings.added_tokens_decoder)) {
    for (const [id, token] of Object.entries(settings.added_tokens_decoder))
      if (isObject(token)) byId.set(Number(id), completed(token));
  } else {
    const specials = new Set([
      ...NAMES.map((name) => tokenOf(settings[name])?.content),
      ...additionalTokens(settings, 'written').map(({ content }) => content),
    ]);
    for (const [content, id] of Object.entries(addedTokens)) {
      const special = specials.has(content);
      byId.set(Number(id), completed({ content, normalized: !special, special }));
    }
    for (const { id, ...token } of jsonTokens) byId.set(Number(id), completed(token));
  }
  return [...byId].sort(([a], [b]) => a - b).map(([, token]) => token);
}

function completed(token: JsonObject): JsonObject {
  const { special = false } = token;
  return {
    content: token.content,
    single_word: token.single_word ?? false,
    lstrip: token.lstrip ?? false,
    rstrip: token.rstrip ?? false,
    normalized: token.normalized ?? special !== true,
    special,
  };
}

/** A token as a string, or with its flags as an object. */
function tokenOf(given: unknown): { readonly content: string; readonly flags: JsonObject | null } | null {
  if (typeof given === 'string') return { content: given, flags: null };
  if (!isObject(given) || typeof given.content !== 'string') return null;
  return { content: given.content, flags: completed({ normalized: true, ...given }) };
}

function additionalTokens(settings: JsonObject, kind: TokenizerKind) {
  const { extra_special_tokens: extra, additional_special_tokens: older } = settings;
  const given = hasItems(extra) ? extra : (older ?? []);
  const items: unknown[] = Array.isArray(given) ? given : isObject(given) ? Object.values(given) : [];
  const stated = items.length > 0;
  return (stated ? items : (MORE[kind] ?? [])).flatMap((item) => {
    const token = tokenOf(item);
    if (token === null) return [];
    const json = { ...specialTokenJson({ content: token.content, id: 0 }), ...(token.flags ?? {}), special: true };
    return [{ content: token.content, json, stated }];
  });
}

function hasItems(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : isObject(value) && Object.keys(value).length > 0;
}

/** Special tokens of a model's own, such as `image_token`. */
function isModelSpecific(name: string): boolean {
  return name.endsWith('_token') && !/^add_/.test(name) && !(NAMES as readonly string[]).includes(name);
}

/** The library's: behind the vocabulary, and behind what was added there. */
function nextId(added: Iterable<JsonObject>, vocabSize: number): number {
  let greatest = -1;
  for (const { id } of added) greatest = Math.max(greatest, Number(id));
  return greatest >= vocabSize ? greatest + 1 : vocabSize;
}

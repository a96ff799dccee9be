/**
 * A tokenizer without the tokens that a data set never uses: most of an embedding table's rows, of a BERT most of its
 * bytes, fall away.
 */
import { isObject, type JsonObject } from '../../runtime/artifact/schema.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { isUnigram } from '../../runtime/text/any-tokenizer.ts';
import { createTokenizer } from '../../runtime/text/tokenizer.ts';
import {
  type BpeJson,
  readTokenizerJson,
  type TokenizerJson,
  type WordPieceJson,
} from '../../runtime/text/tokenizer-json.ts';
import { UserError } from '../io/errors.ts';

/** A smaller tokenizer (V' tokens), and where its tokens come from. */
export interface PrunedVocabulary {
  /** tokenizer.json with ids from 0 on, without holes. */
  readonly json: unknown;
  /** (V') the old id of each new one, ascending: the rows of the embedding table to take. */
  readonly kept: Int32Array;
}

/**
 * Keeps the `used` tokens, added and special ones, and what spells all others: single characters, as words begin with
 * them and as they go on, or single bytes. Texts whose tokens are all among `used` keep their tokens; in others a token
 * that is gone becomes shorter ones, and nothing becomes unknown that is made of characters with tokens of their own.
 * Of BPE, the merges that lead to kept tokens stay, with all that lies between.
 * @throws UserError where the tokenizer is not supported, RangeError where a used id is none of its
 */
export function pruneVocabulary(json: unknown, used: ReadonlySet<number>): PrunedVocabulary {
  const spec = readSpec(json);
  const keep = new Set([...used, ...addedIds(spec)]);
  const { vocab } = spec.model.value;
  if (spec.model.type === 'WordPiece') keepSpelling(spec.model.value, keep);
  else keepMerged(spec.model.value, keep);

  const known = new Set([...vocab.values(), ...addedIds(spec)]);
  for (const id of used) if (!known.has(id)) throw new RangeError(`pruneVocabulary: no token has the id ${id}`);
  const kept = Int32Array.from(keep).sort();
  const newIds = new Map([...kept].map((id, i) => [id, i]));
  const newId = (id: unknown): number => newIds.get(id as number) as number;
  const { model, added_tokens, post_processor, padding } = json as JsonObject;
  const tokens = [...vocab].filter(([, id]) => newIds.has(id)).sort(([, a], [, b]) => a - b);
  const merges =
    spec.model.type === 'WordPiece'
      ? {}
      : {
          merges: spec.model.value.merges.filter((pair) =>
            [...pair, pair.join('')].every((token) => keep.has(vocab.get(token) as number)),
          ),
        };
  return {
    json: {
      ...(json as JsonObject),
      ...(Array.isArray(added_tokens)
        ? { added_tokens: added_tokens.map((token: JsonObject) => ({ ...token, id: newId(token.id) })) }
        : {}),
      ...(isObject(padding) && 'pad_id' in padding ? { padding: { ...padding, pad_id: newId(padding.pad_id) } } : {}),
      ...(isObject(post_processor) ? { post_processor: withNewIds(post_processor, newId) } : {}),
      model: {
        ...(model as JsonObject),
        ...merges,
        vocab: Object.fromEntries(tokens.map(([token, id]) => [token, newId(id)])),
      },
    },
    kept,
  };
}

function readSpec(json: unknown): TokenizerJson {
  if (isUnigram(json))
    throw new UserError(
      "the vocabulary can't be made smaller: the tokenizer is of type Unigram, where a token that is gone changes how " +
        'others are spelled',
      'Slim prunes WordPiece and byte-level BPE. --embedding-rank makes the word embeddings smaller.',
    );
  try {
    createTokenizer(json);
    return readTokenizerJson(json);
  } catch (error) {
    if (error instanceof PreprocessError)
      throw new UserError(
        `the vocabulary can't be made smaller: ${error.message}`,
        'Slim prunes WordPiece and byte-level BPE.',
      );
    throw error;
  }
}

/** Ids that do not come from the model: they are all kept. */
function addedIds({ added_tokens, post_processor, padding, model }: TokenizerJson): number[] {
  const unknown = model.value.unk_token === null ? undefined : model.value.vocab.get(model.value.unk_token);
  return [
    ...added_tokens.map(({ id }) => id),
    ...processorIds(post_processor),
    ...[padding?.pad_id, unknown].filter((id) => typeof id === 'number'),
  ];
}

function processorIds(processor: TokenizerJson['post_processor']): number[] {
  switch (processor?.type) {
    case 'TemplateProcessing':
      return [...processor.value.special_tokens.values()].flat();
    case 'BertProcessing':
    case 'RobertaProcessing':
      return [processor.value.cls[1], processor.value.sep[1]];
    case 'Sequence':
      return processor.value.processors.flatMap(processorIds);
    default:
      return [];
  }
}

/** Single characters, and tokens of characters that have none of their own. */
function keepSpelling({ vocab, continuing_subword_prefix: prefix }: WordPieceJson, keep: Set<number>): void {
  for (const [token, id] of vocab) {
    const inside = prefix !== '' && token.startsWith(prefix) && token.length > prefix.length;
    const [first, ...rest] = inside ? token.slice(prefix.length) : token;
    const characters = [inside ? prefix + first : first, ...rest.map((character) => prefix + character)];
    if (characters.length === 1 || !characters.every((character) => vocab.has(character))) keep.add(id);
  }
}

/**
 * Single characters (bytes), and for each kept token every pair that it is merged of: whichever came first, the way to
 * it stays.
 */
function keepMerged({ vocab, merges }: BpeJson, keep: Set<number>): void {
  for (const [token, id] of vocab) if ([...token].length === 1) keep.add(id);
  const madeOf = new Map<number, number[]>();
  for (const pair of merges) {
    const [left, right, merged] = [...pair, pair.join('')].map((token) => vocab.get(token) as number);
    madeOf.set(merged, [...(madeOf.get(merged) ?? []), left, right]);
  }
  const open = [...keep];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const part of madeOf.get(id) ?? []) {
      if (keep.has(part)) continue;
      keep.add(part);
      open.push(part);
    }
  }
}

function withNewIds(processor: JsonObject, newId: (id: unknown) => number): JsonObject {
  const { special_tokens, cls, sep, processors } = processor;
  const renamed = (pair: unknown): unknown => (Array.isArray(pair) ? [pair[0], newId(pair[1])] : pair);
  return {
    ...processor,
    ...(isObject(special_tokens)
      ? {
          special_tokens: Object.fromEntries(
            Object.entries(special_tokens).map(([name, token]) => [
              name,
              { ...(token as JsonObject), ids: ((token as JsonObject).ids as unknown[]).map(newId) },
            ]),
          ),
        }
      : {}),
    ...(cls === undefined ? {} : { cls: renamed(cls) }),
    ...(sep === undefined ? {} : { sep: renamed(sep) }),
    ...(Array.isArray(processors) ? { processors: processors.map((one: JsonObject) => withNewIds(one, newId)) } : {}),
  };
}

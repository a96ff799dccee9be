/** A part of a data set as a model takes it: pictures resized and normalized, texts tokenized. */

import { createHash } from 'node:crypto';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import type { Tokenizer } from '../../runtime/text/tokenizer.ts';
import { UserError } from '../io/errors.ts';
import { counted, plural } from '../io/words.ts';
import { type Augment, noAugment } from './augment.ts';
import { type CachedSplit, type CacheOptions, cachedSplit } from './cache/cached-split.ts';
import type { Dataset, Split } from './dataset.ts';
import { pictureSamples, type Samples, textSamples } from './samples.ts';
import { batchTargets, type Targets } from './target.ts';
import { type EncodedSplit, encodeRows } from './text/encoded.ts';
import type { ValueSummary } from './value-summary.ts';

/** How a sample becomes a model's inputs. */
export type Preparation =
  | { readonly kind: 'image'; readonly image: ImagePreprocess }
  /** `types`: whether the model takes the types of tokens. */
  | { readonly kind: 'text'; readonly tokenizer: Tokenizer; readonly maxTokens: number; readonly types: boolean };

/** What only some data take part in: augmentation and the cache are for pictures, progress for texts. */
export interface PrepareOptions {
  /** For pictures. None unless given. */
  readonly augment?: Augment;
  /** For pictures: keeps them decoded in a file. */
  readonly cache?: CacheOptions;
  /** Told while texts are tokenized. */
  readonly onRow?: (done: number, total: number) => void;
}

/** Samples ready for a model. The caller closes them, which gives the disk's space back. */
export interface PreparedSamples extends Samples {
  /** Of several labels, or numbers: what the samples' values are, by label. None of classes. */
  readonly values: readonly ValueSummary[];
  /** What was changed, in sentences for the user. */
  readonly notices: readonly string[];
  /**
   * Of the labels' names, every sample's label, and of texts their tokens: a run may go on only with the data that it
   * began with.
   */
  readonly digest: string;
  close(): Promise<void>;
}

/**
 * Prepares one part of a data set. UserError where the model takes pictures and the data holds texts, or the other way
 * round.
 */
export async function prepareSamples(
  data: Dataset,
  part: 'train' | 'test',
  preparation: Preparation,
  { augment = noAugment, cache, onRow }: PrepareOptions = {},
): Promise<PreparedSamples> {
  expectKind(preparation.kind, data);
  if (data.kind === 'image' && preparation.kind === 'image') {
    const labels = batchTargets(
      Array.from({ length: data[part].size }, (_, i) => data[part].label(i)),
      data[part].size,
    );
    const { split, notices, close } = await picturesOf(data[part], preparation.image, augment, cache);
    const samples = pictureSamples(split, preparation.image, augment);
    return { ...samples, values: [], notices, digest: digestOf(data.labels, labels), close };
  }
  if (data.kind !== 'text' || preparation.kind !== 'text') throw new Error(`${preparation.kind} for ${data.kind}`);
  const { tokenizer, maxTokens, types } = preparation;
  const encoded = await encodeRows(data[part], ({ text, pair }) => tokenizer.encode(text, pair, maxTokens), onRow);
  return {
    ...textSamples(encoded, { padId: tokenizer.padId, types }),
    values: encoded.values,
    notices: cutNotices(encoded, part === 'train' ? 'training' : 'evaluation', maxTokens),
    digest: digestOf(data.labels, encoded.digest),
    close: () => encoded.close(),
  };
}

function cutNotices({ truncated, size }: EncodedSplit, what: string, maxTokens: number): readonly string[] {
  if (truncated === 0) return [];
  const verb = plural(truncated, 'is', 'are');
  return [
    `${truncated} of ${counted(size, `${what} text`)} ${verb} longer than ${maxTokens} tokens and ${verb} cut there.`,
  ];
}

function picturesOf(
  split: Split,
  spec: ImagePreprocess,
  augment: Augment,
  cache: CacheOptions | undefined,
): Promise<CachedSplit> {
  if (cache === undefined) return Promise.resolve({ split, notices: [], close: async () => undefined });
  return cachedSplit(split, spec, augment, cache);
}

function digestOf(labels: readonly string[], samples: string | Targets): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(labels)).update(samples).digest('hex')}`;
}

/** UserError where a model that takes this kind of samples is given the other. */
export function expectKind(takes: Dataset['kind'], { kind, name }: Dataset): void {
  if (takes === kind) return;
  const plural = { image: 'pictures', text: 'texts' };
  throw new UserError(
    `the model takes ${plural[takes]}, and ${name} holds ${plural[kind]}`,
    'Give a model and a data set that go together.',
  );
}

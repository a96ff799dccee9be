/** A part of a data set as a model takes it: pictures resized and normalized, texts tokenized. */
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import type { Tokenizer } from '../../runtime/text/tokenizer.ts';
import { UserError } from '../io/errors.ts';
import { noAugment, type Augment } from './augment.ts';
import type { Dataset } from './dataset.ts';
import { pictureSamples, textSamples, type Samples } from './samples.ts';
import { encodeRows } from './text/encoded.ts';

/** How a sample becomes a model's inputs. */
export type Preparation =
  | { readonly kind: 'image'; readonly image: ImagePreprocess }
  /** `types`: whether the model takes the types of tokens. */
  | { readonly kind: 'text'; readonly tokenizer: Tokenizer; readonly maxTokens: number; readonly types: boolean };

export interface PrepareOptions {
  /** For pictures. None unless given. */
  readonly augment?: Augment;
  /** Told while texts are tokenized. */
  readonly onRow?: (done: number, total: number) => void;
}

export interface PreparedSamples extends Samples {
  /** What was changed, in sentences for the user. */
  readonly notices: readonly string[];
  close(): Promise<void>;
}

/** Prepares one part of a data set. UserError where the model takes pictures and the data holds texts, or the other way round. */
export async function prepareSamples(data: Dataset, part: 'train' | 'test', preparation: Preparation, { augment = noAugment, onRow }: PrepareOptions = {}): Promise<PreparedSamples> {
  if (data.kind === 'image') {
    if (preparation.kind !== 'image') throw mismatch('texts', `${data.name} holds pictures`);
    return { ...pictureSamples(data[part], preparation.image, augment), notices: [], close: async () => undefined };
  }
  if (preparation.kind !== 'text') throw mismatch('pictures', `${data.name} holds texts`);
  const { tokenizer, maxTokens, types } = preparation;
  const encoded = await encodeRows(data[part], ({ text, pair }) => tokenizer.encode(text, pair, maxTokens), onRow);
  const what = part === 'train' ? 'training' : 'evaluation';
  return {
    ...textSamples(encoded, { padId: tokenizer.padId, types }),
    notices: encoded.truncated === 0 ? [] : [`${encoded.truncated} of ${encoded.size} ${what} texts are longer than ${maxTokens} tokens and are cut there.`],
    close: () => encoded.close(),
  };
}

function mismatch(takes: string, holds: string): UserError {
  return new UserError(`the model takes ${takes}, and ${holds}`, 'Give a model and a data set that go together.');
}

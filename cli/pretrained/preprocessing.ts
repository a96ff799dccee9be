/** How a sample becomes the model's inputs, as the folder of a model tells it. */
import { join } from 'node:path';
import type { ImagePreprocess } from '../../runtime/preprocess/spec.ts';
import type { TextLimits } from '../../runtime/text/limits.ts';
import { UserError } from '../io/errors.ts';
import { writeJson } from '../io/files.ts';
import { saveTokenizer } from '../text/tokenizer-files.ts';
import { imagePreprocessToHuggingFace } from './preprocessor-config.ts';

/** For models that take `pixels`. */
export interface ImagePreprocessing {
  readonly kind: 'image';
  readonly image: ImagePreprocess;
  /** Whether no file told it: a model that is trained already is not used so. */
  readonly assumed?: boolean;
}

/** For models that take `ids`. */
export interface TextPreprocessing {
  readonly kind: 'text';
  /** What tokenizer.json holds. */
  readonly tokenizer: unknown;
  /** Longer texts are cut. */
  readonly maxTokens: number;
  /** Whether the model takes the types of tokens. */
  readonly types: boolean;
  /** What the model can't be asked. */
  readonly limits: TextLimits;
}

/** Told apart by `kind`. */
export type Preprocessing = ImagePreprocessing | TextPreprocessing;

/** How pictures are prepared. UserError for a model that reads texts. */
export function imagePreprocessOf(preprocessing: Preprocessing): ImagePreprocess {
  if (preprocessing.kind !== 'image') throw new UserError('the model reads texts, expected one that reads pictures');
  return preprocessing.image;
}

/** How texts are prepared. UserError for a model that reads pictures. */
export function textPreprocessingOf(preprocessing: Preprocessing): TextPreprocessing {
  if (preprocessing.kind !== 'text') throw new UserError('the model reads pictures, expected one that reads texts');
  return preprocessing;
}

/** Whether a model tells types of tokens apart: where there is one type, all tokens are of it, and it is no input. */
export function takesTypes(preprocessing: Preprocessing): boolean {
  return preprocessing.kind === 'text' && (preprocessing.limits.types ?? 0) > 1;
}

/** Writes preprocessor_config.json, or tokenizer.json and tokenizer_config.json, as transformers reads them. */
export async function savePreprocessing(folder: string, preprocessing: Preprocessing): Promise<void> {
  switch (preprocessing.kind) {
    case 'image':
      return writeJson(join(folder, 'preprocessor_config.json'), imagePreprocessToHuggingFace(preprocessing.image));
    case 'text':
      return saveTokenizer(folder, preprocessing.tokenizer, {
        maxTokens: preprocessing.maxTokens,
        types: takesTypes(preprocessing),
      });
    default:
      return preprocessing satisfies never;
  }
}

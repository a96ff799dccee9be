/**
 * How a text becomes the network's input. Plain JSON: it travels in run directories and artifacts; the tokenizer
 * travels beside it.
 */
import { oneOf, type Parsed, record, wholeFrom } from '../artifact/schema.ts';
import { ofSpec } from '../preprocess/spec.ts';

/** Longer than any model's sequences. */
export const MAX_TOKENS = 2 ** 16;

const textPreprocess = record({
  kind: oneOf('text'),
  /** The longest sequence, special tokens included; what is longer is cut as the tokenizer says. */
  maxTokens: wholeFrom(1, MAX_TOKENS),
});

/** What an artifact says of its texts beside the tokenizer. */
export type TextPreprocess = Parsed<typeof textPreprocess>;

/**
 * Checks JSON that came from outside (an artifact, a run directory). Throws PreprocessError `bad-spec`, naming the
 * field.
 */
export function readTextPreprocess(json: unknown): TextPreprocess {
  return ofSpec(textPreprocess)('preprocessing', json);
}

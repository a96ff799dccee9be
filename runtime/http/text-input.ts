import { text } from '../artifact/schema.ts';
import type { InputReader } from './classifier.ts';
import { ofRequest } from './predict-request.ts';
import { Problem } from './problem.ts';

/** A text, or two whose relation is asked for. Either may be empty. */
export interface TextInput {
  readonly text: string;
  readonly pair: string | null;
}

const readText = ofRequest(text);

/** A text: the body in UTF-8, or JSON's field `text`, with a second one in `textPair`. */
export const textInput: InputReader<TextInput> = {
  takes: /^text\/plain$/,
  types: 'text/plain, or application/json {"text": "...", "textPair": "..."}',
  read(given) {
    if (given instanceof Uint8Array) return { text: decodeUtf8(given), pair: null };
    const { text, textPair = null } = given;
    return { text: readText('text', text), pair: textPair === null ? null : readText('textPair', textPair) };
  },
};

function decodeUtf8(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new Problem(400, 'the body: expected UTF-8');
  }
}

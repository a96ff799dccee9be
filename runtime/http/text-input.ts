import { isObject, nullable, record, text } from '../artifact/schema.ts';
import type { InputReader } from './classifier.ts';
import { decodeUtf8, ofRequest } from './of-request.ts';

/** A text, or two whose relation is asked for. Either may be empty. */
export interface TextInput {
  readonly text: string;
  readonly pair: string | null;
}

const readText = ofRequest(text);
const readPair = ofRequest(record({ text, text_pair: nullable(text) }));

/** A text: bytes in UTF-8, a string in JSON, or two as `{text, text_pair}`. */
export const textInput: InputReader<TextInput> = {
  takes: /^text\/plain$/,
  types: 'text/plain, multipart/form-data or application/json {"inputs": "..."}',
  ofBytes: (bytes) => ({ text: decodeUtf8('the text', bytes), pair: null }),
  ofJson(where, json) {
    if (!isObject(json)) return { text: readText(where, json), pair: null };
    const { text, text_pair: pair } = readPair(where, { text_pair: null, ...json });
    return { text, pair };
  },
};

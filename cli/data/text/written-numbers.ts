/** Numbers of JSON as they are written, for rows that are handed on: 12345678901234567890, 1e400 and 1.0 stay that. */
import { randomUUID } from 'node:crypto';
import { isObject, type JsonObject } from '../../../runtime/artifact/schema.ts';

/** What makes values of JSON: `JSON.parse`, or `parseWritten`. */
export type ParseJson = (text: string) => unknown;

/** A number that JavaScript would write otherwise than it was, or not hold at all. */
export class WrittenNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Whether it is an object with keys, as a row is, and no number. */
export function isRow(json: unknown): json is JsonObject {
  return isObject(json) && !(json instanceof WrittenNumber);
}

/** As JSON.parse, but for numbers that it would change: these are `WrittenNumber`s. @throws SyntaxError */
export function parseWritten(text: string): unknown {
  const json: unknown = JSON.parse(text);
  const marked = withMarks(text);
  if (marked === text) return json;
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === 'string' && value.startsWith(MARK) ? new WrittenNumber(value.slice(MARK.length)) : value,
  );
}

/** Begins texts that stand for numbers: nobody else's do. */
const MARK = `number:${randomUUID()}:`;

const [QUOTE, BACKSLASH, MINUS, ZERO, NINE] = Array.from('"\\-09', (character) => character.charCodeAt(0));
const NUMBER = /[-+.\deE]+/y;

/** Valid JSON with texts in place of numbers that would change. Looks at each character once. */
function withMarks(json: string): string {
  let marked = '';
  let from = 0;
  for (let at = 0; at < json.length; ) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) {
      at = afterText(json, at);
    } else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      NUMBER.lastIndex = at;
      const [written] = NUMBER.exec(json) as RegExpExecArray;
      const end = at + written.length;
      if (String(Number(written)) !== written) {
        marked += `${json.slice(from, at)}"${MARK}${written}"`;
        from = end;
      }
      at = end;
    } else {
      at++;
    }
  }
  return from === 0 ? json : marked + json.slice(from);
}

function afterText(json: string, quote: number): number {
  let at = quote + 1;
  for (let code = json.charCodeAt(at); code !== QUOTE; code = json.charCodeAt(at)) at += code === BACKSLASH ? 2 : 1;
  return at + 1;
}

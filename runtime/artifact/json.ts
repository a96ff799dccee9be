import { ArtifactError, shown, type ArtifactErrorCode } from './errors.ts';
import { isObject, madeBy, object, ofArtifact, type JsonObject } from './schema.ts';

/** Deeper than any header or manifest of ours; keeps recursive readers off the end of the stack. */
const MAX_DEPTH = 32;

/** With them, an object's prototype could be reached. */
const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];

/**
 * Parses JSON that a stranger wrote: an object at the top, nested at most 32 deep, no name twice in one object and no
 * name that reaches an object's prototype. `JSON.parse` alone would keep the last of two equal names in silence.
 */
export function parseJsonObject(text: string, what: string, code: ArtifactErrorCode): JsonObject {
  const members = countMembers(text, what, code);
  const names: string[] = [];
  const parse = madeBy((given: string) => JSON.parse(given, function (this: unknown, name, value: unknown) {
    if (!Array.isArray(this)) names.push(name);
    return value;
  }), 'JSON');
  const value = ofArtifact(code, object)(what, ofArtifact(code, parse)(what, text));
  const forbidden = names.find((name) => FORBIDDEN.includes(name));
  if (forbidden !== undefined) throw new ArtifactError('name', `${what} holds the forbidden name ${shown(forbidden)}`);
  // One more is the name of the whole, which is empty.
  if (names.length !== members + 1) throw new ArtifactError('name', `${what} holds the same name twice in one object`);
  return value;
}

/** JSON with the names of every object in order, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

/** Counts the members of all objects in JSON text by its colons outside strings; checks the nesting on the way. */
function countMembers(text: string, what: string, code: ArtifactErrorCode): number {
  let members = 0;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"') i = endOfString(text, i);
    else if (c === ':') members++;
    else if (c === '}' || c === ']') depth--;
    else if ((c === '{' || c === '[') && ++depth > MAX_DEPTH) {
      throw new ArtifactError(code, `${what} is nested more than ${MAX_DEPTH} deep`);
    }
  }
  return members;
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i;
}

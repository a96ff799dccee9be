import { ArtifactError, type ArtifactErrorCode, shown } from './errors.ts';
import { isObject, type JsonObject, madeBy, object, ofArtifact } from './schema.ts';

/** Deeper than any header or manifest of ours; keeps recursive readers off the end of the stack. */
const MAX_DEPTH = 32;

/** More values than any of ours; many small ones take a hundred times their bytes. */
const MAX_VALUES = 2 ** 18;

/** With them, an object's prototype could be reached. */
const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];

/**
 * Parses JSON that a stranger wrote: an object at the top, nested at most 32 deep, no name twice in one object and no
 * name that reaches an object's prototype. `JSON.parse` alone would keep the last of two equal names in silence.
 */
export function parseJsonObject(text: string, what: string, code: ArtifactErrorCode): JsonObject {
  const members = countMembers(text, what, code);
  const value = ofArtifact(code, object)(what, ofArtifact(code, madeBy(JSON.parse, 'JSON'))(what, text));
  if (countNames(value, what) !== members) throw new ArtifactError('name', `${what} holds a name twice in one object`);
  return value;
}

/** Counts the names that parsing kept in all objects. */
function countNames(value: unknown, what: string): number {
  let names = 0;
  if (typeof value !== 'object') return names;
  for (const name in value) {
    if (FORBIDDEN.includes(name)) throw new ArtifactError('name', `${what} holds the forbidden name ${shown(name)}`);
    names += (Array.isArray(value) ? 0 : 1) + countNames(value[name as keyof typeof value], what);
  }
  return names;
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
  let values = 0;
  let depth = 0;
  for (const c of outsideStrings(text)) {
    if (c === ':') members++;
    else if (c === ',') values++;
    else if (c === '}' || c === ']') depth--;
    else if (c === '{' || c === '[') depth++;
    if (depth > MAX_DEPTH || values > MAX_VALUES)
      throw new ArtifactError(code, `${what}: more than ${MAX_DEPTH} deep or ${MAX_VALUES} values`);
  }
  return members;
}

/** JSON text without its strings. Most of a header is strings, and code that runs once is slow by the character. */
function outsideStrings(text: string): string {
  let rest = '';
  let from = 0;
  let inside = false;
  for (const { 0: found, index } of text.matchAll(/"|\\./gs)) {
    if (found !== '"') continue;
    if (!inside) rest += text.slice(from, index);
    inside = !inside;
    from = index + 1;
  }
  return rest + text.slice(from);
}

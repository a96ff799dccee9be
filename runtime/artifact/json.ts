import { ArtifactError, shown, type ArtifactErrorCode } from './errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Deeper than any header or manifest of ours; keeps recursive readers off the end of the stack. */
const MAX_DEPTH = 32;

/**
 * Parses JSON that a stranger wrote: an object at the top, nested at most 32 deep, no name twice in one object and no
 * name that reaches an object's prototype. `JSON.parse` alone would keep the last of two equal names in silence.
 */
export function parseJsonObject(text: string, what: string, code: ArtifactErrorCode): JsonObject {
  const members = countMembers(text, what, code);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ArtifactError(code, `${what} is not JSON: ${(error as Error).message}`);
  }
  if (!isObject(value)) throw new ArtifactError(code, `${what}: expected a JSON object, got ${shown(value)}`);
  if (countProperties(value, what) !== members) {
    throw new ArtifactError('name', `${what} holds the same name twice in one object`);
  }
  return value;
}

/** JSON with the names of every object in order, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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

/** Counts the properties that parsing kept, refusing names that could reach a prototype. */
function countProperties(value: unknown, what: string): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + countProperties(item, what), 0);
  let count = 0;
  for (const [name, inner] of Object.entries(value)) {
    if (name === '__proto__' || name === 'constructor' || name === 'prototype') {
      throw new ArtifactError('name', `${what} holds the forbidden name ${shown(name)}`);
    }
    count += 1 + countProperties(inner, what);
  }
  return count;
}

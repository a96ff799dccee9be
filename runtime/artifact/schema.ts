/**
 * Readers of JSON that a stranger wrote. A reader takes a value and its place, such as `plan.steps[3].rows`, and gives
 * the value back with its type, or throws a `Mismatch`. Tables of them describe the manifest, the plan, a tensor's
 * entry and the preprocessing.
 */
import { ArtifactError, type ArtifactErrorCode, shown, span } from './errors.ts';

/** An object of which nothing is known yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Gives back what it took, with a type; `where` is what errors call it. @throws Mismatch */
export type Read<T> = (where: string, json: unknown) => T;

type Fields = Readonly<Record<string, Read<unknown>>>;

/** What a reader gives, or a table of readers. */
export type Parsed<R extends Read<unknown> | Fields> =
  R extends Read<infer T> ? T : { readonly [Name in keyof R]: R[Name] extends Read<infer T> ? T : never };

/** The union of records that a table of tables describes, each with its name under `Tag`. */
export type Tagged<Tag extends string, Table extends Readonly<Record<string, Fields>>> = {
  [Name in keyof Table]: { readonly [T in Tag]: Name } & Parsed<Table[Name]>;
}[keyof Table];

/** What is wrong with a value, in words; a border makes its own error of it. */
class Mismatch extends Error {}

/** The error that a reader throws, to be made the caller's own by `failing`. */
export function mismatch(where: string, expected: string, got: unknown): Error {
  return new Mismatch(`${where}: expected ${expected}, got ${shown(got)}`);
}

/** A reader whose mismatches become the caller's errors. */
export function failing<T>(errorOf: (message: string) => Error, read: Read<T>): Read<T> {
  return (where, json) => {
    try {
      return read(where, json);
    } catch (error) {
      throw error instanceof Mismatch ? errorOf(error.message) : error;
    }
  };
}

/** A reader whose mismatches become an ArtifactError with this code. */
export function ofArtifact<T>(code: ArtifactErrorCode, read: Read<T>): Read<T> {
  return failing((message) => new ArtifactError(code, message), read);
}

/** A reader of what `holds`; `expected` says in words what that is. */
// biome-ignore lint/suspicious/noExplicitAny: what the predicate is given is what it is there to check.
export function valueThat<T>(expected: string, holds: (json: any) => boolean): Read<T> {
  return (where, json) => {
    if (!holds(json)) throw mismatch(where, expected, json);
    return json as T;
  };
}

/** A reader of what the host makes of a text or bytes, such as JSON; it throws where it can't. */
// biome-ignore lint/suspicious/noExplicitAny: a host's parser takes what it takes, and throws at the rest.
export function madeBy<T>(make: (given: any) => T, expected: string): Read<T> {
  return (where, given) => {
    try {
      return make(given);
    } catch {
      throw mismatch(where, expected, given);
    }
  };
}

/** Whether it is an object of JSON: neither null nor a list. */
export function isObject(json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** Any string, the empty one too. */
export const text = valueThat<string>('a string', (json) => typeof json === 'string');
/** Finite: JSON has no others, but what is computed of one may. */
export const number = valueThat<number>('a finite number', Number.isFinite);
/** An object, whatever its fields. */
export const object = valueThat<JsonObject>('an object', isObject);

/** Whole numbers from `least` to `most`, both included. */
export function wholeFrom(least: number, most: number): Read<number> {
  return valueThat(
    `a whole number from ${span(least, most)}`,
    (json) => Number.isInteger(json) && json >= least && json <= most,
  );
}

/** Whole numbers from 0. */
export const count = wholeFrom(0, Number.MAX_SAFE_INTEGER);

/** One of these values. Nothing is converted: '1' is not 1. */
export function oneOf<const T extends string | number>(...allowed: readonly T[]): Read<T> {
  return valueThat(allowed.join(' or '), (json) => allowed.includes(json));
}

/** null, or what the reader takes. A field that is absent is not null. */
export function nullable<T>(read: Read<T>): Read<T | null> {
  return (where, json) => (json === null ? null : read(where, json));
}

/** A list of `least` to `most` items; its length is looked at before any of them. */
export function list<T>(item: Read<T>, least = 0, most = 2 ** 24): Read<readonly T[]> {
  const array = valueThat<unknown[]>(
    `a list of ${span(least, most)}`,
    (json) => Array.isArray(json) && json.length >= least && json.length <= most,
  );
  return (where, json) => array(where, json).map((value, i) => item(`${where}[${i}]`, value));
}

/** An object with any names. */
export function mapOf<T>(item: Read<T>): Read<Readonly<Record<string, T>>> {
  return (where, json) =>
    Object.fromEntries(
      Object.entries(object(where, json)).map(([name, value]) => [name, item(`${where} ${shown(name)}`, value)]),
    );
}

/** An object with these fields, in their order, and no others. No reader takes what is missing. */
export function record<F extends Fields>(fields: F): Read<Parsed<F>> {
  return (where, json) => {
    const given = object(where, json);
    const read = Object.entries(fields).map(([name, field]) => [name, field(`${where}.${name}`, given[name])]);
    for (const name in given)
      if (!Object.hasOwn(fields, name)) throw new Mismatch(`${where}: unknown field ${shown(name)}`);
    return Object.fromEntries(read) as Parsed<F>;
  };
}

/** A record of one of several kinds, told by its field `tag`. */
export function tagged<Tag extends string, Table extends Readonly<Record<string, Fields>>>(
  tag: Tag,
  kinds: Table,
): Read<Tagged<Tag, Table>> {
  const kindOf = oneOf(...Object.keys(kinds));
  return (where, json) => {
    const kind = kindOf(`${where}.${tag}`, object(where, json)[tag]);
    return record({ [tag]: text, ...kinds[kind] })(where, json) as Tagged<Tag, Table>;
  };
}

/** What a --labels file says: which of a model's classes the data's are. */
import { readFile } from 'node:fs/promises';
import { isObject } from '../../runtime/artifact/schema.ts';
import type { Dataset } from '../data/dataset.ts';
import { classNamed, knownClass } from '../data/text/class-names.ts';
import { withoutLabels } from '../data/without-labels.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { someOf } from '../io/words.ts';

/**
 * What --labels gives: the data's names in the order of the model's classes, or which of the model's names, or of its
 * places, each of the data's is; null for one that is left out.
 */
export type LabelsFile =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'pairs'; readonly pairs: ReadonlyMap<string, string | number | null> };

/** What such a file is to hold, as a hint. */
export const EXPECTED_LABELS =
  'Expected a JSON object {"the data\'s": "the model\'s", ...}, or the data\'s names, one a line, in the order of ' +
  "the model's classes.";

/** Reads a --labels file; null where none is given. UserError where it is none. */
export async function readLabels(path: string | undefined): Promise<LabelsFile | null> {
  if (path === undefined) return null;
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new UserError(`--labels: can't read ${path}: ${messageOf(error)}`, EXPECTED_LABELS);
  });
  const trimmed = text.replace(/^\ufeff/, '').trim();
  if (/^[{[]/.test(trimmed)) return ofJson(path, trimmed);
  const names = trimmed.split(/\r?\n/).map((line) => line.trim());
  return { kind: 'names', names: expectNames(path, names) };
}

function ofJson(path: string, text: string): LabelsFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UserError(`--labels: ${path} is no valid JSON: ${messageOf(error)}`, EXPECTED_LABELS);
  }
  if (Array.isArray(json)) return { kind: 'names', names: expectNames(path, json) };
  const entries = isObject(json) ? Object.entries(json) : [];
  const wrong = entries.find(
    ([, value]) => typeof value !== 'string' && value !== null && !Number.isSafeInteger(value),
  );
  if (entries.length === 0 || wrong !== undefined)
    throw new UserError(
      `--labels: ${path} ${wrong === undefined ? 'says nothing' : `gives ${JSON.stringify(wrong[1])} for ${wrong[0]}`}`,
      EXPECTED_LABELS,
    );
  expectOnce(path, keysOf(text), 'names');
  return { kind: 'pairs', pairs: new Map(entries as [string, string | number | null][]) };
}

/** The keys of a flat JSON object as they are written: of a key that comes twice JSON.parse keeps the last alone. */
function keysOf(text: string): readonly string[] {
  return [...text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?/g)].flatMap(([, token, colon]) =>
    colon === undefined ? [] : [JSON.parse(token) as string],
  );
}

function expectNames(path: string, names: readonly unknown[]): readonly string[] {
  const wrong = names.findIndex((name) => typeof name !== 'string' || name === '');
  if (wrong >= 0) throw new UserError(`--labels: name ${wrong + 1} in ${path} is empty or no text`, EXPECTED_LABELS);
  return expectOnce(path, names as readonly string[], 'has');
}

function expectOnce(path: string, names: readonly string[], verb: string): readonly string[] {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`--labels: ${path} ${verb} ${twice} twice`, EXPECTED_LABELS);
  return names;
}

/** The pairs by the data's own names: True and 1.0 are true and 1 there. UserError where two are one. */
export function pairsFor(
  pairs: ReadonlyMap<string, string | number | null>,
  data: readonly string[],
): ReadonlyMap<string, string | number | null> {
  const known = new Set(data);
  const found = new Map<string, string | number | null>();
  for (const [key, value] of pairs) {
    const name = known.has(key) ? key : (knownClass(classNamed(key) ?? key, known) ?? key);
    if (found.has(name))
      throw new UserError(`--labels: two of its names are the data's class ${name} (${key})`, 'Keep one of them.');
    found.set(name, value);
  }
  return found;
}

/** The data without what a file leaves out; a notice tells of names in the file that it does not have. */
export function labelledBy(data: Dataset, file: LabelsFile | null): Dataset {
  const left = withoutLabels(data, leftOutBy(file, data.labels));
  return { ...left, notices: [...left.notices, ...unusedNotices(file, data.labels)] };
}

function leftOutBy(file: LabelsFile | null, data: readonly string[]): readonly string[] {
  if (file?.kind !== 'pairs') return [];
  const pairs = pairsFor(file.pairs, data);
  return data.filter((label) => pairs.get(label) === null);
}

/** One of them may be misspelt. */
function unusedNotices(file: LabelsFile | null, data: readonly string[]): readonly string[] {
  if (file?.kind !== 'pairs') return [];
  const unused = [...pairsFor(file.pairs, data).keys()].filter((name) => !data.includes(name));
  if (unused.length === 0) return [];
  return [`--labels names what the data does not have: ${someOf(unused)}. The data has ${someOf(data)}.`];
}

/** Which of a model's classes the data's are: by name, by number, or as --labels says; what was assumed is said. */
import { readFile } from 'node:fs/promises';
import { isObject } from '../../runtime/artifact/schema.ts';
import { folded } from '../data/text/class-names.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { ambiguousClass, classIndices, type Head, headOrder, madeUp } from './labels.ts';

/**
 * What --labels gives: the data's names in the order of the model's classes, or which of the model's names, or of its
 * places, each of the data's is.
 */
export type LabelsFile =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'pairs'; readonly pairs: ReadonlyMap<string, string | number> };

/** Class index in the data → class index in the model. */
export interface ClassMatch {
  readonly indices: readonly number[];
  /** What was assumed, in sentences for the user. */
  readonly notices: readonly string[];
}

const EXPECTED =
  'Expected a JSON object {"the data\'s": "the model\'s", ...}, or the data\'s names, one a line, in the order of ' +
  "the model's classes.";

/** Reads a --labels file; null where none is given. UserError where it is none. */
export async function readLabels(path: string | undefined): Promise<LabelsFile | null> {
  if (path === undefined) return null;
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new UserError(`--labels: can't read ${path}: ${messageOf(error)}`, EXPECTED);
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
    throw new UserError(`--labels: ${path} is no valid JSON: ${messageOf(error)}`, EXPECTED);
  }
  if (Array.isArray(json)) return { kind: 'names', names: expectNames(path, json) };
  const entries = isObject(json) ? Object.entries(json) : [];
  const wrong = entries.find(([, value]) => typeof value !== 'string' && !Number.isSafeInteger(value));
  if (entries.length === 0 || wrong !== undefined)
    throw new UserError(
      `--labels: ${path} ${wrong === undefined ? 'says nothing' : `gives ${JSON.stringify(wrong[1])} for ${wrong[0]}`}`,
      EXPECTED,
    );
  return { kind: 'pairs', pairs: new Map(entries as [string, string | number][]) };
}

function expectNames(path: string, names: readonly unknown[]): readonly string[] {
  const wrong = names.findIndex((name) => typeof name !== 'string' || name === '');
  if (wrong >= 0) throw new UserError(`--labels: name ${wrong + 1} in ${path} is empty or no text`, EXPECTED);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`--labels: ${path} has ${twice} twice`, EXPECTED);
  return names as readonly string[];
}

/**
 * Which of a model's outputs each of the data's labels is: classes and labels as `matchClasses` tells them, numbers by
 * their names and places. UserError where the model does not know one, or answers another number of numbers.
 */
export function matchOutputs(model: Head, data: Head, labels: LabelsFile | null = null): ClassMatch {
  if (data.problemType !== 'regression' || labels !== null) return matchClasses(model.labels, data.labels, labels);
  const found = findOutputs(model, data);
  if (found !== null) return found;
  throw new UserError(
    `the model answers ${model.labels.length} numbers (${some(model.labels)}), ` +
      `the data has ${data.labels.length} (${some(data.labels)})`,
    'Name the columns that hold its numbers: --label-column A --label-column B.',
  );
}

/** The same without a --labels file; null where the model does not know one. */
export function findOutputs(model: Head, data: Head): ClassMatch | null {
  if (data.problemType !== 'regression') return findClasses(model.labels, data.labels);
  const indices = headOrder(model, data);
  return indices && { indices, notices: [] };
}

/** Which of the model's classes each of the data's is. UserError where it does not know one. */
export function matchClasses(
  model: readonly string[],
  data: readonly string[],
  labels: LabelsFile | null = null,
): ClassMatch {
  if (labels !== null) return asSaid(model, data, labels);
  const ambiguous = ambiguousClass(model, data);
  if (ambiguous !== null)
    throw new UserError(
      `the model has several classes named ${ambiguous}: which of them the data's is can't be told`,
      `--labels FILE gives its place, a number from 0 on: {"${ambiguous}": ${model.indexOf(ambiguous)}}.`,
    );
  const found = findClasses(model, data);
  if (found !== null) return found;
  const indices = classIndices(model, data);
  throw new UserError(
    `the model does not know the data's class ${data.find((_, i) => indices[i] < 0)}`,
    `It knows ${some(model)}. --labels FILE tells which is which: {"${data[0]}": "${model[0]}", ...}.`,
  );
}

/** The same without a --labels file; null where the model does not know one. */
export function findClasses(model: readonly string[], data: readonly string[]): ClassMatch | null {
  const exact = classIndices(model, data);
  const isNumbered = data.every((label) => /^(0|[1-9]\d{0,8})$/.test(label));
  if (!exact.includes(-1)) {
    const byPlace = madeUp(model) && !isNumbered && data.some((label, i) => label !== model[i]);
    return {
      indices: exact,
      notices: byPlace
        ? [`The model's classes have no names; they are taken to be in the data's order: ${shown(model, data, exact)}.`]
        : [],
    };
  }
  return (isNumbered ? byNumber(model, data) : null) ?? bySpelling(model, data, exact);
}

/**
 * Whole numbers from 0 on, as GLUE's, are places in the model's list. Not where its names have numbers of their own, as
 * "1 star", nor where there is no 0, so that they may begin with 1.
 */
function byNumber(model: readonly string[], data: readonly string[]): ClassMatch | null {
  const indices = data.map(Number);
  const numbered = !madeUp(model) && model.some((label) => /\d/.test(label));
  if (numbered || !indices.includes(0) || indices.some((index) => index >= model.length)) return null;
  return {
    indices,
    notices: [
      `The data's classes are numbers; they are taken for places in the model's list: ${shown(model, data, indices)}.`,
    ],
  };
}

/** The same names but for case, spaces, and 1 for true. */
function bySpelling(model: readonly string[], data: readonly string[], exact: readonly number[]): ClassMatch | null {
  const known = model.map(plain);
  const indices = exact.map((index, i) => {
    if (index >= 0) return index;
    const place = known.indexOf(plain(data[i]));
    return place === known.lastIndexOf(plain(data[i])) ? place : -1;
  });
  if (indices.includes(-1) || new Set(indices).size < indices.length) return null;
  return {
    indices,
    notices: [`The data's classes are the model's in another spelling: ${shown(model, data, indices)}.`],
  };
}

function plain(label: string): string {
  const text = folded(label);
  return text === 'true' ? '1' : text === 'false' ? '0' : text;
}

function asSaid(model: readonly string[], data: readonly string[], labels: LabelsFile): ClassMatch {
  if (labels.kind === 'names') {
    const { names } = labels;
    if (names.length !== model.length)
      throw new UserError(`--labels gives ${names.length} names, and the model has ${model.length} classes`, EXPECTED);
    const unknown = data.find((label) => !names.includes(label));
    if (unknown !== undefined) throw new UserError(`--labels does not name the data's class ${unknown}`, EXPECTED);
    return { indices: data.map((label) => names.indexOf(label)), notices: [] };
  }
  const indices = data.map((label) => {
    const wanted = labels.pairs.get(label) ?? label;
    const index = typeof wanted === 'number' ? wanted : model.indexOf(wanted);
    if (index < 0 || index >= model.length)
      throw new UserError(
        `--labels: the data's class ${label} is to be ${wanted}, which the model does not have`,
        `It has ${some(model)}.`,
      );
    if (typeof wanted === 'string' && model.lastIndexOf(wanted) !== index)
      throw new UserError(
        `--labels: the data's class ${label} is to be ${wanted}, of which the model has several`,
        `Give its place, a number from 0 on: {"${label}": ${index}}.`,
      );
    return index;
  });
  const twice = data.find((_, i) => indices.indexOf(indices[i]) !== i);
  if (twice !== undefined)
    throw new UserError(
      `--labels: ${twice} and ${data[indices.indexOf(indices[data.indexOf(twice)])]} are to be the same class`,
      "Give each of the data's classes one of the model's of its own.",
    );
  return { indices, notices: [] };
}

function shown(model: readonly string[], data: readonly string[], indices: readonly number[]): string {
  const pairs = data.slice(0, 5).map((label, i) => `${label} is ${model[indices[i]]}`);
  return `${pairs.join(', ')}${data.length > 5 ? ' ...' : ''}`;
}

function some(names: readonly string[]): string {
  return `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
}

/** Which of a model's classes the data's are: by name, by number, or as --labels says; what was assumed is said. */
import { folded } from '../data/text/class-names.ts';
import { separatorHint } from '../data/text/label-separators.ts';
import { UserError } from '../io/errors.ts';
import { counted, plural, someOf } from '../io/words.ts';
import { ambiguousClass, classIndices, type Head, headOrder, madeUp } from './labels.ts';
import { EXPECTED_LABELS, type LabelsFile, pairsFor } from './labels-file.ts';
import { nearestName } from './nearest-name.ts';

/** What data asks, and what it tells of itself. */
export interface DataHead extends Head {
  /**
   * Of several labels: whether each has a column or a place of its own, so that nothing is known of one that has none.
   * Where samples list those that apply, one that is not listed does not.
   */
  readonly hasColumns?: boolean;
  /** Samples of each class, where they are counted. */
  readonly counts?: readonly number[];
}

/** Class index in the data → class index in the model. */
export interface ClassMatch {
  readonly indices: readonly number[];
  /** What was assumed, in sentences for the user. */
  readonly notices: readonly string[];
}

/** The same of outputs. */
export interface OutputMatch extends ClassMatch {
  /** The model's outputs that the data says something of, in their order; null where these are all. */
  readonly judged: readonly number[] | null;
}

/** How classes may be matched. */
export interface MatchOptions {
  /** Whether several of the data's classes may be one of the model's, as --labels says: not where one is trained. */
  readonly mayShare?: boolean;
}

/**
 * Which of a model's outputs each of the data's labels is: classes and labels as `matchClasses` tells them, numbers by
 * their names and places. UserError where the model does not know one, or answers another number of numbers.
 */
export function matchOutputs(
  model: Head,
  data: DataHead,
  labels: LabelsFile | null = null,
  { mayShare = false }: MatchOptions = {},
): OutputMatch {
  const isNumbers = data.problemType === 'regression';
  if (!isNumbers || labels !== null)
    return withJudged(
      model,
      data,
      matchClasses(model.labels, data.labels, labels, { mayShare: mayShare && !isNumbers, counts: data.counts }),
    );
  const found = findOutputs(model, data);
  if (found !== null) return found;
  throw new UserError(
    `the model answers ${counted(model.labels.length, 'number')} (${someOf(model.labels)}), ` +
      `the data has ${data.labels.length} (${someOf(data.labels)})`,
    'Name the columns that hold its numbers: --label-column A --label-column B.',
  );
}

/** The same without a --labels file; null where the model does not know one. */
export function findOutputs(model: Head, data: DataHead): OutputMatch | null {
  const match = data.problemType === 'regression' ? inHeadOrder(model, data) : findClasses(model.labels, data.labels);
  return match && withJudged(model, data, match);
}

function inHeadOrder(model: Head, data: Head): ClassMatch | null {
  const indices = headOrder(model, data);
  return indices && { indices, notices: [] };
}

/** What the data says nothing of is not judged, where it can be told apart from what does not apply. */
function withJudged(model: Head, { problemType, hasColumns }: DataHead, match: ClassMatch): OutputMatch {
  const { indices, notices } = match;
  const known = new Set(indices);
  const missing = model.labels.filter((_, k) => !known.has(k));
  if (problemType === 'single_label_classification' || missing.length === 0) return { ...match, judged: null };
  if (problemType === 'regression' || hasColumns) {
    const judged = [...known].sort((a, b) => a - b);
    const left = `${plural(missing.length, 'it is', 'they are')} not judged`;
    return { ...match, judged, notices: [...notices, `The data says nothing of ${someOf(missing, 20)}: ${left}.`] };
  }
  const lists =
    `The data never names ${someOf(missing, 20)}: a sample's list tells all of its labels, ` +
    'so none of them is taken to apply.';
  return { ...match, judged: null, notices: [...notices, lists] };
}

/** Which of the model's classes each of the data's is. UserError where it does not know one. */
export function matchClasses(
  model: readonly string[],
  data: readonly string[],
  labels: LabelsFile | null = null,
  { mayShare = false, counts }: MatchOptions & Pick<DataHead, 'counts'> = {},
): ClassMatch {
  if (labels !== null) return asSaid(model, data, labels, mayShare);
  const ambiguous = ambiguousClass(model, data);
  if (ambiguous !== null)
    throw new UserError(
      `the model has several classes named ${ambiguous}: which of them the data's is can't be told`,
      `--labels FILE gives its place, a number from 0 on: {"${ambiguous}": ${model.indexOf(ambiguous)}}.`,
    );
  const found = findClasses(model, data);
  if (found !== null) return found;
  if (data.length > 1 && madeUp(data) && !madeUp(model))
    throw new UserError(
      `the data has ${counted(data.length, 'label')} without names, the model has ${model.length} (${someOf(model)})`,
      "Expected a value for each of the model's labels, or the labels' names.",
    );
  throw unknownClasses(model, data, counts);
}

/** So many are named: a data set may have thousands. */
const MOST_NAMED = 10;

function unknownClasses(model: readonly string[], data: readonly string[], counts?: readonly number[]): UserError {
  const spelled = spelledIndices(model, data, classIndices(model, data));
  // Where each is known in some spelling, two of them are one.
  const isAlone = (i: number): boolean =>
    spelled[i] < 0 || spelled.indexOf(spelled[i]) !== spelled.lastIndexOf(spelled[i]);
  const unknown = [...data.keys()].filter(isAlone);
  const names = unknown.map((i) => data[i]);
  const shownNames = unknown.map((i) =>
    counts === undefined ? data[i] : `${data[i]} (${counted(counts[i], 'sample')})`,
  );
  const pairs = names.slice(0, MOST_NAMED / 2).map((name) => [name, nearestName(name, model) ?? 'NAME'] as const);
  const near = pairs.filter(([, nearest]) => nearest !== 'NAME').map(([name, nearest]) => `${name} is ${nearest}`);
  const example = JSON.stringify(Object.fromEntries(pairs)).replaceAll('":"', '": "').replaceAll(',"', ', "');
  return new UserError(
    `the model does not know the data's ${plural(names.length, 'class', 'classes')} ` +
      `${someOf(shownNames, MOST_NAMED)}${names.length > 1 ? `: ${names.length} of ${data.length}` : ''}`,
    `It knows ${someOf(model)}.${near.length === 0 ? '' : ` Perhaps ${near.join(', ')}.`} ` +
      `--labels FILE tells which is which: ${example}; null for a name leaves its samples out, and slim evaluate takes ` +
      `several of the data's for one of the model's.${separatorHint(names)}`,
  );
}

/** Which each is by its name, number or spelling, without a --labels file; null where the model does not know one. */
export function findClasses(model: readonly string[], data: readonly string[]): ClassMatch | null {
  const exact = classIndices(model, data);
  if (!exact.includes(-1)) {
    const isNumbered = data.every((label) => NUMBERED.test(label));
    const byPlace = madeUp(model) && !isNumbered && data.some((label, i) => label !== model[i]);
    return {
      indices: exact,
      notices: byPlace
        ? [`The model's classes have no names; they are taken to be in the data's order: ${shown(model, data, exact)}.`]
        : [],
    };
  }
  return unnamed(model, data) ?? byNumber(model, data) ?? bySpelling(model, data, exact);
}

const NUMBERED = /^(0|[1-9]\d{0,8})$/;
const TRUTH = /^(true|false)$/i;

/** Labels without names, as those of lists of 0 and 1 are: as many as the model's, in its order. */
function unnamed(model: readonly string[], data: readonly string[]): ClassMatch | null {
  if (!madeUp(data) || data.length !== model.length) return null;
  const indices = [...model.keys()];
  return {
    indices,
    notices: [
      `The data's labels have no names; they are taken to be in the model's order: ${shown(model, data, indices)}.`,
    ],
  };
}

/**
 * Whole numbers from 0 on, as GLUE's, are places in the model's list, and so are false and true of two. Not where its
 * names have numbers of their own, as "1 star", nor where there is no 0, so that they may begin with 1.
 */
function byNumber(model: readonly string[], data: readonly string[]): ClassMatch | null {
  if (!data.every((label) => NUMBERED.test(label) || TRUTH.test(label))) return null;
  const isTruth = data.some((label) => TRUTH.test(label));
  if (isTruth && (model.length !== 2 || DENIES.test(model[1]))) return null;
  const indices = data.map((label) => (TRUTH.test(label) ? Number(label.toLowerCase() === 'true') : Number(label)));
  const numbered = !madeUp(model) && model.some((label) => /\d/.test(label));
  const mayBeginWith1 = !isTruth && !indices.includes(0);
  const isTwice = new Set(indices).size < indices.length;
  if (numbered || mayBeginWith1 || isTwice || indices.some((index) => index >= model.length)) return null;
  const what = isTruth ? 'true and false' : 'numbers';
  return {
    indices,
    notices: [
      `The data's classes are ${what}; they are taken for places in the model's list: ${shown(model, data, indices)}.`,
    ],
  };
}

/** A name that says no: where it is the second of two, true would be what it denies. */
const DENIES = /^(no|not|non|none|neg\w*|false|un\w+)\b/i;

/** The same names but for case, spaces, and 1 for true. */
function bySpelling(model: readonly string[], data: readonly string[], exact: readonly number[]): ClassMatch | null {
  const indices = spelledIndices(model, data, exact);
  if (indices.includes(-1) || new Set(indices).size < indices.length) return null;
  return {
    indices,
    notices: [`The data's classes are the model's in another spelling: ${shown(model, data, indices)}.`],
  };
}

/** -1 where no class, or none alone, has that name in whatever spelling. */
function spelledIndices(
  model: readonly string[],
  data: readonly string[],
  exact: readonly number[],
): readonly number[] {
  const known = model.map(plain);
  return exact.map((index, i) => {
    if (index >= 0) return index;
    const place = known.indexOf(plain(data[i]));
    return place === known.lastIndexOf(plain(data[i])) ? place : -1;
  });
}

function plain(label: string): string {
  const text = folded(label);
  return text === 'true' ? '1' : text === 'false' ? '0' : text;
}

function asSaid(model: readonly string[], data: readonly string[], labels: LabelsFile, mayShare: boolean): ClassMatch {
  if (labels.kind === 'names') {
    const { names } = labels;
    if (names.length !== model.length)
      throw new UserError(
        `--labels gives ${counted(names.length, 'name')}, and the model has ${counted(model.length, 'class', 'classes')}`,
        EXPECTED_LABELS,
      );
    const unknown = data.filter((label) => !names.includes(label));
    if (unknown.length > 0)
      throw new UserError(
        `--labels does not name the data's ${plural(unknown.length, 'class', 'classes')} ${someOf(unknown, MOST_NAMED)}`,
        EXPECTED_LABELS,
      );
    return { indices: data.map((label) => names.indexOf(label)), notices: [] };
  }
  const pairs = pairsFor(labels.pairs, data);
  const indices = data.map((label) => saidIndex(model, label, pairs.get(label) ?? label));
  const twice = data.find((_, i) => indices.indexOf(indices[i]) !== i);
  if (twice !== undefined && !mayShare)
    throw new UserError(
      `--labels: ${twice} and ${data[indices.indexOf(indices[data.indexOf(twice)])]} are to be the same class`,
      "Give each of the data's classes one of the model's of its own: only slim evaluate takes several for one.",
    );
  return { indices, notices: [] };
}

/** The place of the class that a file says one of the data's is. */
function saidIndex(model: readonly string[], label: string, wanted: string | number): number {
  const index = typeof wanted === 'number' ? wanted : model.indexOf(wanted);
  if (index < 0 || index >= model.length) {
    const nearest = nearestName(String(wanted), model);
    throw new UserError(
      `--labels: the data's class ${label} is to be ${wanted}, which the model does not have`,
      `It has ${someOf(model)}.${nearest === null ? '' : ` Is it ${nearest}?`} null leaves a class's samples out.`,
    );
  }
  if (typeof wanted === 'string' && model.lastIndexOf(wanted) !== index)
    throw new UserError(
      `--labels: the data's class ${label} is to be ${wanted}, of which the model has several`,
      `Give its place, a number from 0 on: {"${label}": ${index}}.`,
    );
  return index;
}

function shown(model: readonly string[], data: readonly string[], indices: readonly number[]): string {
  const pairs = data.slice(0, 5).map((label, i) => `${label} is ${model[indices[i]]}`);
  return `${pairs.join(', ')}${data.length > 5 ? ' ...' : ''}`;
}

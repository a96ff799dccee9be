/**
 * What labels are: one class, any number of labels, or numbers. The data tells it, or --task; from then on every row has
 * to agree.
 */

import type { ProblemType } from '../../../runtime/artifact/problem-type.ts';
import { UserError, usageError } from '../../io/errors.ts';
import { counted } from '../../io/words.ts';
import type { Target } from '../target.ts';
import { hasDecimalComma, isFraction, isNumber, knownClass, withoutTwins } from './class-names.ts';
import { countSeparators, separatorFlag, separatorHint } from './label-separators.ts';
import { short } from './rows.ts';

/** As a row has it: one name or number; or several, of a list in one column, or of one from each label column. */
export type RawLabel = string | readonly string[];

/** How labels lie in the data, as far as flags and columns tell. */
export interface LabelForm {
  /** What was asked for; undefined where the data is to tell. */
  readonly task?: ProblemType;
  /** The names of the label columns; none where the label is a folder's name. */
  readonly columns: readonly string[];
  /** The names in their order, where the source tells it. */
  readonly order: readonly string[] | null;
}

/** What is made of labels. */
export interface LabelReader {
  readonly problemType: ProblemType;
  /** Classes, labels, or the names of the numbers. */
  readonly labels: readonly string[];
  /** Whether each of several labels has a column, or a place in each list, of its own. */
  readonly hasColumns: boolean;
  /** What was assumed, in sentences for the user. */
  readonly notices: readonly string[];
  /** What a row's label asks for, or in words why it can't be used. */
  target(label: RawLabel): Target | { readonly problem: string };
}

/** More than that many are no classes: the column is another one. */
export const MAX_LABELS = 10_000;

const WRITE_A_POINT = 'Write numbers with a point: 3.5.';

/** 1 for 1 and true, 0 for 0 and false, null for anything else. */
export function decision(text: string): number | null {
  const value = /^(true|false)$/i.test(text)
    ? Number(text.toLowerCase() === 'true')
    : isNumber(text)
      ? Number(text)
      : NaN;
  return value === 0 || value === 1 ? value : null;
}

/** Labels as they are met, row by row. */
export interface LabelSurvey {
  /** Adds one; or says in words why it can't be used, as `LabelReader.target` will. */
  add(label: RawLabel, where: string): string | null;
  /** What they are. UserError where they are of several kinds, or not of the kind that was asked for. */
  reader(path: string): LabelReader;
}

/** A survey of labels of that form. UserErrors name the row. */
export function surveyLabels({ task, columns, order }: LabelForm): LabelSurvey {
  const isWide = columns.length > 1;
  const names = new Set<string>();
  /** Where the first one of a kind stands. */
  const first: {
    single?: string;
    list?: string;
    fraction?: string;
    name?: string;
    /** A name that is no number with a decimal comma either. */
    word?: string;
    comma?: string;
    undecided?: string;
  } = {};
  const separators = countSeparators();
  let length: number | null = null;
  let isEven = true;

  function addValue(value: string, where: string, column?: string): void {
    const found = (): string =>
      `${where}: ${JSON.stringify(short(value))}${column === undefined ? '' : ` in ${column}`}`;
    if (isFraction(value)) first.fraction ??= `${where}: ${value}`;
    else if (!isNumber(value)) {
      first.name ??= found();
      if (hasDecimalComma(value)) first.comma ??= found();
      else first.word ??= found();
    }
    if (decision(value) === null) first.undecided ??= found();
    // Numbers are not counted: each may be another.
    const isNumbers = task === undefined && first.fraction !== undefined && first.name === undefined;
    if (task === 'regression' || isWide || isNumbers) return;
    names.add(value);
    if (names.size > MAX_LABELS)
      throw new UserError(
        `${where}: more than ${MAX_LABELS} different labels`,
        'Does another column hold the label? Say which: --label-column NAME. For numbers, say so: --task regression.' +
          separatorHint([...names]),
      );
  }

  function kindOfValues(path: string): ProblemType {
    if (task !== undefined) return task;
    const column = columns.length === 1 ? `${columns[0]} of ${path}` : path;
    if (first.fraction !== undefined && first.name !== undefined)
      throw new UserError(
        `${column} has labels that are numbers and others that are none (${first.fraction}; ${first.name})`,
        `${first.comma === first.name ? `${WRITE_A_POINT} ` : ''}` +
          'Mend it, or say what they are: --task regression with --skip-bad leaves out the others.',
      );
    if (first.comma !== undefined && first.word === undefined)
      throw new UserError(
        `${column} has numbers with a decimal comma (${first.comma})`,
        `${WRITE_A_POINT} Or say what the comma is: --label-separator "," between several labels, ` +
          '--task single-label a part of names.',
      );
    return first.fraction === undefined ? 'single_label_classification' : 'regression';
  }

  const namesInOrder = (): readonly string[] => inOrder([...withoutTwins(names)], order);

  /** What the rows before, and what was asked for, don't allow. */
  function problemOf(label: RawLabel): string | null {
    const isList = typeof label !== 'string';
    if (isList && first.single !== undefined) return 'expected one label, as in the rows before, got a list';
    if (!isList && first.list !== undefined) return 'expected a list of labels, as in the rows before, got one';
    const values = [label].flat();
    if (task === 'regression')
      return problemIn(numbersOf(values, isWide ? columns : placesOf(length ?? values.length)));
    return isWide && task === 'multi_label_classification' ? problemIn(decisionsOf(values, columns)) : null;
  }

  return {
    add(label, where) {
      const problem = problemOf(label);
      if (problem !== null) return problem;
      if (typeof label === 'string') {
        first.single ??= where;
        separators.add(label);
        addValue(label, where);
        return null;
      }
      first.list ??= where;
      length ??= label.length;
      if (label.length !== length) isEven = false;
      for (const [i, value] of label.entries()) addValue(value, where, isWide ? columns[i] : undefined);
      return null;
    },
    reader(path) {
      if (isWide) {
        const told = first.undecided === undefined ? 'multi_label_classification' : 'regression';
        const notices =
          task === undefined && first.undecided !== undefined
            ? [`The labels are numbers, not only 0 and 1: ${first.undecided}.`]
            : [];
        return { ...columnsReader(task ?? told, columns, path, first.name), notices };
      }
      // One column of those that a model answers.
      if (first.list === undefined && task === 'multi_label_classification' && first.undecided === undefined)
        return columnReader(columns[0] ?? 'LABEL_0');
      if (first.list === undefined)
        return scalarReader(kindOfValues(path), namesInOrder(), columns[0] ?? 'LABEL_0', separators.found());
      if (task === 'single_label_classification')
        throw new UserError(
          `${first.list}: expected one label, got a list`,
          'Samples with any number of labels are for --task multi-label, and for models that were trained so.',
        );
      const problemType = task ?? (kindOfValues(path) === 'regression' ? 'regression' : 'multi_label_classification');
      if (problemType === 'regression') {
        if (!isEven) throw new UserError(`${path}: expected as many numbers in each row's list, got several lengths`);
        return vectorReader(problemType, length ?? 0);
      }
      // Several of 0 and 1 in each list are a decision at each place. As ids of labels they would come twice, or be both
      // in all.
      return first.undecided === undefined && isEven && (length ?? 0) > 1
        ? vectorReader(problemType, length ?? 0)
        : listReader(namesInOrder());
    },
  };
}

/** One name or one number a row. */
function scalarReader(
  problemType: ProblemType,
  names: readonly string[],
  column: string,
  separator: string | null,
): LabelReader {
  if (problemType === 'regression')
    return {
      problemType,
      labels: [column],
      hasColumns: true,
      notices: [],
      target: (label) =>
        typeof label === 'string' ? numbersOf([label], [column]) : { problem: 'expected one number, got a list' },
    };
  if (problemType === 'multi_label_classification')
    throw new UserError(
      `--task multi-label: expected several labels a sample, got one (${names.slice(0, 3).map(short).join(', ')})`,
      `Say what stands between labels in a text: ${separatorFlag(separator ?? '|')}. Or name several columns of 0 and 1: ` +
        '--label-column A --label-column B. In JSON lines and Parquet, labels are lists.',
    );
  const indexOf = placesByName(names);
  return {
    problemType,
    labels: names,
    hasColumns: false,
    notices:
      separator === null
        ? []
        : [
            `Most labels hold ${JSON.stringify(separator)}: each is taken for one class. ` +
              `Where they name several labels, say so: ${separatorFlag(separator)}.`,
          ],
    target: (label) =>
      typeof label === 'string'
        ? (indexOf(label) ?? unknownLabel(label, names))
        : { problem: 'expected one label, got a list' },
  };
}

/** The place of a name, or of 1 where it says true; undefined for one that is not known. */
export function placesByName(names: readonly string[]): (name: string) => number | undefined {
  const indices = new Map(names.map((name, i) => [name, i]));
  const known = new Set(names);
  return (name) => indices.get(knownClass(name, known) ?? name);
}

/** Any number of names a row. */
function listReader(names: readonly string[]): LabelReader {
  const indexOf = placesByName(names);
  return {
    problemType: 'multi_label_classification',
    labels: names,
    hasColumns: false,
    notices: [],
    target(label) {
      if (typeof label === 'string') return { problem: 'expected a list of labels, got one' };
      const values = new Float32Array(names.length);
      for (const name of label) {
        const index = indexOf(name);
        if (index === undefined) return unknownLabel(name, names);
        values[index] = 1;
      }
      return values;
    },
  };
}

/** A list of as many values in every row, whose places are labels or numbers without names. */
function vectorReader(problemType: ProblemType, length: number): LabelReader {
  return placesReader(problemType, placesOf(length));
}

/** What labels without names are called. */
function placesOf(length: number): readonly string[] {
  return Array.from({ length }, (_, i) => `LABEL_${i}`);
}

/** One column of 0 and 1. */
function columnReader(column: string): LabelReader {
  return {
    problemType: 'multi_label_classification',
    labels: [column],
    hasColumns: true,
    notices: [],
    target: (label) => decisionsOf([label].flat(), [column]),
  };
}

/** A value from each of several columns. */
function columnsReader(
  problemType: ProblemType,
  columns: readonly string[],
  path: string,
  name: string | undefined,
): LabelReader {
  if (problemType === 'single_label_classification')
    throw usageError(
      `${path}: one label is asked for, and several label columns are named (${columns.slice(0, 4).join(', ')})`,
      'Name the one that holds it, or give --task multi-label.',
    );
  if (problemType === 'regression' && name !== undefined)
    throw new UserError(
      `${name}: expected 0 or 1, or a number, in each of the label columns`,
      'Mend it, or leave the column out. Several columns hold labels that apply or not, or numbers; one column holds classes.',
    );
  return placesReader(problemType, columns);
}

function placesReader(problemType: ProblemType, labels: readonly string[]): LabelReader {
  return {
    problemType,
    labels,
    hasColumns: true,
    notices: [],
    target(label) {
      if (typeof label === 'string') return { problem: 'expected a list, got one label' };
      const values = label;
      return problemType === 'regression' ? numbersOf(values, labels) : decisionsOf(values, labels);
    },
  };
}

/** What is wrong with a label, in words; null where it can be used. */
export function problemIn(target: Target | { readonly problem: string }): string | null {
  return typeof target === 'object' && 'problem' in target ? target.problem : null;
}

function numbersOf(values: readonly string[], names: readonly string[]): Target | { readonly problem: string } {
  if (values.length !== names.length)
    return { problem: `expected ${counted(names.length, 'number')}, got ${values.length}` };
  const wrong = values.findIndex((value) => !isNumber(value));
  if (wrong >= 0) {
    const comma = hasDecimalComma(values[wrong]) ? ': write a point, not a comma' : '';
    return { problem: `expected a number as label, ${gotIn(names, wrong, values)}${comma}` };
  }
  const numbers = Float32Array.from(values, Number);
  const large = numbers.findIndex((value) => !Number.isFinite(value));
  return large < 0 ? numbers : { problem: `expected a number that 32 bits hold as label, got ${short(values[large])}` };
}

/** got "2" in toxic */
function gotIn(names: readonly string[], place: number, values: readonly string[]): string {
  return `got ${JSON.stringify(short(values[place]))}${names.length > 1 ? ` in ${names[place]}` : ''}`;
}

function decisionsOf(values: readonly string[], names: readonly string[]): Target | { readonly problem: string } {
  if (values.length !== names.length)
    return { problem: `expected 0 or 1 for each of ${counted(names.length, 'label')}, got ${values.length}` };
  const wrong = values.findIndex((value) => decision(value) === null);
  if (wrong >= 0) return { problem: `expected 0 or 1 for each label, ${gotIn(names, wrong, values)}` };
  return Float32Array.from(values, (value) => decision(value)!);
}

function unknownLabel(label: string, known: readonly string[]): { readonly problem: string } {
  return {
    problem:
      `the label ${JSON.stringify(short(label))} is not among the training data's ` +
      `(${known.slice(0, 5).map(short).join(', ')}${known.length > 5 ? ' ...' : ''})` +
      separatorHint(known).replace(/^ (.*)\.$/, '. $1'),
  };
}

/**
 * As the data tells, else by number where all are whole numbers, else by name: the order does not depend on that of the
 * rows.
 */
export function inOrder(labels: readonly string[], told: readonly string[] | null = null): string[] {
  const numbers = labels.every((label) => /^-?\d{1,15}$/.test(label));
  const rank = (label: string): number => (told === null ? (numbers ? Number(label) : 0) : told.indexOf(label));
  return [...labels].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

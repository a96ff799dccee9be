/** Labelled texts before their labels are numbers: of tables, or of folders of .txt files. */
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { UserError } from '../../io/errors.ts';
import { classNamed, isFraction } from './class-names.ts';
import type { Columns } from './columns.ts';
import type { RawLabel } from './labels.ts';
import { decodeUtf8, MAX_ROW_BYTES, notUtf8, short, type TableFile, TOO_LONG, unreadable } from './rows.ts';
import { WrittenNumber } from './written-numbers.ts';

/** Labelled texts of one part, in whatever form. */
export interface TextSource {
  /** The labels in their order, where the source tells it; null for most. */
  readonly order: () => Promise<readonly string[] | null>;
  /** Every text, or what is wrong with it, in an order that stays the same. */
  texts(): AsyncIterable<Found>;
}

/** `where` names file and row; `read` is how much of the source has been read, from 0 to 1. */
export type Found = { readonly where: string; readonly read: number } & (LabelledText | { readonly problem: string });

/** A sample whose label is still a name, or several; `pair` is null where it is one text. */
export interface LabelledText {
  readonly text: string;
  readonly pair: string | null;
  readonly label: RawLabel;
}

/** The rows of one or several tables with the same columns, one after another. */
export function tableSource(files: readonly TableFile[], columns: Columns, separator?: string): TextSource {
  const { text, pair, labels } = columns;
  const namesOf = async (file: TableFile): Promise<readonly string[] | null> =>
    labels.length === 1 ? ((await file.namesOf?.(labels[0])) ?? null) : null;
  return {
    order: () => namesOf(files[0]),
    async *texts() {
      for (const [i, file] of files.entries()) {
        const names = await namesOf(file);
        for await (const row of file.rows([text, ...(pair === null ? [] : [pair]), ...labels])) {
          const place = { where: `${file.path}, ${row.place}`, read: (i + row.read) / files.length };
          yield { ...place, ...('cells' in row ? labelledText(row.cells, columns, names, separator) : row) };
        }
      }
    },
  };
}

/** Files of one text each; a text's label is its folder's name. */
export function fileSource(files: readonly { readonly path: string; readonly label: string }[]): TextSource {
  return {
    order: async () => null,
    async *texts() {
      for (const [i, { path, label }] of files.entries()) {
        const text = await readText(path);
        yield {
          where: path,
          read: (i + 1) / files.length,
          ...(typeof text === 'string' ? { text, pair: null, label } : text),
        };
      }
    },
  };
}

async function readText(path: string): Promise<string | { readonly problem: string }> {
  try {
    if ((await stat(path)).size > MAX_ROW_BYTES) return { problem: TOO_LONG };
    const bytes = await readFile(path);
    return decodeUtf8(bytes) ?? { problem: notUtf8([bytes]) };
  } catch (error) {
    throw unreadable(path, error);
  }
}

function labelledText(
  cells: Readonly<Record<string, unknown>>,
  { text, pair, labels }: Columns,
  names: readonly string[] | null,
  separator: string | undefined,
): LabelledText | { readonly problem: string } {
  const cell = (name: string): unknown => (Object.hasOwn(cells, name) ? cells[name] : undefined);
  for (const name of pair === null ? [text] : [text, pair]) {
    if (typeof cell(name) !== 'string') return { problem: `expected a text in ${name}, got ${shown(cell(name))}` };
  }
  const read = labels.map((name) => labelsOf(cell(name), names, labels.length === 1, separator));
  const wrong = read.indexOf(null);
  if (wrong >= 0) return { problem: `expected a label in ${labels[wrong]}, got ${shown(cell(labels[wrong]))}` };
  const label = labels.length === 1 ? (read[0] as RawLabel) : (read as string[]);
  return { text: cell(text) as string, pair: pair === null ? null : (cell(pair) as string), label };
}

/** One name, or those of a list or between separators; null where a cell holds none. */
function labelsOf(
  value: unknown,
  names: readonly string[] | null,
  mayBeList: boolean,
  separator: string | undefined,
): RawLabel | null {
  const parts = separatedBy(separator, value);
  if (parts === null) return labelOf(value, names);
  if (!mayBeList) return null;
  const list = parts.map((item) => labelOf(item, names));
  return list.includes(null) ? null : (list as string[]);
}

/** What a list holds, or a text between separators; null of one value. */
function separatedBy(separator: string | undefined, value: unknown): readonly unknown[] | null {
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as ArrayLike<unknown>);
  if (separator === undefined || typeof value !== 'string') return null;
  return value.split(separator).filter((part) => part.trim() !== '');
}

/** A name, a number, or true or false; null where it is none of these, as -1 where numbers have names. */
export function labelOf(value: unknown, names: readonly string[] | null): string | null {
  switch (typeof value) {
    case 'string': {
      const text = value.trim();
      const name = classNamed(text) ?? (isFraction(text) ? text : null);
      // CSV has no numbers: those that stand for names come as texts.
      return name !== null && names !== null && /^\d+$/.test(name) && !names.includes(name)
        ? (names[Number(name)] ?? null)
        : name;
    }
    case 'boolean':
      return String(value);
    case 'number':
      // Beyond 2^53 two whole numbers may have become one.
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) return null;
      return names === null ? String(value) : (names[value] ?? null);
    case 'bigint':
      return names === null ? String(value) : (names[Number(value)] ?? null);
    default:
      return null;
  }
}

/** Nothing, or the -1 that stands for it where numbers have names. */
export function isMissing(value: unknown): boolean {
  if (typeof value === 'object') return value === null;
  return value === undefined || value === '' || Number(value) === -1;
}

/** A cell that is not what was expected, as a message tells it. */
export function shown(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'nothing';
  if (value instanceof WrittenNumber) return short(value.text);
  if (typeof value === 'object')
    return Array.isArray(value) ? 'a list' : value instanceof Date ? 'a date' : 'an object';
  return short(typeof value === 'string' ? JSON.stringify(value) : String(value));
}

/** UserError for a row that is wrong. */
export function badRow(where: string, problem: string, hint = ''): UserError {
  return new UserError(
    `${where}: ${problem}`,
    `${hint && `${hint} `}Mend it, or give --skip-bad to leave out such rows and count them.`,
  );
}

/** train.jsonl, or train.jsonl and 3 more */
export function namesOfFiles(files: readonly TableFile[]): string {
  return `${basename(files[0].path)}${files.length > 1 ? ` and ${files.length - 1} more` : ''}`;
}

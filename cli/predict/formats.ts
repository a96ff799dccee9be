/** How rows are written: a line each, so that a file of them is whole after any of them. */
import { toJson, toText } from './plain.ts';
import type { Cells } from './row.ts';

/** By the ending of the output's name. Parquet is written at the end, from lines of JSON. */
export const FORMATS = ['csv', 'jsonl', 'parquet'] as const;

/** One of `FORMATS`. */
export type Format = (typeof FORMATS)[number];

/** Lines with their ends; a header where the format has one. */
export interface LineFormat {
  readonly header: string;
  line(cells: Cells): string;
}

/** CSV as RFC 4180 has it, but for its line ends, which are Unix's. Cells of other columns than these are left out. */
export function csvLines(columns: readonly string[]): LineFormat {
  const join = (values: readonly unknown[]): string => `${values.map((value) => quoted(toText(value))).join(',')}\n`;
  return {
    header: join(columns),
    line: (cells) => join(columns.map((name) => (Object.hasOwn(cells, name) ? cells[name] : null))),
  };
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** An object a line, with the columns that the row has. */
export const jsonLines: LineFormat = { header: '', line: (cells) => `${toJson(cells)}\n` };

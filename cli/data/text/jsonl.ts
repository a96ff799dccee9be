/** JSON lines: an object a line, its keys are the columns. */
import { UserError } from '../../io/errors.ts';
import { type Line, readLines } from './lines.ts';
import { decodeUtf8, type FileRow, notUtf8, type RowContent, type TableFile, TOO_LONG } from './rows.ts';
import { isRow, type ParseJson } from './written-numbers.ts';

/** A row may lack what another has: so many tell the columns. */
const ROWS_FOR_COLUMNS = 100;

/** A file of JSON lines; its columns are all keys of its first rows. Nothing is read before it is asked for. */
export function jsonlFile(path: string, parse: ParseJson = JSON.parse): TableFile {
  async function* rows(): AsyncGenerator<FileRow> {
    for await (const line of readLines(path)) {
      const { place, read } = line;
      yield { place, read, ...contentOf(line, parse) };
    }
  }
  return { path, rows, columns: () => columnsOf(path, rows(), 'line') };
}

/** The keys of the first objects. UserError where there is none; `unit` is what a row is called. */
export async function columnsOf(path: string, rows: AsyncIterable<FileRow>, unit: string): Promise<readonly string[]> {
  let first = '';
  let looked = 0;
  const names = new Set<string>();
  for await (const row of rows) {
    if ('problem' in row) first ||= ` (${row.place}: ${row.problem})`;
    else for (const name of Object.keys(row.cells)) names.add(name);
    if (++looked >= ROWS_FOR_COLUMNS && names.size > 0) break;
  }
  if (names.size > 0) return [...names];
  throw new UserError(
    `${path} has no ${unit} with a JSON object${first}`,
    `Expected one a ${unit}, such as {"text": "...", "label": "..."}.`,
  );
}

function contentOf({ bytes }: Line, parse: ParseJson): RowContent {
  if (bytes === null) return { problem: TOO_LONG };
  const text = decodeUtf8(bytes);
  if (text === null) return { problem: notUtf8([bytes]) };
  let json: unknown;
  try {
    json = parse(text);
  } catch {
    return { problem: 'no valid JSON' };
  }
  return isRow(json) ? { cells: json } : { problem: 'expected a JSON object' };
}

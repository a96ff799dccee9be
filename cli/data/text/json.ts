/** JSON in one piece: a list of objects, or an object that holds one, as datasets' and pandas' exports are. */
import { isObject } from '../../../runtime/artifact/schema.ts';
import { messageOf, UserError } from '../../io/errors.ts';
import { openBytes } from './bytes.ts';
import { columnsOf, jsonlFile } from './jsonl.ts';
import { decodeUtf8, type FileRow, type TableFile } from './rows.ts';
import { isRow, type ParseJson } from './written-numbers.ts';

/** It is read at once; JSON lines may be of any size. */
const MAX_JSON_BYTES = 256 * 1024 ** 2;

/** A .json file; JSON lines under that name are read as such. Nothing is read before it is asked for. */
export function jsonFile(path: string, parse: ParseJson = JSON.parse): TableFile {
  let opened: Promise<TableFile> | null = null;
  const open = (): Promise<TableFile> => (opened ??= openJson(path, parse));
  return {
    path,
    columns: async () => (await open()).columns(),
    async *rows(columns) {
      yield* (await open()).rows(columns);
    },
  };
}

async function openJson(path: string, parse: ParseJson): Promise<TableFile> {
  const bytes = await bytesOf(path);
  const text = bytes && decodeUtf8(bytes);
  if (text === null) {
    if (bytes === null || beginsWithObject(bytes)) return jsonlFile(path, parse);
    throw new UserError(`${path} is no valid UTF-8`, 'Save it as UTF-8.');
  }
  const list = listIn(path, parsed(path, text, parse));
  return list === null ? jsonlFile(path, parse) : tableOf(path, list);
}

/** All bytes; null where they are too many for one piece and look like JSON lines. */
async function bytesOf(path: string): Promise<Buffer | null> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of (await openBytes(path)).chunks) {
    parts.push(chunk);
    length += chunk.length;
    if (length <= MAX_JSON_BYTES) continue;
    if (beginsWithObject(Buffer.concat(parts))) return null;
    throw new UserError(
      `${path} is longer than ${MAX_JSON_BYTES / 1024 ** 2} MiB, and JSON in one piece`,
      'Write it as JSON lines, an object a line, in a .jsonl file: jq -c ".[]" does.',
    );
  }
  return Buffer.concat(parts);
}

/** Whether the first line is an object of its own, as in JSON lines. */
function beginsWithObject(bytes: Buffer): boolean {
  const end = bytes.indexOf(0x0a);
  try {
    return isObject(JSON.parse(bytes.subarray(0, end < 0 ? bytes.length : end).toString('utf8')));
  } catch {
    return false;
  }
}

/** Undefined for JSON lines. */
function parsed(path: string, text: string, parse: ParseJson): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (beginsWithObject(Buffer.from(text))) return undefined;
    throw new UserError(`${path} is no valid JSON: ${messageOf(error)}`, EXPECTED);
  }
}

const EXPECTED =
  'Expected a list of objects, [{"text": "...", "label": "..."}, ...], alone or as the data of an object.';

/** The list of rows; null for JSON lines, of which one line is whole JSON, too. */
function listIn(path: string, json: unknown): readonly unknown[] | null {
  if (json === undefined) return null;
  if (Array.isArray(json)) return json;
  if (!isRow(json)) throw new UserError(`${path} holds no list of rows`, EXPECTED);
  const lists = Object.entries(json).filter(([, value]) => Array.isArray(value) && value.some(isRow));
  if (lists.length === 1) return lists[0][1] as unknown[];
  if (lists.length > 1)
    throw new UserError(
      `${path} holds several lists of rows (${lists.map(([name]) => name).join(', ')})`,
      'Write each into a file of its own: train.json, validation.json.',
    );
  const values = Object.values(json);
  if (values.length > 0 && values.every((value) => isRow(value) || Array.isArray(value)))
    throw new UserError(
      `${path} holds columns (${Object.keys(json).slice(0, 4).join(', ')}), expected rows`,
      "Write rows: pandas does with to_json(path, orient='records', lines=True), into a .jsonl file.",
    );
  return null;
}

function tableOf(path: string, list: readonly unknown[]): TableFile {
  async function* rows(): AsyncGenerator<FileRow> {
    for (const [i, value] of list.entries()) {
      const place = { place: `row ${i + 1}`, read: (i + 1) / list.length };
      yield isRow(value) ? { ...place, cells: value } : { ...place, problem: 'expected a JSON object' };
    }
  }
  return { path, rows, columns: () => columnsOf(path, rows(), 'row') };
}

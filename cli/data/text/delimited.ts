/**
 * CSV (RFC 4180: quotes, line breaks within them) and TSV (no quotes, as GLUE's files are written). The first line
 * names the columns.
 */
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { type CsvError, type InfoRecord, parse } from 'csv-parse';
import { messageOf, UserError } from '../../io/errors.ts';
import { openBytes } from './bytes.ts';
import { readLines } from './lines.ts';
import {
  decodeUtf8,
  MAX_ROW_BYTES,
  notUtf8,
  type RowContent,
  type RowPlace,
  type TableFile,
  TOO_LONG,
  unreadable,
} from './rows.ts';

/** A record's fields, still bytes; null where it is longer than a row may be. */
interface RawRecord extends RowPlace {
  readonly fields: readonly Uint8Array[] | null;
}

/**
 * A CSV file; semicolons, tabs or bars between its fields where its first line has no comma. Nothing is read before it
 * is asked for.
 */
export function csvFile(path: string): TableFile {
  return {
    ...delimitedFile(path, () => csvRecords(path)),
    async notices() {
      const name = SEPARATORS[await delimiterOf(path)];
      return name === undefined ? [] : [`The fields of ${basename(path)} are separated by ${name}.`];
    },
  };
}

/** A TSV file. Nothing is read before it is asked for. */
export function tsvFile(path: string): TableFile {
  return delimitedFile(
    path,
    () => tsvRecords(path),
    'TSV has no quotes and no line breaks within a field: where there are such, save it as CSV.',
  );
}

function delimitedFile(path: string, records: () => AsyncGenerator<RawRecord>, hint = ''): TableFile {
  return {
    path,
    async columns() {
      for await (const record of records()) return headerOf(path, record);
      throw new UserError(`${path} has no lines`, 'Expected a first line that names the columns.');
    },
    async *rows() {
      let header: readonly string[] | null = null;
      for await (const record of records()) {
        if (header === null) header = headerOf(path, record);
        else yield { place: record.place, read: record.read, ...cellsOf(record, header, hint) };
      }
    },
  };
}

const MAX_COLUMNS = 10_000;
const MAX_HEADER_BYTES = 1024 ** 2;

function headerOf(path: string, { fields }: RawRecord): readonly string[] {
  const names = (fields ?? []).map((field, i) => {
    const name = decodeUtf8(field)?.trim() ?? null;
    // As pandas' index: two without a name would be one.
    return name === '' ? `column_${i + 1}` : name;
  });
  if (fields === null || names.includes(null))
    throw new UserError(
      `${path}: the first line is ${fields === null ? TOO_LONG : notUtf8(fields)}`,
      'Expected the names of the columns.',
    );
  if (names.length > MAX_COLUMNS)
    throw new UserError(
      `${path}: ${names.length} columns, expected at most ${MAX_COLUMNS}`,
      'Keep those of the text and the label.',
    );
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new UserError(`${path}: two columns are named ${JSON.stringify(twice)}`, 'Rename one of them.');
  return names as string[];
}

function cellsOf({ fields }: RawRecord, header: readonly string[], hint: string): RowContent {
  if (fields === null) return { problem: TOO_LONG };
  if (fields.length !== header.length)
    return {
      problem: `expected ${header.length} fields, as the first line has, got ${fields.length}${hint && `. ${hint}`}`,
    };
  const texts = fields.map(decodeUtf8);
  const broken = texts.indexOf(null);
  if (broken >= 0) return { problem: `${header[broken]} is ${notUtf8([fields[broken]])}` };
  return { cells: Object.fromEntries(header.map((name, i) => [name, texts[i]])) };
}

async function* tsvRecords(path: string): AsyncGenerator<RawRecord> {
  const TAB = 0x09;
  for await (const { place, read, bytes } of readLines(path)) {
    const fields: Uint8Array[] = [];
    for (let begin = 0, end = 0; bytes !== null && end >= 0; begin = end + 1) {
      end = bytes.indexOf(TAB, begin);
      fields.push(bytes.subarray(begin, end < 0 ? bytes.length : end));
    }
    yield { place, read, fields: bytes === null ? null : fields };
  }
}

async function* csvRecords(path: string): AsyncGenerator<RawRecord> {
  const delimiter = await delimiterOf(path);
  const { chunks, share } = await openBytes(path);
  /** The last line of the records so far. */
  let done = 0;
  let doubled = 0;
  const source = Readable.from(chunks, { objectMode: false });
  // Fields stay bytes, so that broken UTF-8 is found rather than replaced.
  const parser = parse({
    info: true,
    delimiter,
    encoding: null,
    record_delimiter: ['\r\n', '\n', '\r'],
    max_record_size: MAX_ROW_BYTES,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
  });
  source.on('error', (error) => parser.destroy(error));
  try {
    for await (const { info, record } of source.pipe(parser) as AsyncIterable<{ info: InfoRecord; record: Buffer[] }>) {
      const lines = 1 + record.reduce((sum, field) => sum + count(field, '\n'), 0);
      // Within quotes csv-parse counts both halves of a Windows line end.
      doubled += record.reduce((sum, field) => sum + count(field, '\r\n'), 0);
      done = info.lines - doubled;
      yield { place: `line ${done - lines + 1}`, read: share(info.bytes), fields: record };
    }
  } catch (error) {
    throw csvError(path, error, done);
  } finally {
    source.destroy();
  }
}

function count(field: Buffer, part: string): number {
  let found = 0;
  for (let at = field.indexOf(part); at >= 0; at = field.indexOf(part, at + part.length)) found++;
  return found;
}

const SEPARATORS: Readonly<Record<string, string>> = { ';': 'semicolons', '\t': 'tabs', '|': 'bars' };

/**
 * What the first line has between its names, outside of quotes. Spreadsheets write semicolons where the comma is the
 * decimal mark.
 */
async function delimiterOf(path: string): Promise<string> {
  const line = (await firstLine(path)).replace(/"[^"]*"/g, '');
  if (line.includes(',')) return ',';
  const count = (mark: string): number => line.split(mark).length - 1;
  const [most] = Object.keys(SEPARATORS).sort((a, b) => count(b) - count(a));
  return count(most) > 0 ? most : ',';
}

/** Each byte as a character: separators are ASCII. */
async function firstLine(path: string): Promise<string> {
  let text = '';
  for await (const chunk of (await openBytes(path)).chunks) {
    text = (text + chunk.toString('latin1')).replace(/^[\r\n]+/, '');
    const end = text.search(/[\r\n]/);
    if ((end < 0 ? text.length : end) > MAX_HEADER_BYTES)
      throw new UserError(
        `${path}: the first line is longer than ${MAX_HEADER_BYTES / 1024 ** 2} MiB`,
        'Expected the names of the columns.',
      );
    if (end >= 0) return text.slice(0, end);
  }
  return text;
}

/** Beyond a quote that is open no row can be told from another, so there is no skipping it. */
function csvError(path: string, error: unknown, done: number): UserError {
  const { code } = error as Partial<CsvError>;
  switch (code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return new UserError(
        `${path}: a quote that opens after line ${done} is never closed`,
        'A quote within a field is written twice: "a ""word"" so".',
      );
    case 'CSV_MAX_RECORD_SIZE':
      return new UserError(`${path}: the record after line ${done} is ${TOO_LONG}`, 'Is a quote not closed?');
    default:
      return code?.startsWith('CSV_') ? new UserError(`${path}: ${messageOf(error)}`) : unreadable(path, error);
  }
}

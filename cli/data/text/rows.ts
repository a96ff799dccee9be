/** What every format of text data gives: rows one by one, so that a file may be larger than memory. */
import { stat } from 'node:fs/promises';
import { messageOf, UserError } from '../../io/errors.ts';
import { otherThanFile } from '../../io/files.ts';

/** One row of a file: its cells by column, or what is wrong with it. */
export type FileRow = RowPlace & RowContent;

/** The cells that a row has, by column and as the format gives them, or in words why it can't be used. */
export type RowContent = { readonly cells: Readonly<Record<string, unknown>> } | { readonly problem: string };

/** Where a row stands. */
export interface RowPlace {
  /** `line 7` of a text, `row 7` of a table without lines. */
  readonly place: string;
  /** How much of the file was read when this row was whole, from 0 to 1. */
  readonly read: number;
}

/**
 * A table in a file. Both calls may throw a UserError that names the file: a row that is wrong is a `problem`, a file
 * that can't be read is not.
 */
export interface TableFile {
  readonly path: string;
  /** In the file's order, at least one. */
  columns(): Promise<readonly string[]>;
  /** Rows that hold some or all of these columns. */
  rows(columns: readonly string[]): AsyncIterable<FileRow>;
  /** Its pictures, of a format that holds such. */
  readonly pictures?: PictureTable;
  /** What was guessed of how it is written, in sentences for the user. */
  notices?(): Promise<readonly string[]>;
  /** What a column's numbers stand for, where the file says it; null for most. */
  namesOf?(column: string): Promise<readonly string[] | null>;
}

/** A table that holds pictures: bytes, or { bytes, path } as Hugging Face datasets write them. */
export interface PictureTable {
  /** The columns that hold them. */
  columns(): Promise<readonly string[]>;
  /** Rows with these columns, whose bytes are left as they are. */
  rows(columns: readonly string[]): AsyncIterable<FileRow>;
}

/** The longest row, as it is written: what is longer is refused before it is all in memory. */
export const MAX_ROW_BYTES = 64 * 1024 ** 2;

/** What is wrong with a row above `MAX_ROW_BYTES`, as a `problem`. */
export const TOO_LONG = `longer than ${MAX_ROW_BYTES / 1024 ** 2} MiB`;

const strict = new TextDecoder('utf-8', { fatal: true });

/** Text of its bytes; null where they are no UTF-8. A byte order mark is left out. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

/** From 0x80 on, where Latin-1 has none; Node 20's decoder takes one for the other. */
const WINDOWS_1252 = '€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ';

/** What is wrong with bytes that are no UTF-8, with what the first of them would be in the usual other encoding. */
export function notUtf8(fields: readonly Uint8Array[]): string {
  const broken = fields.find((field) => decodeUtf8(field) === null) ?? new Uint8Array();
  const [valid] = new TextDecoder('utf-8', { ignoreBOM: true }).decode(broken).split('\ufffd');
  const byte = broken[Buffer.byteLength(valid)];
  if (byte === undefined) return 'no valid UTF-8';
  const hex = `byte 0x${byte.toString(16)}`;
  const character = byte < 0xa0 ? WINDOWS_1252[byte - 0x80] : String.fromCharCode(byte);
  if (character === ' ') return `no valid UTF-8 (${hex}): save the file as UTF-8`;
  const encoding = byte < 0xa0 ? 'Windows-1252' : 'Latin-1';
  return `no valid UTF-8 (${hex} is ${character} in ${encoding}: save the file as UTF-8)`;
}

/** The beginning of what a stranger wrote. */
export function short(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}

/** Bytes of a file. UserErrors say that it is empty, no file at all, or can't be read. */
export async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  const other = otherThanFile(found);
  if (other !== null) throw new UserError(`${path} is ${other}, expected a file`, 'Write what it gives into a file.');
  const { size } = found;
  if (size === 0) throw new UserError(`${path} is empty`, 'Expected rows with a text and a label.');
  return size;
}

/** What is thrown where a file can't be read: a UserError that names it, or the error itself where it is one. */
export function unreadable(path: string, error: unknown): UserError {
  return error instanceof UserError ? error : new UserError(`can't read ${path}: ${messageOf(error)}`);
}

/** Files of one picture or one text each, as rows. */
import { readFile, stat } from 'node:fs/promises';
import type { ModelInfo } from '../../runtime/http/classifier.ts';
import type { TextInput } from '../../runtime/http/text-input.ts';
import { PreprocessError } from '../../runtime/preprocess/error.ts';
import { servedBytes } from '../data/picture-source.ts';
import { wideEncoding } from '../data/text/bytes.ts';
import { decodeUtf8, MAX_ROW_BYTES, TOO_LONG } from '../data/text/rows.ts';
import { messageOf } from '../io/errors.ts';
import { otherThanFile } from '../io/files.ts';
import { type InputRow, type Loaded, NO_COLUMNS, type RowSource } from './row.ts';

/** The column that names the file. */
const FILE = 'file';

/**
 * `total` files, which `paths` gives anew each time and whose record is told by `name`. A file that can't be read is a
 * problem of its row.
 */
export function fileSource(
  name: string,
  paths: () => AsyncIterable<string>,
  total: number,
  task: ModelInfo['task'],
): RowSource {
  return {
    columns: [FILE],
    inputs: [{ path: name, bytes: null, files: total }],
    reads: NO_COLUMNS,
    async *rows() {
      let row = 0;
      for await (const path of paths()) yield await fileRow(path, Math.min(1, ++row / total), task);
    },
  };
}

async function fileRow(path: string, read: number, task: ModelInfo['task']): Promise<InputRow> {
  const { mark, bytes } = await markOf(path);
  return {
    place: path,
    cells: { [FILE]: path },
    identity: `${path}\0${mark}`,
    bytes,
    read,
    load: () => loadFile(path, task),
  };
}

/** What a file takes of memory, and by what it is known to be the one that it was, short of reading it. */
export interface FileMark {
  readonly bytes: number;
  readonly mark: string;
}

/** The mark of a file: its size and when it was changed. What can't be read says so when it is loaded. */
export async function markOf(path: string): Promise<FileMark> {
  return stat(path).then(
    ({ size, mtimeMs }) => ({ bytes: Math.min(size, MAX_ROW_BYTES), mark: `${size}\0${mtimeMs}` }),
    () => ({ bytes: 0, mark: '' }),
  );
}

/** The picture or the text of a file, or why it can't be read. */
export async function loadFile(path: string, task: ModelInfo['task']): Promise<Loaded> {
  try {
    const found = await stat(path);
    const other = otherThanFile(found);
    if (other !== null) return { problem: `can't be read: it is ${other}, expected a file` };
    if (found.size > MAX_ROW_BYTES) return { problem: TOO_LONG };
    const bytes = await readFile(path);
    return task === 'image-classification' ? await pictureOf(bytes) : textOfFile(bytes);
  } catch (error) {
    return { problem: `can't be read: ${messageOf(error)}` };
  }
}

/** A picture as what serves takes it, or why it is none. */
export async function pictureOf(bytes: Uint8Array): Promise<Loaded> {
  try {
    return { input: await servedBytes(bytes) };
  } catch (error) {
    if (error instanceof PreprocessError) return { problem: error.message };
    throw error;
  }
}

/** The text that a file holds. Editors end a file with a line break, which is no part of the text. */
export function textOfFile(bytes: Uint8Array): { readonly input: TextInput } | { readonly problem: string } {
  const encoding = wideEncoding(bytes);
  if (encoding !== null) return { problem: `no text in UTF-8, but in ${encoding}` };
  const text = decodeUtf8(bytes);
  if (text === null) return { problem: 'no text in UTF-8' };
  return bytes.includes(0) ? { problem: HOLDS_NUL } : { input: { text: text.replace(/\r?\n$/, ''), pair: null } };
}

/** What is wrong with a text that has a zero byte in it, as no text does. */
export const HOLDS_NUL = 'no text in UTF-8: it holds zero bytes';

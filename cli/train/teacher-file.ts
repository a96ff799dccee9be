/**
 * The file that keeps a teacher's outputs:
 *
 *   key        32 bytes: SHA-256 of what the file is of
 *   records    a sample each, in their order: block outputs (T, D) of one block after another, then logits (K); f32,
 *              little-endian, T without padding
 *   checksums  CRC-32 of each record, then of them all
 */
import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expectFree, readAt, writeAt } from '../io/disk.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { errorCode, writeError } from '../io/files.ts';
import { removeLeftovers, removeTemporary, temporaryName } from '../io/temporary.ts';

/** Another layout of the file: another number here. */
export const VERSION = 1;
const KEY_BYTES = 32;

/** What a teacher gives for each sample. */
export interface OutputShape {
  readonly blocks: number;
  readonly width: number;
  readonly outputs: number;
}

/** Where each record lies. */
export interface Layout extends OutputShape {
  /** Tokens by sample. */
  readonly lengths: Int32Array;
  /** Where records begin, in bytes; one more for their end. */
  readonly offsets: Float64Array;
  /** The file's size. */
  readonly end: number;
}

/** The records of samples with so many tokens. */
export function layoutOf(lengths: Int32Array, shape: OutputShape): Layout {
  const offsets = new Float64Array(lengths.length + 1);
  offsets[0] = KEY_BYTES;
  lengths.forEach((tokens, i) => {
    offsets[i + 1] = offsets[i] + 4 * (shape.blocks * tokens * shape.width + shape.outputs);
  });
  return { ...shape, lengths, offsets, end: offsets[lengths.length] + 4 * (lengths.length + 1) };
}

/** What is kept of one sample. */
export interface TeacherRecord {
  /** The sample's place. */
  readonly row: number;
  /** Block outputs, then logits. */
  readonly values: Float32Array;
}

/**
 * Writes a file of all records, which come in any order: whole or not there, whoever else writes it. UserError where it
 * can't be written; errors of the records' own stay what they are.
 */
export async function writeRecords(
  path: string,
  key: Buffer,
  layout: Layout,
  records: AsyncIterable<TeacherRecord>,
): Promise<void> {
  const [folder, temporary] = [dirname(path), temporaryName(basename(path))];
  try {
    await mkdir(folder, { recursive: true });
    await removeLeftovers(folder);
    await expectFree(folder, layout.end, 'what the teacher says of the samples', '--cache-teacher');
    await fill(join(folder, temporary), key, layout, records);
    await rename(join(folder, temporary), path);
  } catch (error) {
    throw errorCode(error) === '' || error instanceof UserError ? error : writeError(path, error);
  } finally {
    await removeTemporary(folder, temporary);
  }
}

async function fill(
  temporary: string,
  key: Buffer,
  { lengths: { length: count }, offsets }: Layout,
  records: AsyncIterable<TeacherRecord>,
): Promise<void> {
  const file = await open(temporary, 'wx');
  try {
    const checksums = Buffer.alloc(4 * (count + 1));
    await writeAt(file, key, 0);
    for await (const { row, values } of records) {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      checksums.writeUInt32LE(crc32(bytes), 4 * row);
      await writeAt(file, bytes, offsets[row]);
    }
    checksums.writeUInt32LE(crc32(checksums.subarray(0, 4 * count)), 4 * count);
    await writeAt(file, checksums, offsets[count]);
    // Without a flush the name could outlive a power cut that the content does not.
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A file whose records can be read. */
export interface TeacherRecords {
  /** Block outputs, then logits of a sample. UserError where they are not those that were written. */
  read(row: number): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Opens a file. UserError unless it is whole and of that key. Its size is compared before anything is read. */
export async function openRecords(
  path: string,
  key: Buffer,
  { lengths, offsets, end }: Layout,
): Promise<TeacherRecords> {
  const damaged = (why: string): UserError =>
    new UserError(`${path} is not what the teacher's outputs are kept in: ${why}`, 'Remove it: it is made again.');
  const found = await stat(path);
  if (!found.isFile()) throw damaged('it is no file');
  if (found.size !== end) throw damaged(`it has ${found.size} bytes, expected ${end}`);
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw new UserError(`can't read ${path}: ${messageOf(error)}`);
  });
  try {
    const checksums = await readAt(handle, offsets[lengths.length], 4 * (lengths.length + 1));
    if (!(await readAt(handle, 0, KEY_BYTES)).equals(key)) throw damaged('it is of another teacher, or other samples');
    const all = 4 * lengths.length;
    if (crc32(checksums.subarray(0, all)) !== checksums.readUInt32LE(all)) throw damaged('its checksums do not agree');
    return {
      read: (row) => readRecord(handle, path, row, offsets, checksums.readUInt32LE(4 * row)),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readRecord(
  handle: FileHandle,
  path: string,
  row: number,
  offsets: Float64Array,
  checksum: number,
): Promise<Float32Array> {
  const bytes = await readAt(handle, offsets[row], offsets[row + 1] - offsets[row]);
  if (crc32(bytes) !== checksum)
    throw new UserError(`${path} is damaged where it keeps sample ${row}`, 'Remove it: it is made again.');
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

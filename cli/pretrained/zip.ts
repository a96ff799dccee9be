/**
 * The entries of a zip file whose bytes lie in it as they are ("stored"), which is how PyTorch writes tensors: so one
 * can be read without the others. APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3 (zip64, which PyTorch always writes).
 */
import type { FileHandle } from 'node:fs/promises';
import { UserError } from '../io/errors.ts';
import { damagedFile, readBytes } from './tensor-file.ts';

/** An entry as the central directory has it. */
export interface ZipEntry {
  readonly name: string;
  readonly bytes: number;
  /** Where its local header begins. */
  readonly header: number;
}

const END = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT = 0xffff;
const END64_LOCATOR = 0x07064b50;
const END64_LOCATOR_BYTES = 20;
const END64 = 0x06064b50;
const END64_BYTES = 56;
const ENTRY = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const ENCRYPTED = 1;
/** In 32 bits: the number is in the zip64 record. */
const ELSEWHERE = 0xffff_ffff;
const ZIP64_FIELD = 1;
/** No model has as many tensors: 256 bytes of directory for each of a million. */
const MAX_DIRECTORY_BYTES = 1 << 28;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The entries of the zip file `file` of `size` bytes, by name. UserErrors name `path`. */
export async function readZipDirectory(
  file: FileHandle,
  size: number,
  path: string,
): Promise<ReadonlyMap<string, ZipEntry>> {
  const { offset, length } = await findDirectory(file, size, path);
  if (length > MAX_DIRECTORY_BYTES) throw damagedFile(path, `a directory of ${length} bytes`);
  if (offset + length > size)
    throw damagedFile(path, `expected a directory of ${length} bytes at ${offset}, the file has ${size}`);
  const bytes = await readBytes(file, offset, length);
  const view = viewOf(bytes);
  const entries = new Map<string, ZipEntry>();
  for (let at = 0; at < length; ) {
    if (at + ENTRY_BYTES > length || view.getUint32(at, true) !== ENTRY)
      throw damagedFile(path, `no entry at ${offset + at}`);
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const end = at + ENTRY_BYTES + nameBytes + extraBytes + commentBytes;
    if (end > length) throw damagedFile(path, `an entry that leaves the directory at ${offset + at}`);
    const nameEnd = at + ENTRY_BYTES + nameBytes;
    const name = new TextDecoder().decode(bytes.subarray(at + ENTRY_BYTES, nameEnd));
    if (view.getUint16(at + 8, true) & ENCRYPTED) throw new UserError(`${path}: ${name} is encrypted`);
    if (view.getUint16(at + 10, true) !== STORED)
      throw new UserError(
        `${path}: ${name} is compressed`,
        'PyTorch writes tensors as they are: save the model with torch.save again.',
      );
    const [bytes64, , header64] = wideNumbers(view, at, nameEnd, nameEnd + extraBytes);
    if (entries.has(name)) throw damagedFile(path, `two entries ${name}`);
    entries.set(name, { name, bytes: bytes64, header: header64 });
    at = end;
  }
  return entries;
}

/** Size, stored size and header's place of the entry at `at`; those that 32 bits don't hold are in its extra field. */
function wideNumbers(view: DataView, at: number, extra: number, extraEnd: number): number[] {
  let next = -1;
  for (let field = extra; field + 4 <= extraEnd; field += 4 + view.getUint16(field + 2, true))
    if (view.getUint16(field, true) === ZIP64_FIELD) next = field + 4;
  return [24, 20, 42].map((place) => {
    const number = view.getUint32(at + place, true);
    if (number !== ELSEWHERE || next < 0 || next + 8 > extraEnd) return number;
    next += 8;
    return Number(view.getBigUint64(next - 8, true));
  });
}

async function findDirectory(
  file: FileHandle,
  size: number,
  path: string,
): Promise<{ offset: number; length: number }> {
  const tail = await readBytes(
    file,
    Math.max(0, size - END_BYTES - MAX_COMMENT),
    Math.min(size, END_BYTES + MAX_COMMENT),
  );
  const view = viewOf(tail);
  let at = tail.length - END_BYTES;
  while (at >= 0 && view.getUint32(at, true) !== END) at--;
  if (at < 0) throw damagedFile(path, 'the end of a zip file is missing');
  const locator = at - END64_LOCATOR_BYTES;
  if (locator < 0 || view.getUint32(locator, true) !== END64_LOCATOR)
    return { length: view.getUint32(at + 12, true), offset: view.getUint32(at + 16, true) };
  const place = Number(view.getBigUint64(locator + 8, true));
  if (place + END64_BYTES > size)
    throw damagedFile(path, `expected the end of a zip file at ${place}, the file has ${size} bytes`);
  const end64 = viewOf(await readBytes(file, place, END64_BYTES));
  if (end64.getUint32(0, true) !== END64) throw damagedFile(path, `no end of a zip file at ${place}`);
  return { length: Number(end64.getBigUint64(40, true)), offset: Number(end64.getBigUint64(48, true)) };
}

/** Where the bytes of an entry begin. */
export async function entryStart(
  file: FileHandle,
  size: number,
  { name, header, bytes }: ZipEntry,
  path: string,
): Promise<number> {
  if (header + LOCAL_BYTES > size) throw damagedFile(path, `expected ${name} at ${header}, the file has ${size} bytes`);
  const local = viewOf(await readBytes(file, header, LOCAL_BYTES));
  if (local.getUint32(0, true) !== LOCAL) throw damagedFile(path, `no ${name} at ${header}`);
  const start = header + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
  if (start + bytes > size)
    throw damagedFile(path, `expected ${bytes} bytes of ${name} at ${start}, the file has ${size}`);
  return start;
}

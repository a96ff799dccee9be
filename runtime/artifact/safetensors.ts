/**
 * The safetensors format (https://github.com/huggingface/safetensors#format): 8 bytes with the header's length N as a
 * little-endian unsigned integer, N bytes of JSON that give each tensor's dtype, shape and place, then the tensors'
 * bytes, with no holes. This reader trusts nothing; what it returns has been checked against the file's size.
 */
import { ArtifactError, shown } from './errors.ts';
import { parseJsonObject } from './json.ts';
import { count, list, madeBy, mapOf, ofArtifact, oneOf, record, text } from './schema.ts';

/** Bytes of one element. */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
  C64: 8,
} as const;

/** The format's names of element types; little-endian, BOOL a byte each. */
export type Dtype = keyof typeof DTYPE_BYTES;

/** What is known of a tensor before its bytes. */
export interface TensorType {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** A tensor with its bytes, as many as dtype and shape say. */
export interface Tensor extends TensorType {
  /** Little-endian elements, row by row. A view of the file when it was read from one, at any alignment. */
  readonly data: Uint8Array;
}

/** Where a tensor lies: from `begin` to `end`, in bytes after `SafetensorsHeader.dataOffset`. */
export interface TensorEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A header that was checked against the file's size: tensors lie in it without holes and overlaps. */
export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Where the tensors' bytes begin in the file. */
  readonly dataOffset: number;
}

/** A whole file; metadata is what `__metadata__` holds, texts by name. */
export interface Safetensors {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

const LENGTH_BYTES = 8;
const MAX_HEADER_BYTES = 4 * 1024 * 1024;
const HEADER = 'the safetensors header';
const MAX_AXES = 32;
const METADATA = '__metadata__';

/**
 * How many bytes of a file to read before its header can be parsed, told from its first 8 bytes.
 * @throws ArtifactError when they are fewer, or announce a header over 4 MiB.
 */
export function safetensorsPrefixBytes(prefix: Uint8Array): number {
  expectBytes(LENGTH_BYTES, prefix.length);
  const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw new ArtifactError(
      'header',
      `no safetensors file: expected a header of at most ${MAX_HEADER_BYTES} bytes, got ${length}`,
    );
  }
  return LENGTH_BYTES + Number(length);
}

/**
 * Reads the header from the first bytes of a file (see `safetensorsPrefixBytes`) of `fileBytes` bytes in all.
 * @throws ArtifactError when the header is malformed or does not account for every byte of the file exactly once.
 */
export function parseSafetensorsHeader(prefix: Uint8Array, fileBytes: number = prefix.length): SafetensorsHeader {
  const dataOffset = safetensorsPrefixBytes(prefix);
  expectBytes(dataOffset, prefix.length);
  const { [METADATA]: metadata = {}, ...tensors } = parseJsonObject(
    decodeUtf8(HEADER, prefix.subarray(LENGTH_BYTES, dataOffset)),
    HEADER,
    'header',
  );
  const entries = new Map(Object.entries(tensors).map(([name, entry]) => [name, entryOf(name, entry)]));
  checkCoverage(entries, dataOffset, fileBytes);
  return { metadata: new Map(Object.entries(readMetadata(METADATA, metadata))), entries, dataOffset };
}

/**
 * Reads a whole file. The tensors' `data` are views of `bytes`, not copies.
 * @throws ArtifactError as `parseSafetensorsHeader`.
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  const { metadata, entries, dataOffset } = parseSafetensorsHeader(bytes);
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, begin, end }] of entries) {
    tensors.set(name, { dtype, shape, data: bytes.subarray(dataOffset + begin, dataOffset + end) });
  }
  return { metadata, tensors };
}

/**
 * Writes a file. Equal tensors and metadata give equal bytes, whatever order they come in: wide dtypes first, so that
 * every tensor is aligned to its element with no padding between, then by name. The data begins at a multiple of 8.
 * @throws ArtifactError when a name is reserved or a tensor's data does not have the length that its shape says.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array<ArrayBuffer> {
  for (const [name, { dtype, shape, data }] of tensors) checkBytes(name, dtype, shape, data.length);
  const { head, names, dataBytes } = layOut(tensors, metadata);
  return concatenate(
    head,
    names.map((name) => (tensors.get(name) as Tensor).data),
    dataBytes,
  );
}

/** How many bytes `writeSafetensors` would write of tensors of these types. */
export function safetensorsBytes(
  tensors: ReadonlyMap<string, TensorType>,
  metadata: ReadonlyMap<string, string> = new Map(),
): number {
  const { head, dataBytes } = layOut(tensors, metadata);
  return head.length + dataBytes;
}

/** The header, and the order of the tensors' bytes after it. */
function layOut(
  tensors: ReadonlyMap<string, TensorType>,
  metadata: ReadonlyMap<string, string>,
): { readonly head: Uint8Array; readonly names: readonly string[]; readonly dataBytes: number } {
  const ordered = [...tensors].sort(
    ([nameA, a], [nameB, b]) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (nameA < nameB ? -1 : 1),
  );
  const header: [string, unknown][] = [];
  if (metadata.size > 0)
    header.push([METADATA, Object.fromEntries([...metadata].sort(([a], [b]) => (a < b ? -1 : 1)))]);
  let end = 0;
  for (const [name, { dtype, shape }] of ordered) {
    if (name === METADATA)
      throw new ArtifactError('name', `a tensor can't be named ${METADATA}: the format reserves it`);
    header.push([name, { dtype, shape, data_offsets: [end, (end += DTYPE_BYTES[dtype] * elementCount(shape))] }]);
  }
  const json = `{${header.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
  return { head: encodeHeader(json), names: ordered.map(([name]) => name), dataBytes: end };
}

/** The number of elements that a shape holds, e.g. 1 for `[]`. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function encodeHeader(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const padded = Math.ceil(text.length / 8) * 8;
  const header = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(text, LENGTH_BYTES);
  return header;
}

function concatenate(head: Uint8Array, parts: readonly Uint8Array[], partBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(head.length + partBytes);
  bytes.set(head);
  let offset = head.length;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

const decodeUtf8 = ofArtifact(
  'header',
  madeBy((bytes: Uint8Array) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), 'UTF-8'),
);

const readMetadata = ofArtifact('header', mapOf(text));

const readEntry = ofArtifact(
  'header',
  record({
    dtype: ofArtifact('dtype', oneOf(...(Object.keys(DTYPE_BYTES) as Dtype[]))),
    shape: ofArtifact('shape', list(count, 0, MAX_AXES)),
    data_offsets: ofArtifact('offsets', list(count, 2, 2)),
  }),
);

function entryOf(name: string, json: unknown): TensorEntry {
  const {
    dtype,
    shape,
    data_offsets: [begin, end],
  } = readEntry(`tensor ${shown(name)}`, json);
  checkBytes(name, dtype, shape, end - begin);
  return { dtype, shape, begin, end };
}

/** Every byte of the data belongs to exactly one tensor: in order, each begins where the one before ends. */
function checkCoverage(entries: ReadonlyMap<string, TensorEntry>, dataOffset: number, fileBytes: number): void {
  let covered = 0;
  for (const [name, { begin, end }] of [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) {
      throw new ArtifactError('offsets', `tensor ${shown(name)}: expected it to begin at ${covered}, got ${begin}`);
    }
    covered = end;
  }
  const end = dataOffset + covered;
  expectBytes(end, fileBytes);
  if (fileBytes > end)
    throw new ArtifactError('offsets', `expected a safetensors file of ${end} bytes, got ${fileBytes}`);
}

function expectBytes(least: number, got: number): void {
  if (got < least)
    throw new ArtifactError('truncated', `expected a safetensors file of at least ${least} bytes, got ${got}`);
}

function checkBytes(name: string, dtype: Dtype, shape: readonly number[], bytes: number): void {
  const expected = shape.reduce(timesSize, DTYPE_BYTES[dtype]);
  if (bytes !== expected) {
    throw new ArtifactError(
      'shape',
      `tensor ${shown(name)}: expected ${expected} bytes for ${shown(shape)} of ${dtype}, got ${bytes}`,
    );
  }
}

/** A product that overflows is Infinity, and stays it even when the next size is 0. */
function timesSize(product: number, size: number): number {
  return Number.isSafeInteger(product * size) ? product * size : Infinity;
}

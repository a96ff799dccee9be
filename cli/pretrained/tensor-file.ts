/** Safetensors files on disk: tensors are read one at a time, straight into arrays of their own. */
import { type FileHandle, open } from 'node:fs/promises';
import { ArtifactError } from '../../runtime/artifact/errors.ts';
import {
  parseSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsPrefixBytes,
  type TensorEntry,
  writeSafetensors,
} from '../../runtime/artifact/safetensors.ts';
import { elementCount, type Shape } from '../graph/graph.ts';
import { messageOf, UserError } from '../io/errors.ts';
import { writeFileAtomic } from '../io/files.ts';

/** Tensors in float32, by name. */
export type Tensors = Map<string, Float32Array<ArrayBuffer>>;

/** A file of tensors, in whatever format. */
export interface TensorFile {
  readonly path: string;
  /** The shape of every tensor, by name. */
  readonly shapes: ReadonlyMap<string, Shape>;
  /**
   * Reads one tensor as float32, whatever its dtype. UserError names it when it isn't there or isn't a float tensor.
   */
  read(name: string): Promise<Float32Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** The shape of every tensor in these files, by name. */
export function shapesOf(files: readonly TensorFile[]): ReadonlyMap<string, Shape> {
  return new Map(files.flatMap(({ shapes }) => [...shapes]));
}

/** A file whose header says of every tensor where it lies. */
export interface SafetensorsFile extends TensorFile {
  readonly header: SafetensorsHeader;
}

/** Opens a safetensors file and checks its header against its size. */
export async function openTensorFile(path: string): Promise<SafetensorsFile> {
  const { file, size } = await openFile(path);
  try {
    const start = await readBytes(file, 0, Math.min(8, size));
    const prefix = await readBytes(file, 0, Math.min(safetensorsPrefixBytes(start), size));
    const header = parseSafetensorsHeader(prefix, size);
    return {
      path,
      header,
      shapes: new Map([...header.entries].map(([name, { shape }]) => [name, shape])),
      async read(name) {
        const entry = header.entries.get(name);
        if (!entry) throw new UserError(`tensor ${name} is missing in ${path}`);
        const bytes = await readBytes(file, header.dataOffset + entry.begin, entry.end - entry.begin);
        if (!isFloatDtype(entry.dtype))
          throw new UserError(`tensor ${name} in ${path}: expected F32, F16, BF16 or F64, got ${entry.dtype}`);
        return toFloat32(bytes, entry.dtype);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    if (error instanceof ArtifactError) throw damagedFile(path, error.message);
    throw error;
  }
}

/** The error for a file whose contents can't be right; `what` goes on after "is damaged:". */
export function damagedFile(path: string, what: string): UserError {
  return new UserError(`${path} is damaged: ${what}`, 'Fetch or make it again.');
}

/** Opens a file, and tells its bytes. UserError names what is no file. */
export async function openFile(path: string): Promise<{ readonly file: FileHandle; readonly size: number }> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new UserError(`can't read ${path}: ${messageOf(error)}`);
  });
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new UserError(`${path} is no file`);
    return { file, size: status.size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** `length` bytes from `position`, all of them. */
export async function readBytes(file: FileHandle, position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) throw new UserError('the file became shorter while it was read');
    done += bytesRead;
  }
  return bytes;
}

const FLOAT_DTYPES = ['F32', 'F16', 'BF16', 'F64'] as const;
/** Dtypes that are read as float32. */
export type FloatDtype = (typeof FLOAT_DTYPES)[number];

function isFloatDtype(dtype: TensorEntry['dtype']): dtype is FloatDtype {
  return (FLOAT_DTYPES as readonly string[]).includes(dtype);
}

/** Little-endian floats of any width as float32. */
export function toFloat32(bytes: Uint8Array<ArrayBuffer>, dtype: FloatDtype): Float32Array<ArrayBuffer> {
  switch (dtype) {
    case 'F32':
      return new Float32Array(bytes.buffer);
    case 'F16':
      return Float32Array.from(new Uint16Array(bytes.buffer), halfToFloat);
    case 'BF16': {
      const bits = Uint32Array.from(new Uint16Array(bytes.buffer), (half) => half << 16);
      return new Float32Array(bits.buffer);
    }
    case 'F64':
      return Float32Array.from(new Float64Array(bytes.buffer));
    default:
      return dtype satisfies never;
  }
}

/** IEEE 754 binary16: 1 sign bit, 5 of exponent (bias 15), 10 of fraction. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Writes float32 tensors as one safetensors file, whole or not at all. */
export async function saveTensors(
  path: string,
  tensors: Iterable<readonly [name: string, tensor: { readonly shape: Shape; readonly data: Float32Array }]>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const entries = new Map(
    [...tensors].map(([name, { shape, data }]) => [
      name,
      { dtype: 'F32' as const, shape, data: bytesOf(name, shape, data) },
    ]),
  );
  await writeFileAtomic(path, writeSafetensors(entries, new Map(Object.entries(metadata))));
}

function bytesOf(name: string, shape: Shape, data: Float32Array): Uint8Array {
  if (data.length !== elementCount(shape))
    throw new Error(`tensor ${name}: ${data.length} values for shape (${shape.join(', ')})`);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

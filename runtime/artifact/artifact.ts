/**
 * The artifact, `NAME.slim`: a safetensors file whose metadata holds a manifest. Reading checks everything (lengths,
 * offsets, dtypes, plan operands, memory, scales, the digest) before anything runs; what `readArtifact` returns can be
 * trusted.
 */
import { ArtifactError, shown } from './errors.ts';
import { canonicalJson, parseJsonObject } from './json.ts';
import { type Manifest, readManifest, writtenManifest } from './manifest.ts';
import { DEFAULT_LIMITS, type Limits } from './plan.ts';
import { checkPlan } from './plan-check.ts';
import {
  parseSafetensorsHeader,
  safetensorsBytes,
  type Tensor,
  type TensorEntry,
  type TensorType,
  writeSafetensors,
} from './safetensors.ts';
import { factorName, isQuantized, MAX_INT4_FACTOR, scaleName } from './steps.ts';

const MANIFEST_KEY = 'slim';

/** An artifact that was read and checked. Who has one need check nothing of it again. */
export interface Artifact {
  readonly manifest: Manifest;
  /** Where each tensor lies in `data`. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** All tensors' bytes, a view of the file. */
  readonly data: Uint8Array;
  /** Of the whole file. */
  readonly fileBytes: number;
}

/**
 * Reads and checks an artifact.
 * @throws ArtifactError saying what is wrong; its `code` tells the kind.
 */
export async function readArtifact(bytes: Uint8Array, limits: Limits = DEFAULT_LIMITS): Promise<Artifact> {
  const { metadata, entries, dataOffset } = parseSafetensorsHeader(bytes);
  // No Buffer, whose slices share their memory.
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset + dataOffset, bytes.length - dataOffset);
  // Takes as long as all the rest, beside it.
  const hashing = digestOf(data);
  hashing.catch(() => {});
  const text = metadata.get(MANIFEST_KEY);
  if (text === undefined) {
    throw new ArtifactError('manifest', `no ${MANIFEST_KEY} in the metadata: pack it first`);
  }
  const manifest = readManifest(parseJsonObject(text, 'the manifest', 'manifest'));
  checkInterface(manifest);
  checkPlan(manifest.plan, entries, data.length, limits);
  checkScales(entries, data);
  if ((await hashing) !== manifest.digest) throw new ArtifactError('digest', 'the tensors were changed after packing');
  return { manifest, entries, data, fileBytes: bytes.length };
}

/** Writes an artifact; the digest is made here. Equal tensors and manifests give equal bytes. */
export async function writeArtifact(
  tensors: ReadonlyMap<string, Tensor>,
  manifest: Omit<Manifest, 'digest'>,
): Promise<Uint8Array<ArrayBuffer>> {
  const bare = writeSafetensors(tensors);
  const digest = await digestOf(bare.subarray(parseSafetensorsHeader(bare).dataOffset));
  return writeSafetensors(tensors, metadataOf({ ...manifest, digest }));
}

/** How many bytes `writeArtifact` would write of tensors of these types. */
export function artifactBytes(tensors: ReadonlyMap<string, TensorType>, manifest: Omit<Manifest, 'digest'>): number {
  // All digests are as long.
  const digest = `sha256:${'0'.repeat(64)}`;
  return safetensorsBytes(tensors, metadataOf({ ...manifest, digest }));
}

function metadataOf(manifest: Manifest): ReadonlyMap<string, string> {
  return new Map([[MANIFEST_KEY, canonicalJson(writtenManifest(manifest))]]);
}

/** The plan's inputs and output must be what the task and the labels promise. */
function checkInterface({ task, plan: { inputs, output, tokens }, labels }: Manifest): void {
  const text = ['I32', [1, tokens]];
  const expected =
    task === 'image-classification' ? [null, ['pixels', 'F32', 4]] : [tokens, ['ids', ...text], ['types', ...text]];
  // Not every text model tells sentences apart by types.
  const wanted = JSON.stringify([[1, labels.length], ...expected.slice(0, 1 + inputs.length)]);
  const got = JSON.stringify([
    output.shape,
    tokens,
    ...inputs.map(({ name, dtype, shape }) => [name, dtype, dtype === 'F32' ? shape.length : shape]),
  ]);
  if (got !== wanted)
    throw new ArtifactError('plan', `plan: expected output, tokens and inputs ${wanted}, got ${got.slice(0, 99)}`);
}

/**
 * Every scale of an int8 or int4 tensor is a finite number of at least 0, and every factor of an int4 one's groups
 * makes an int8 of any four bits. Tensors that no step reads may be of any kind.
 */
function checkScales(entries: ReadonlyMap<string, TensorEntry>, data: Uint8Array): void {
  const check = (name: string, dtype: 'F32' | 'I8', expected: string, holds: (value: number) => boolean): void => {
    const entry = entries.get(name);
    if (entry?.dtype !== dtype) return;
    const bytes = data.slice(entry.begin, entry.end).buffer;
    const values: ArrayLike<number> = dtype === 'F32' ? new Float32Array(bytes) : new Int8Array(bytes);
    for (let i = 0; i < values.length; i++)
      if (!holds(values[i]))
        throw new ArtifactError('value', `${shown(name)}[${i}]: expected ${expected}, got ${values[i]}`);
  };
  for (const [name, { dtype }] of entries) {
    if (!isQuantized(dtype)) continue;
    check(scaleName(name), 'F32', 'a finite scale of at least 0', (scale) => scale >= 0 && scale < Infinity);
    if (dtype === 'U8')
      check(factorName(name), 'I8', `a factor of ±${MAX_INT4_FACTOR} at most`, (f) => Math.abs(f) <= MAX_INT4_FACTOR);
  }
}

async function digestOf(data: Uint8Array): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', data as BufferSource));
  return `sha256:${Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

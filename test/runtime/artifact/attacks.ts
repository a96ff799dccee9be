/**
 * Ways to spoil an artifact. Those on the manifest and on the tensors keep the digest valid, or they would all end
 * there.
 */
import fc, { type Arbitrary } from 'fast-check';
import { writeArtifact } from '../../../runtime/artifact/artifact.ts';
import type { Manifest } from '../../../runtime/artifact/manifest.ts';
import { type Dtype, readSafetensors, type Tensor, writeSafetensors } from '../../../runtime/artifact/safetensors.ts';
import { grow, type Json, type Mutation, mutate, mutateEverywhere } from './json-mutations.ts';

export interface Attack {
  readonly name: string;
  /** Its share of all runs. */
  readonly weight: number;
  /** Spoiled copies of an artifact. */
  readonly spoil: (artifact: Uint8Array) => Arbitrary<Promise<Uint8Array>>;
}

const LENGTH_BYTES = 8;

const mutation: Arbitrary<Mutation> = fc.record({ where: fc.nat(), how: fc.nat(), which: fc.nat() });
const someMutations = fc.oneof(
  { weight: 3, arbitrary: fc.array(mutation, { minLength: 1, maxLength: 1 }) },
  fc.array(mutation, { minLength: 2, maxLength: 5 }),
);

export const ATTACKS: readonly Attack[] = [
  {
    name: 'a truncation',
    weight: 1,
    spoil: (artifact) => fc.nat(artifact.length - 1).map(async (end) => artifact.slice(0, end)),
  },
  {
    name: 'bytes at the end',
    weight: 0.2,
    spoil: (artifact) => fc.uint8Array({ minLength: 1, maxLength: 100 }).map(async (more) => joined(artifact, more)),
  },
  { name: 'flipped bytes', weight: 2, spoil: flippedBytes },
  { name: 'a lying header length', weight: 0.5, spoil: lyingLength },
  { name: 'a changed header text', weight: 2, spoil: changedHeaderText },
  {
    name: 'a changed safetensors header',
    weight: 3,
    spoil: (artifact) => someMutations.map(async (mutations) => changedHeader(artifact, mutations)),
  },
  {
    name: 'a changed manifest',
    weight: 8,
    spoil: (artifact) =>
      someMutations.map((mutations) =>
        changedManifest(artifact, (manifest) => mutations.forEach((one) => mutate(manifest, one))),
      ),
  },
  {
    name: 'a changed plan',
    weight: 8,
    spoil: (artifact) =>
      someMutations.map((mutations) =>
        changedManifest(artifact, ({ plan }) => mutations.forEach((one) => mutate(plan, one))),
      ),
  },
  { name: 'a changed plan in a roomy arena', weight: 3, spoil: roomyArena },
  {
    name: 'a plan grown',
    weight: 1,
    spoil: (artifact) => mutation.map((one) => changedManifest(artifact, ({ plan }) => grow(plan, one))),
  },
  {
    name: 'a number changed everywhere',
    weight: 4,
    spoil: (artifact) => mutation.map((one) => changedManifest(artifact, ({ plan }) => mutateEverywhere([plan], one))),
  },
  { name: 'hostile values in tensors', weight: 2, spoil: hostileTensors },
  { name: 'tensors lost, renamed or reshaped', weight: 2, spoil: otherTensors },
];

/** Half of them in the header, where they matter most. */
function flippedBytes(artifact: Uint8Array): Arbitrary<Promise<Uint8Array>> {
  const at = fc.oneof(fc.nat(headerEnd(artifact) - 1), fc.nat(artifact.length - 1));
  return fc.array(fc.tuple(at, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 8 }).map(async (flips) => {
    const bytes = artifact.slice();
    for (const [place, bits] of flips) bytes[place] ^= bits;
    return bytes;
  });
}

function lyingLength(artifact: Uint8Array): Arbitrary<Promise<Uint8Array>> {
  const near = fc.integer({ min: -16, max: 16 }).map((by) => BigInt(headerEnd(artifact) - LENGTH_BYTES + by));
  return fc.oneof(near, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map(async (length) => {
    const bytes = artifact.slice();
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  });
}

/** The header with a piece of its text cut out, doubled or replaced; its length is told rightly. */
function changedHeaderText(artifact: Uint8Array): Arbitrary<Promise<Uint8Array>> {
  const end = headerEnd(artifact) - LENGTH_BYTES;
  const insert = fc.oneof(
    fc.constantFrom(
      '',
      '"',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '\\',
      '\\u0000',
      '-',
      '1e999',
      '{'.repeat(100_000),
      '[['.repeat(40),
    ),
    fc.string({ maxLength: 8 }),
  );
  return fc.tuple(fc.nat(end), fc.nat(40), fc.boolean(), insert).map(async ([at, length, twice, text]) => {
    const header = artifact.subarray(LENGTH_BYTES, LENGTH_BYTES + end);
    const piece = header.subarray(at, at + length);
    const replaced = twice ? joined(piece, piece) : new TextEncoder().encode(text);
    return withHeader(artifact, joined(joined(header.subarray(0, at), replaced), header.subarray(at + length)));
  });
}

function changedHeader(artifact: Uint8Array, mutations: readonly Mutation[]): Uint8Array {
  const header = JSON.parse(new TextDecoder().decode(artifact.subarray(LENGTH_BYTES, headerEnd(artifact)))) as Json;
  for (const one of mutations) mutate(header, one);
  return withHeader(artifact, new TextEncoder().encode(JSON.stringify(header)));
}

type LooseManifest = { plan: { [name: string]: Json } } & { [name: string]: Json };

async function changedManifest(artifact: Uint8Array, change: (manifest: LooseManifest) => void): Promise<Uint8Array> {
  const { tensors, metadata } = readSafetensors(artifact);
  const manifest = JSON.parse(metadata.get('slim')!) as LooseManifest;
  change(manifest);
  return writeSafetensors(tensors, new Map([['slim', JSON.stringify(manifest)]]));
}

/** With room in the arena, sizes may grow and offsets go anywhere. */
function roomyArena(artifact: Uint8Array): Arbitrary<Promise<Uint8Array>> {
  return fc.tuple(fc.integer({ min: 1, max: 26 }), someMutations).map(([bits, mutations]) =>
    changedManifest(artifact, ({ plan }) => {
      for (const one of mutations) mutate(plan, one);
      plan.arenaBytes = 2 ** bits;
    }),
  );
}

function hostileTensors(artifact: Uint8Array): Arbitrary<Promise<Uint8Array>> {
  const value = fc.constantFrom(NaN, Infinity, -Infinity, -1, 0, -0, 1e-45, 3e38, -3e38, 1e30);
  return fc.array(fc.tuple(fc.nat(), fc.nat(), value, fc.boolean()), { minLength: 1, maxLength: 4 }).map((changes) =>
    changedTensors(artifact, (tensors) => {
      const names = [...tensors.keys()];
      for (const [which, at, hostile, everywhere] of changes) {
        const name = names[which % names.length];
        tensors.set(name, withValue(tensors.get(name)!, at, hostile, everywhere));
      }
    }),
  );
}

function withValue({ dtype, shape, data }: Tensor, at: number, value: number, everywhere: boolean): Tensor {
  const copy = data.slice();
  const values = dtype === 'F32' ? new Float32Array(copy.buffer) : new Int8Array(copy.buffer);
  if (everywhere) values.fill(value);
  else values[at % values.length] = value;
  return { dtype, shape, data: copy };
}

function otherTensors(artifact: Uint8Array): Arbitrary<Promise<Uint8Array>> {
  return fc.array(mutation, { minLength: 1, maxLength: 3 }).map((changes) =>
    changedTensors(artifact, (tensors) => {
      for (const { where, how, which } of changes) changeTensor(tensors, [...tensors.keys()], where, how, which);
    }),
  );
}

/** Another dtype of the same number of bytes. */
const SAME_WIDTH: Partial<Record<Dtype, Dtype>> = { F32: 'I32', I32: 'F32', I8: 'U8', U8: 'I8' };

function changeTensor(
  tensors: Map<string, Tensor>,
  names: readonly string[],
  where: number,
  how: number,
  which: number,
): void {
  const [name, other] = [names[where % names.length], names[which % names.length]];
  const { dtype, shape, data } = tensors.get(name) ?? tensors.get(names[0])!;
  const changes = [
    () => tensors.delete(name),
    () => tensors.set(other, { dtype, shape, data }),
    () => tensors.set(`${name}2`, { dtype, shape, data }),
    () => tensors.set(name, { dtype, shape: [...shape].reverse(), data }),
    () => tensors.set(name, { dtype, shape: [...shape, 1], data }),
    () => tensors.set(name, { dtype: SAME_WIDTH[dtype] ?? dtype, shape, data }),
    () => tensors.set(name, { dtype, shape: [0, ...shape], data: data.slice(0, 0) }),
    () =>
      tensors.set(
        name,
        dtype === 'F32' ? { dtype: 'I8', shape: [data.length], data } : { dtype, shape: [data.length], data },
      ),
  ];
  if (tensors.size > 1) changes[how % changes.length]();
}

/** Written again with the digest of what the tensors are now. */
async function changedTensors(
  artifact: Uint8Array,
  change: (tensors: Map<string, Tensor>) => void,
): Promise<Uint8Array> {
  const { tensors, metadata } = readSafetensors(artifact);
  const changed = new Map(tensors);
  change(changed);
  return writeArtifact(changed, JSON.parse(metadata.get('slim')!) as Manifest);
}

function headerEnd(artifact: Uint8Array): number {
  return LENGTH_BYTES + Number(new DataView(artifact.buffer, artifact.byteOffset).getBigUint64(0, true));
}

function withHeader(artifact: Uint8Array, header: Uint8Array): Uint8Array {
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
  return joined(joined(length, header), artifact.subarray(headerEnd(artifact)));
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** C structs in memory of ours, laid out as a compiler lays them out: each field aligned to its own size. */
import koffi from 'koffi';
import { type FieldKind, type Layout, STRUCT_HEADER } from './api.ts';

const SIZES: Readonly<Record<FieldKind, number>> = { pointer: 8, size: 8, int64: 8, int32: 4, float: 4, bool: 1 };

/**
 * Zeros behind the last field that we know. A plugin that knows more fields finds them there, not set, and has room to
 * write them; one that knows fewer reads less.
 */
const RESERVED = 64;

interface Field {
  readonly kind: FieldKind;
  readonly offset: number;
}

interface Placed {
  readonly fields: ReadonlyMap<string, Field>;
  readonly size: number;
}

const placements = new WeakMap<Layout, Placed>();

function place(layout: Layout): Placed {
  const known = placements.get(layout);
  if (known) return known;
  const fields = new Map<string, Field>();
  let end = 0;
  for (const [name, kind] of Object.entries({ ...STRUCT_HEADER, ...layout })) {
    const offset = Math.ceil(end / SIZES[kind]) * SIZES[kind];
    fields.set(name, { kind, offset });
    end = offset + SIZES[kind];
  }
  const placed = { fields, size: Math.ceil(end / 8) * 8 };
  placements.set(layout, placed);
  return placed;
}

/** The bytes of a struct as the header declares it, padding included. */
export function sizeOf(layout: Layout): number {
  return place(layout).size;
}

/** Memory of ours, with whatever it points to. */
export interface Memory {
  readonly bytes: ArrayBufferView;
}

/**
 * What a field takes. A pointer is an address, or memory of ours, which then lives as long as the struct; a list becomes
 * a list of pointers.
 */
export type Value = number | bigint | boolean | ArrayBufferView | Memory | readonly Value[] | null;

/** One struct. `struct_size` is filled in; every other field begins as zeros. */
export class Struct<L extends Layout> implements Memory {
  readonly bytes: Buffer;
  private readonly placed: Placed;
  private readonly referenced: unknown[] = [];

  /** @param bytes where it lies in an array of structs; memory of its own, with reserve, unless given */
  constructor(layout: L, values: { readonly [K in keyof L]?: Value } = {}, bytes?: Buffer) {
    this.placed = place(layout);
    this.bytes = bytes ?? Buffer.alloc(this.placed.size + RESERVED);
    this.bytes.writeBigUInt64LE(BigInt(this.bytes.length), 0);
    for (const [name, value] of Object.entries(values)) if (value !== undefined) this.set(name, value as Value);
  }

  /** An address, or 0n. */
  pointer(name: keyof L & string): bigint {
    return this.bytes.readBigUInt64LE(this.field(name).offset);
  }

  number(name: keyof L & string): number {
    const { kind, offset } = this.field(name);
    if (kind === 'int32') return this.bytes.readInt32LE(offset);
    if (kind === 'bool') return this.bytes.readUInt8(offset);
    if (kind === 'float') return this.bytes.readFloatLE(offset);
    return Number(this.bytes.readBigInt64LE(offset));
  }

  private set(name: string, value: Value): void {
    const { kind, offset } = this.field(name);
    if (kind === 'int32') this.bytes.writeInt32LE(Number(value), offset);
    else if (kind === 'bool') this.bytes.writeUInt8(Number(value), offset);
    else if (kind === 'float') this.bytes.writeFloatLE(Number(value), offset);
    else if (kind === 'pointer') this.bytes.writeBigUInt64LE(this.addressOf(value), offset);
    else this.bytes.writeBigInt64LE(BigInt(value as number | bigint), offset);
  }

  private addressOf(value: Value): bigint {
    if (value === null) return 0n;
    if (typeof value === 'bigint') return value;
    if (typeof value !== 'object') throw new Error(`a pointer can't be ${value}`);
    const memory = isList(value) ? BigUint64Array.from(value, (item) => this.addressOf(item)) : value;
    this.referenced.push(memory);
    // Asking for its address makes V8 move a small array out of its heap, after which it stays in place.
    return koffi.address('bytes' in memory ? memory.bytes : memory);
  }

  private field(name: string): Field {
    const field = this.placed.fields.get(name);
    if (!field) throw new Error(`no field ${name} in ${[...this.placed.fields.keys()].join(', ')}`);
    return field;
  }
}

function isList(value: object): value is readonly Value[] {
  return Array.isArray(value);
}

/** Structs one after another, as a C array of them lies. */
export function structArray<L extends Layout>(
  layout: L,
  items: readonly { readonly [K in keyof L]?: Value }[],
): Memory & { readonly structs: readonly Struct<L>[] } {
  const size = sizeOf(layout);
  const bytes = Buffer.alloc(size * items.length);
  const structs = items.map((values, i) => new Struct(layout, values, bytes.subarray(size * i, size * (i + 1))));
  return { bytes, structs };
}

/** A copy of such an array in foreign memory. */
export function readStructs<L extends Layout>(layout: L, address: bigint, count: number): Struct<L>[] {
  const size = sizeOf(layout);
  const bytes = Buffer.from(readBytes(address, size * count).buffer);
  return Array.from({ length: count }, (_, i) => new Struct(layout, {}, bytes.subarray(size * i, size * (i + 1))));
}

/** The addresses in foreign memory of `count` pointers. */
export function readPointers(address: bigint, count: number): bigint[] {
  return count === 0 ? [] : [...new BigUint64Array(readBytes(address, 8 * count).buffer)];
}

/** A copy of foreign memory. */
export function readBytes(address: bigint, size: number): Uint8Array<ArrayBuffer> {
  return size === 0 ? new Uint8Array() : new Uint8Array(koffi.view(address, size)).slice();
}

/** Foreign memory as a text of UTF-8. */
export function readText(address: bigint, size: number): string {
  return new TextDecoder().decode(readBytes(address, size));
}

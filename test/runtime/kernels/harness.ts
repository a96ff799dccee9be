/**
 * What the tests of the kernels share: a memory in which operands are placed and watched, cases that run on any
 * implementation, and values that are hard. Nothing here needs a test runner: other hosts run the cases too
 * (builds-program.ts).
 */
import { createHash } from 'node:crypto';
import { packWeight } from '../../../cli/compress/packed-weights.ts';
import { f32Tensor, i8Tensor } from '../../../cli/compress/stored-tensors.ts';
import type { Activation, Plan, Step } from '../../../runtime/artifact/plan.ts';
import { memoryLayout } from '../../../runtime/artifact/plan-memory.ts';
import { ACTIVATIONS, alignUp, isActivation, type StepOp } from '../../../runtime/artifact/steps.ts';
import { instantiateKernels, type Kernels } from '../../../runtime/kernels/kernels.ts';
import { referenceKernels } from '../../../runtime/kernels/reference.ts';
import { random } from '../../../runtime/random.ts';

/** Around the widths of a register (4 floats, 16 bytes) and of a panel; a ViT's number of tokens. */
export const SMALL_SIZES: readonly number[] = [1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 197];

/** ViT-B's and BERT's widths too. */
export const SIZES: readonly number[] = [...SMALL_SIZES, 768, 3072];

/** Whole blocks of rows, parts of one, and both. */
export const ROWS: readonly number[] = [1, 2, 3, 4, 5, 197];

/** One call, or a few, with all that they wrote. */
export interface KernelCase {
  readonly kernel: keyof Kernels;
  readonly name: string;
  /** Places the operands and runs. Called on several sides, which must see the same. */
  readonly run: (side: Side) => Outputs;
}

export interface Outputs {
  /** Integers, and floats that every implementation computes alike: the same bits. */
  readonly exact?: readonly (Uint8Array | Float32Array)[];
  /** Floats, to 1e-5 of the largest of them and `absolute`. */
  readonly close?: readonly Float32Array[];
  readonly absolute?: number;
  /** Rows that hold exactly what the reference makes of `of` (…, columns). */
  readonly quantized?: readonly { readonly rows: Uint8Array; readonly of: Float32Array; readonly columns: number }[];
  /** Nothing but NaN. */
  readonly nan?: readonly Float32Array[];
}

/** Tells outputs apart that differ in a bit; of NaNs, only where they are. */
export function digestOf({ exact = [], close = [], quantized = [], nan = [] }: Outputs): string {
  const hash = createHash('sha1');
  for (const values of [...exact, ...close, ...quantized.map(({ rows }) => rows)]) {
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  for (const values of nan) hash.update(Uint8Array.from(values, (v) => Number(Number.isNaN(v))));
  return hash.digest('base64');
}

const PAGES = 96;
const BYTES = PAGES * 65536;
/** The kernels' constants lie below. */
const FIRST = 1024;
/** What no kernel should touch, after every operand. */
const GAP = 64;
/** NaN where it is read as f32, -1 as an integer: a kernel that reads what it should not gives itself away. */
const PATTERN = 0xff;

/**
 * An implementation on a memory of its own. Operands lie in the order in which they are asked for, each 16 bytes
 * aligned.
 */
export class Side {
  readonly memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  readonly kernels: Kernels;
  readonly #bytes = new Uint8Array(this.memory.buffer);
  /** What the memory should hold outside of what kernels may write. */
  readonly #image = new Uint8Array(BYTES);
  #writable: Uint8Array[] = [];
  #next = FIRST;

  constructor(implementation: (memory: WebAssembly.Memory) => Kernels) {
    this.kernels = implementation(this.memory);
    this.#bytes.fill(PATTERN, FIRST);
    this.#image.set(this.#bytes);
  }

  /** Runs a case on a clean memory. @throws Error where a kernel wrote outside of its outputs and its scratch. */
  run({ kernel, name, run }: KernelCase): Outputs {
    this.#bytes.fill(PATTERN, FIRST, this.#next);
    this.#image.fill(PATTERN, FIRST, this.#next);
    this.#writable = [];
    this.#next = FIRST;
    const outputs = run(this);
    for (const { byteOffset, byteLength } of this.#writable)
      this.#image.set(this.#bytes.subarray(byteOffset, byteOffset + byteLength), byteOffset);
    const end = Math.min(this.#next + 65536, BYTES);
    if (Buffer.compare(this.#bytes.subarray(0, end), this.#image.subarray(0, end)) !== 0) {
      const at = this.#bytes.findIndex((byte, i) => byte !== this.#image[i]);
      throw new Error(
        `${kernel}, ${name}: wrote at ${at}, outside of its outputs and scratch; the operands end at ${this.#next}`,
      );
    }
    return outputs;
  }

  /** The address of an operand that kernels only read. */
  put(values: Float32Array | Int32Array | Int8Array | Uint8Array): number {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const at = this.#allocate(bytes.length);
    this.#bytes.set(bytes, at);
    this.#image.set(bytes, at);
    return at;
  }

  floats(count: number): Float32Array {
    return new Float32Array(this.memory.buffer, this.#allocateWritable(4 * count), count);
  }

  bytes(count: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, this.#allocateWritable(count), count);
  }

  /** Scratch of the size that the plan's memory gives to such a step. */
  scratch<Op extends StepOp>(op: Op, sizes: Partial<Step<Op>>): number {
    const step = { op, ...sizes } as unknown as Step;
    const plan: Plan = { arenaBytes: 0, tokens: null, inputs: [], output: { offset: 0, shape: [] }, steps: [step] };
    const { scratch, bytes } = memoryLayout(0, plan, new Map());
    return this.#allocateWritable(bytes - scratch);
  }

  #allocateWritable(bytes: number): number {
    const at = this.#allocate(bytes);
    this.#writable.push(new Uint8Array(this.memory.buffer, at, bytes));
    return at;
  }

  #allocate(bytes: number): number {
    const at = this.#next;
    this.#next = alignUp(at + bytes) + GAP;
    if (this.#next > BYTES) throw new RangeError(`operands of ${this.#next} bytes, the memory has ${BYTES}`);
    return at;
  }
}

export function referenceSide(): Side {
  return new Side(referenceKernels);
}

export function compiledSide(module: WebAssembly.Module): Side {
  return new Side((memory) => instantiateKernels(module, memory));
}

export function activationIndex(activation: Activation): number {
  return ACTIVATIONS.indexOf(activation);
}

/** How far the kernels' activations are from the true ones: GELU by a quotient of polynomials, tanh by 2^x. */
export const ACTIVATION_ERROR: Readonly<Record<Activation, number>> = {
  none: 0,
  gelu: 3.1e-6,
  tanh: 3e-7,
  relu: 0,
  sigmoid: 2e-7,
  silu: 2e-6,
  quickGelu: 2e-6,
  geluTanh: 2e-6,
  mish: 2e-6,
  relu6: 0,
  reluSquared: 1e-5,
  leakyRelu: 1e-8,
  hardSwish: 1e-6,
};

/** Every activation that is a kernel of its own. */
export const ACTIVATION_KERNELS = ACTIVATIONS.filter(isActivation);

export function packedF32(weight: Float32Array, outputs: number, inputs: number): Uint8Array {
  return packWeight(f32Tensor(weight, [outputs, inputs])).data;
}

export function packedI8(weight: Int8Array, outputs: number, inputs: number): Uint8Array {
  return packWeight(i8Tensor(weight, [outputs, inputs])).data;
}

export function normals(count: number, ...seeds: readonly number[]): Float32Array {
  const source = random(...seeds);
  return Float32Array.from({ length: count }, () => source.normal());
}

/** Integers from `least` to `most`. */
export function integers(count: number, least: number, most: number, ...seeds: readonly number[]): Int32Array {
  const source = random(...seeds);
  return Int32Array.from({ length: count }, () => least + source.below(most - least + 1));
}

/** Values that are hard to scale, round or add up. */
export const EXTREMES: Readonly<Record<string, (count: number) => Float32Array>> = {
  zeros: (count) => new Float32Array(count),
  'one huge outlier': (count) => normals(count, 8).map((v, i) => (i === count >> 1 ? 1e30 : v)),
  'all negative': (count) => normals(count, 9).map((v) => -1 - Math.abs(v)),
  'all equal': (count) => new Float32Array(count).fill(3.25),
  denormals: (count) => normals(count, 10).map((v) => v * 1e-41),
  'halves between steps': (count) => Float32Array.from({ length: count }, (_, i) => (i === 0 ? 127 : (i % 127) + 0.5)),
};

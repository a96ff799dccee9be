/**
 * What runs a graph. Three implementations, ./onnx, ./xla and ./tfjs, are each other's oracle: one contract suite holds
 * all.
 */
import type { DType, Graph, Shape } from '../graph/graph.ts';
import type { Precision } from './precision.ts';

/** What --engine takes. */
export const ENGINES = ['onnx', 'xla', 'tfjs'] as const;
/** One of them. */
export type EngineName = (typeof ENGINES)[number];

/** A Float32Array for f32, an Int32Array for i32, a Uint8Array for u8. */
export type HostValues = Float32Array | Int32Array | Uint8Array;

/**
 * Values in JavaScript, row by row, as long as the shape says. An engine may keep the array that it is given: don't
 * write to it afterwards.
 */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: HostValues;
}

/**
 * A tensor where the engine computes. Weights are uploaded once and given to every program by reference, and what one
 * run returns goes into the next without a copy: so there is one copy of each weight, whatever the number of programs.
 */
export interface DeviceTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  /** The values on the host. The array may be the engine's own: read it, don't write it. */
  read(): Promise<HostValues>;
  dispose(): void;
}

/** By the names of the graph's `input` nodes. */
export type Inputs = Readonly<Record<string, DeviceTensor>>;
/** By the names of the graph's outputs. */
export type Outputs = Readonly<Record<string, DeviceTensor>>;

/** A compiled graph. */
export interface Program {
  /** Runs with every named input of the graph; more are allowed and ignored. The caller disposes of the outputs. */
  run(inputs: Inputs): Promise<Outputs>;
  dispose(): Promise<void>;
}

/** What is known of a tensor that is uploaded. */
export interface UploadOptions {
  /**
   * Whether its first axis counts the samples of a batch, which devices may share. Programs that take it are told so
   * too: `CompileOptions.batched`.
   */
  readonly batched?: boolean;
}

/** What is known of how a program will be used. */
export interface CompileOptions {
  /**
   * Inputs that never change: the engine keeps its own copy, arranged for its kernels, and `run` no longer takes them.
   */
  readonly constants?: Readonly<Record<string, HostTensor>>;
  /**
   * Whether the program is one of several that take turns, as those for texts of several lengths: it then gives its
   * working memory back after each run. Measured on a BERT of 128 × 2 with 9 lengths up to 256 tokens: 0.6 GB instead
   * of 3.6, for 7 % more processor time.
   */
  readonly takesTurns?: boolean;
  /**
   * Inputs whose memory an output of the same shape may take over, input → output: a state that is updated in place. A
   * run leaves nothing in such an input, and all that may be done with it is to dispose of it. Engines may copy instead.
   */
  readonly donated?: Readonly<Record<string, string>>;
  /**
   * Inputs whose first axis counts the samples of a batch: an engine of several devices gives a part of them to each,
   * where they can be cut evenly. Outputs are whole, whatever computes them.
   */
  readonly batched?: readonly string[];
}

/** A device's memory, in bytes; null where it is not told. */
export interface MemoryUse {
  readonly usedBytes: number;
  /** The most that was used at one time. */
  readonly peakBytes: number | null;
  /** What may be used. */
  readonly limitBytes: number | null;
}

/** Where graphs run. Programs and tensors are its own: no other engine takes them. */
export interface Engine {
  readonly name: EngineName;
  /** What products of matrices take. */
  readonly precision: Precision;
  /** Of what its kernels take a multiple of tokens, where that matters: a step pads pictures to it. */
  readonly tokenMultiple?: number;
  /** How many devices share a batch that is a multiple of it; one unless told. */
  readonly deviceCount?: number;
  /** What computes, for people: `onnxruntime 1.30.0 (cpu, 2 threads)`. */
  readonly description: string;
  upload(tensor: HostTensor, options?: UploadOptions): DeviceTensor;
  compile(graph: Graph, options?: CompileOptions): Promise<Program>;
  /** Of an engine whose device has memory of its own, and tells of it; null where it doesn't. */
  memoryUse?(): MemoryUse | null;
  dispose(): Promise<void>;
}

/**
 * What an engine can't do with a graph or with what it was given: an input that is missing, an operation that it can't
 * spell, a backend that does not start.
 */
export class EngineError extends Error {
  override readonly name: string = 'EngineError';
}

/** The device has no room for a tensor or a run. */
export class OutOfMemoryError extends EngineError {
  override readonly name = 'OutOfMemoryError';
  /** What was wanted: of a run, all that it holds at one time. Null where the engine can't tell. */
  readonly neededBytes: number | null;

  constructor(message: string, neededBytes: number | null) {
    super(message);
    this.neededBytes = neededBytes;
  }
}

/** An f32 tensor of these values, which are not copied. */
export function floats(data: Float32Array, shape: Shape): HostTensor {
  return { dtype: 'f32', shape, data };
}

/** An i32 tensor of these values, which are not copied. */
export function integers(data: Int32Array, shape: Shape): HostTensor {
  return { dtype: 'i32', shape, data };
}

/** A u8 tensor of these values, which are not copied. */
export function bytes(data: Uint8Array, shape: Shape): HostTensor {
  return { dtype: 'u8', shape, data };
}

/** Part `index` of `parts` equal ones along the first axis, which has a multiple of that many. No copy. */
export function partOf({ dtype, shape, data }: HostTensor, index: number, parts: number): HostTensor {
  const size = data.length / parts;
  return {
    dtype,
    shape: [shape[0] / parts, ...shape.slice(1)],
    data: data.subarray(index * size, (index + 1) * size),
  };
}

/** Uploads, runs, reads and disposes: for tests and for graphs that run once. */
export async function evaluate(
  engine: Engine,
  graph: Graph,
  inputs: Readonly<Record<string, HostTensor>>,
): Promise<Record<string, HostTensor>> {
  const uploaded = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, engine.upload(tensor)]));
  const program = await engine.compile(graph);
  try {
    const outputs = await program.run(uploaded);
    const read: Record<string, HostTensor> = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      const data = await tensor.read();
      read[name] = { dtype: tensor.dtype, shape: tensor.shape, data: data.slice() };
      tensor.dispose();
    }
    return read;
  } finally {
    for (const tensor of Object.values(uploaded)) tensor.dispose();
    await program.dispose();
  }
}

/** What an operation needs of a target to spell itself there. The engines implement these. */
import type * as tfjs from '@tensorflow/tfjs';

/** tfjs as its one namespace; a backend is chosen by the engine. */
export type Tfjs = typeof tfjs;
/** A value while tfjs computes a graph. */
export type TfjsTensor = tfjs.Tensor;

/** A float attribute is told apart from an integer by this tag: in ONNX 1.0 and 1 are different types. */
export interface OnnxFloat {
  readonly float: number;
}
/** The values of an ONNX attribute that operations write: an integer unless tagged, integers, a float or a string. */
export type OnnxAttribute = number | readonly number[] | OnnxFloat | string;

/** Where an operation writes itself as ONNX nodes; values are told by their names. */
export interface OnnxWriter {
  /**
   * Adds a node with one output and returns the output's name. Operators of another domain carry it:
   * `com.microsoft.MultiHeadAttention`.
   */
  node(operator: string, inputs: readonly string[], attributes?: Readonly<Record<string, OnnxAttribute>>): string;
  /** Adds a node with several outputs. */
  nodes(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    outputs: number,
  ): readonly string[];
  /** What `make` wrote, written once for each key: for values that two operations take from one node. */
  once(key: string, make: () => readonly string[]): readonly string[];
  /** An initializer of float32. */
  floats(values: Float32Array, shape: readonly number[]): string;
  /** An initializer of int8. */
  bytes(values: Int8Array, shape: readonly number[]): string;
  /** An initializer of int64, one axis: shapes, axes, offsets. */
  integers(values: readonly number[]): string;
  float(value: number): OnnxFloat;
}

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
  /** The version of ONNX's own operator set that is written. */
  readonly opset: number;
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
  /** Integers (int64), one axis: axes, offsets, sizes. */
  integers(values: readonly number[]): string;
  /** The same as the shape of a Reshape, which may infer one of its sizes. */
  shape(sizes: readonly number[]): string;
  float(value: number): OnnxFloat;
}

/** What a value of a StableHLO function may be made of; `bf16` and `i1` stand between a graph's own values only. */
export type HloType = 'f32' | 'i32' | 'u8' | 'bf16' | 'i1';

/** The type of a value of a StableHLO function. */
export interface HloTensorType {
  readonly dtype: HloType;
  readonly shape: readonly number[];
}

/** A value of a StableHLO function. */
export interface HloValue extends HloTensorType {
  readonly name: string;
}

/** An attribute: an integer, a list of them, or text of MLIR. */
export type HloAttribute = number | readonly number[] | string;

/** How a reduction or a scatter joins two values. */
export type HloCombiner = 'stablehlo.add' | 'stablehlo.maximum' | 'stablehlo.minimum';

/** Writes operations into a StableHLO function. */
export interface StableHloWriter {
  /**
   * Adds an operation of one result, as MLIR's generic form spells it: `stablehlo.reshape`. Attributes and their names:
   * openxla/stablehlo, docs/spec.md.
   */
  op(
    operation: string,
    operands: readonly HloValue[],
    result: HloTensorType,
    attributes?: Readonly<Record<string, HloAttribute>>,
    combiner?: HloCombiner,
  ): HloValue;
  /** An operation element by element, of operands whose shapes broadcast. */
  elementwise(operation: string, ...operands: readonly HloValue[]): HloValue;
  constant(values: Float32Array, shape: readonly number[]): HloValue;
  scalar(value: number): HloValue;
  broadcast(x: HloValue, shape: readonly number[]): HloValue;
  convert(x: HloValue, dtype: HloType): HloValue;
  /** Each of `axes` is kept, with size 1. */
  reduce(combiner: HloCombiner, x: HloValue, axes: readonly number[]): HloValue;
  /**
   * A product over one axis of each operand, in the engine's precision. The first `batched` axes are the operands' in
   * common; the result has these, then what is left of a, then of b. `sums` says that the product adds up what the
   * batch's rows give, as for a gradient of weights: it then keeps all bits also where products are of bf16.
   */
  product(
    a: HloValue,
    b: HloValue,
    axes: { readonly a: number; readonly b: number; readonly batched?: number; readonly sums?: boolean },
  ): HloValue;
  /**
   * A product of two matrices, and a bias (N) for each of its rows. In bf16 a thin a is given a column of ones, and b the
   * bias as one of bf16, so that it costs no pass over the result.
   */
  productPlus(a: HloValue, b: HloValue, bias: HloValue, axes: { readonly a: number; readonly b: number }): HloValue;
}

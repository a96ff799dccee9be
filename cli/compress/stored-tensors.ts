/**
 * Tensors as they are stored: the bytes of a safetensors file, which quantizing and packing turn into those of another.
 */

import type { Tensor, TensorType } from '../../runtime/artifact/safetensors.ts';
import { elementCount, type Node, topological } from '../graph/graph.ts';
import { inputName } from '../graph/ops/leaf.ts';

/** By name, in the order in which they are to be stored. */
export type StoredTensors = ReadonlyMap<string, Tensor>;

/** What is known of stored tensors without their values. */
export type StoredTypes = ReadonlyMap<string, TensorType>;

/**
 * The tensors that the graph of `logits` uses, with the shapes that it gives them, out of float values by name.
 * @throws RangeError naming a tensor whose number of values does not fit its shape.
 */
export function storedTensors(logits: Node, values: ReadonlyMap<string, Float32Array>): Map<string, Tensor> {
  const stored = new Map<string, Tensor>();
  for (const node of topological([logits])) {
    const name = inputName(node);
    const data = name === null ? undefined : values.get(name);
    if (name === null || data === undefined) continue;
    if (data.length !== elementCount(node.shape)) {
      throw new RangeError(
        `tensor ${name}: expected ${elementCount(node.shape)} values for shape [${node.shape}], got ${data.length}`,
      );
    }
    stored.set(name, f32Tensor(data, node.shape));
  }
  return stored;
}

/** Values as a stored tensor, which is a view of the array and not a copy. */
export function f32Tensor(values: Float32Array, shape: readonly number[]): Tensor {
  return { dtype: 'F32', shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

/** Values as a stored tensor, which is a view of the array and not a copy. */
export function i8Tensor(values: Int8Array, shape: readonly number[]): Tensor {
  return { dtype: 'I8', shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

/** Bytes as a stored tensor, which is a view of the array and not a copy. */
export function u8Tensor(data: Uint8Array, shape: readonly number[]): Tensor {
  return { dtype: 'U8', shape, data };
}

/** In what the weights among these tensors are stored. */
export function precisionOf(tensors: StoredTypes): 'int4' | 'int8' | 'f32' {
  const dtypes = new Set([...tensors.values()].map(({ dtype }) => dtype));
  if (dtypes.has('U8')) return 'int4';
  return dtypes.has('I8') ? 'int8' : 'f32';
}

/** The values of an F32 tensor, in place where its alignment allows. */
export function f32Values({ dtype, data }: Tensor): Float32Array {
  if (dtype !== 'F32') throw new TypeError(`expected an F32 tensor, got ${dtype}`);
  const aligned = data.byteOffset % 4 === 0 ? data : data.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}

/** The values of an I8 tensor, in place. */
export function i8Values({ dtype, data }: Tensor): Int8Array {
  if (dtype !== 'I8') throw new TypeError(`expected an I8 tensor, got ${dtype}`);
  return new Int8Array(data.buffer, data.byteOffset, data.length);
}

/**
 * The tensor of that name.
 * @throws Error where there is no tensor of that name: a mistake of the caller's, since names come from the layer table
 */
export function tensorNamed<T>(tensors: ReadonlyMap<string, T>, name: string): T {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`no tensor ${name}`);
  return tensor;
}

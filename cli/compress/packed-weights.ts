/** Weights as the kernels read them: what `packedShape` says, so that loading an artifact is one copy. */

import type { Tensor, TensorType } from '../../runtime/artifact/safetensors.ts';
import { GROUP, PANEL, packedShape } from '../../runtime/artifact/steps.ts';
import { elementCount } from '../graph/graph.ts';
import { f32Tensor, f32Values, i8Tensor, i8Values } from './stored-tensors.ts';

/** A weight (outputs, inputs), f32 or int8, in panels of eight outputs. */
export function packWeight(tensor: Tensor): Tensor {
  const [outputs, inputs] = tensor.shape;
  if (tensor.dtype === 'F32') {
    const shape = packedShape('F32', outputs, inputs);
    const packed = new Float32Array(elementCount(shape));
    scatter(f32Values(tensor), packed, inputs, (o, i) => (Math.floor(o / PANEL) * inputs + i) * PANEL + (o % PANEL));
    return f32Tensor(packed, shape);
  }
  const shape = packedShape('I8', outputs, inputs);
  const packed = new Int8Array(elementCount(shape));
  const groups = shape[1];
  scatter(
    i8Values(tensor),
    packed,
    inputs,
    (o, i) => ((Math.floor(o / PANEL) * groups + Math.floor(i / GROUP)) * PANEL + (o % PANEL)) * GROUP + (i % GROUP),
  );
  return i8Tensor(packed, shape);
}

/** What `packWeight` makes of a weight of this type. */
export function packedType({ dtype, shape: [outputs, inputs] }: TensorType): TensorType {
  return { dtype, shape: packedShape(dtype === 'F32' ? 'F32' : 'I8', outputs, inputs) };
}

function scatter(
  from: Float32Array | Int8Array,
  to: Float32Array | Int8Array,
  inputs: number,
  placeOf: (output: number, input: number) => number,
): void {
  for (let at = 0; at < from.length; at++) to[placeOf(Math.floor(at / inputs), at % inputs)] = from[at];
}

/**
 * Int8 weights: symmetric, with a scale for each output channel, w ≈ scale · q and q in -127..127; rows of embedding
 * tables likewise. Int4 ones: ./int4. Activations are quantized when the model runs (runtime/kernels), so no
 * calibration data is needed.
 */

import type { Tensor, TensorType } from '../../runtime/artifact/safetensors.ts';
import { factorName, isQuantized, scaleName } from '../../runtime/artifact/steps.ts';
import { type Node, topological } from '../graph/graph.ts';
import { inputName } from '../graph/ops/leaf.ts';
import { quantizeInt4, takesInt4, unpackInt4 } from './int4.ts';
import {
  f32Tensor,
  f32Values,
  i8Tensor,
  i8Values,
  type StoredTensors,
  tensorNamed,
  u8Tensor,
} from './stored-tensors.ts';

/** What weights may be stored in, f32 beside; what --weights takes. */
export const WEIGHTS = ['int8', 'int4'] as const;
/** One of them. */
export type Weights = (typeof WEIGHTS)[number];

/**
 * Quantizes the weights of all linear layers that the graph of `logits` uses, A and B of the low-rank ones included,
 * and its embedding tables; everything else stays f32. Each quantized weight (out, in) becomes I8, or the U8 of int4
 * with its groups' factors in I8; its F32 scales (out) stand beside it.
 * @throws RangeError naming a weight that is not finite.
 */
export function quantizeTensors(tensors: StoredTensors, logits: Node, weights: Weights = 'int8'): Map<string, Tensor> {
  const names = quantizedNames(logits);
  return new Map(
    [...tensors].flatMap(([name, tensor]) =>
      names.has(name) ? quantizedTensors(name, tensor, weights) : [[name, tensor] as const],
    ),
  );
}

/** A weight as it is stored, and what belongs to it, by their names. */
function quantizedTensors(name: string, tensor: Tensor, weights: Weights): (readonly [string, Tensor])[] {
  const { shape } = tensor;
  const [rows, columns] = shape;
  const values = f32Values(tensor);
  if (weights === 'int4' && takesInt4(columns)) {
    const { packed, factors, scales } = quantizeInt4(values, rows, columns, name);
    return [
      [name, u8Tensor(packed, [rows, packed.length / rows])],
      [factorName(name), i8Tensor(factors, [rows, factors.length / rows])],
      [scaleName(name), f32Tensor(scales, [rows])],
    ];
  }
  const { quantized, scales } = quantizeWeight(values, rows, name);
  return [
    [name, i8Tensor(quantized, shape)],
    [scaleName(name), f32Tensor(scales, [rows])],
  ];
}

/** The types of what `quantizeTensors` makes of f32 tensors of these shapes. */
export function quantizedTypes(shapes: ReadonlyMap<string, readonly number[]>, logits: Node): Map<string, TensorType> {
  const weights = quantizedNames(logits);
  return new Map(
    [...shapes].flatMap(([name, shape]): [string, TensorType][] =>
      weights.has(name)
        ? [
            [name, { dtype: 'I8', shape }],
            [scaleName(name), { dtype: 'F32', shape: [shape[0]] }],
          ]
        : [[name, { dtype: 'F32', shape }]],
    ),
  );
}

function quantizedNames(logits: Node): ReadonlySet<string> {
  return new Set([...linearWeights(logits), ...tables(logits)]);
}

/**
 * Back to f32, for engines that know no int8: what `quantizeTensors` left of the values. `logits` is the graph that it
 * was given, which tells the shapes.
 */
export function dequantizeTensors(tensors: StoredTensors, logits: Node): Map<string, Tensor> {
  const shapes = new Map(topological([logits]).map((node) => [inputName(node), node.shape]));
  const restored = [...tensors].flatMap(([name, tensor]): [string, Tensor][] => {
    const shape = shapes.get(name);
    if (shape === undefined) return [];
    const int8 = int8Rows(tensors, name, shape);
    if (int8 === null) return [[name, tensor]];
    const { values, scales } = int8;
    const [, columns] = shape;
    return [
      [
        name,
        f32Tensor(
          Float32Array.from(values, (q, i) => q * scales[Math.floor(i / columns)]),
          shape,
        ),
      ],
    ];
  });
  return new Map(restored);
}

/**
 * A quantized tensor's whole numbers, of -127..127, and what each row's are multiplied with; null of one that is f32. Int4
 * ones are told as the int8 that they stand for.
 */
export function int8Rows(
  tensors: StoredTensors,
  name: string,
  [rows, columns]: readonly number[],
): { readonly values: Int8Array; readonly scales: Float32Array } | null {
  const tensor = tensors.get(name);
  if (tensor === undefined || !isQuantized(tensor.dtype)) return null;
  const scales = f32Values(tensorNamed(tensors, scaleName(name)));
  if (tensor.dtype === 'I8') return { values: i8Values(tensor), scales };
  const factors = i8Values(tensorNamed(tensors, factorName(name)));
  return { values: unpackInt4({ packed: tensor.data, factors }, rows, columns), scales };
}

/** Quantizes the rows of a weight (outputs, inputs) to -most..most. A row of zeros has scale 0. */
export function quantizeWeight(
  values: Float32Array,
  outputs: number,
  name: string,
  most = 127,
): { readonly quantized: Int8Array; readonly scales: Float32Array } {
  const inputs = values.length / outputs;
  const quantized = new Int8Array(values.length);
  const scales = new Float32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    const row = values.subarray(o * inputs, (o + 1) * inputs);
    const largest = row.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    if (!Number.isFinite(largest))
      throw new RangeError(`${name}: row ${o} holds a value that is not finite; it can't be quantized`);
    scales[o] = largest / most;
    if (scales[o] === 0) continue;
    for (let i = 0; i < inputs; i++) {
      quantized[o * inputs + i] = Math.max(-most, Math.min(most, Math.round(row[i] / scales[o])));
    }
  }
  return { quantized, scales };
}

/** The names of the weight matrices in a graph's linear layers. */
export function linearWeights(logits: Node): Set<string> {
  return namesOf(logits, { linear: [1], lowRankLinear: [1, 2] });
}

/**
 * The names of the tables whose rows texts look up. Positions of pictures stay f32: few bytes, and in int8 they cost
 * half a percent of a small ViT's answers (98.5 instead of 99.0 % agreement with f32).
 */
function tables(logits: Node): Set<string> {
  return namesOf(logits, { embedding: [0], positionEmbedding: [0] });
}

/** The names of those inputs of those operations. */
function namesOf(logits: Node, operands: Readonly<Record<string, readonly number[]>>): Set<string> {
  const nodes = topological([logits]).flatMap(({ operation, inputs }) =>
    (operands[operation.name] ?? []).map((i) => inputs[i]),
  );
  return new Set(nodes.map(inputName).filter((name) => name !== null));
}

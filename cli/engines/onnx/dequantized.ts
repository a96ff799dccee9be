/**
 * Weights that a model holds in int8 and computes with in f32: as DequantizeLinear gives them, with a scale for each row.
 * Products are those of f32, so every runtime gives the same answers; the file is small, the arithmetic is not faster.
 */
import { type Attributes, apply, expectShapes, type Node, type Operation } from '../../graph/graph.ts';
import { flatten } from '../../graph/ops/reshape.ts';

/** A weight or table (rows, columns), w = scale · q. */
export interface QuantizedRows {
  readonly values: Int8Array;
  readonly scales: Float32Array; // (rows)
}

interface QuantizedAttributes extends Attributes {
  readonly rows: QuantizedRows;
  readonly name: string;
}

const columnsOf = ({ values, scales }: QuantizedRows): number => values.length / scales.length;

const dequantizedOperation: Operation<QuantizedAttributes> = {
  name: 'dequantized',
  infer: (_, { rows }) => ({ dtype: 'f32', shape: [rows.scales.length, columnsOf(rows)] }),
  onnx(writer, _, { shape, attributes: { rows, name } }) {
    return writer.once(`dequantized ${name}`, () => {
      const values = writer.bytes(rows.values, shape);
      return [writer.node('DequantizeLinear', [values, writer.floats(rows.scales, [shape[0]])], { axis: 0 })];
    })[0];
  },
};

/** All of a weight, as (rows, columns). */
export function dequantized(rows: QuantizedRows, name: string): Node {
  return apply(dequantizedOperation, [], { rows, name });
}

const dequantizedRowsOperation: Operation<QuantizedAttributes> = {
  name: 'dequantizedRows',
  infer(inputs, { rows }) {
    const [ids] = inputs;
    expectShapes(ids.dtype === 'i32' && ids.shape.length === 1, 'dequantizedRows', 'i32 ids (N)', inputs);
    return { dtype: 'f32', shape: [ids.shape[0], columnsOf(rows)] };
  },
  onnx(writer, [ids], { shape: [, columns], attributes: { rows } }) {
    const height = rows.scales.length;
    const values = writer.node('Gather', [writer.bytes(rows.values, [height, columns]), ids], { axis: 0 });
    const scales = writer.node('Gather', [writer.floats(rows.scales, [height, 1]), ids], { axis: 0 });
    return writer.node('Mul', [writer.node('Cast', [values], { to: 1 /* TensorProto.FLOAT */ }), scales]);
  },
};

/** Of a table only the rows that texts look up: ids (B, T) → (B·T, columns) */
export function dequantizedRows(rows: QuantizedRows, ids: Node, name: string): Node {
  return apply(dequantizedRowsOperation, [flatten(ids)], { rows, name });
}

/** Rows of a table by their numbers, and its transpose: rows added into a table. */
import { type Attributes, apply, expectShapes, type Node, type Operation } from '../graph.ts';

const gatherOperation: Operation = {
  name: 'gather',
  infer(inputs) {
    const [table, ids] = inputs;
    expectShapes(
      table.dtype === 'f32' && table.shape.length === 2 && isList(ids),
      'gather',
      'an f32 table (V, D) and i32 ids (N)',
      inputs,
    );
    return { dtype: 'f32', shape: [ids.shape[0], table.shape[1]] };
  },
  gradient: ({ inputs: [table, ids] }, dy) => [scatterAdd(dy, ids, table.shape[0]), null],
  onnx: (writer, inputs) => writer.node('Gather', inputs, { axis: 0 }),
  stablehlo(hlo, [table, ids], node) {
    // A row of the table for each id: axis 1 of the result is the row's, axis 0 counts the ids.
    const numbers =
      '#stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>';
    return hlo.op('stablehlo.gather', [table, ids], node, {
      dimension_numbers: numbers,
      slice_sizes: [1, table.shape[1]],
    });
  },
  tfjs: (tf, [table, ids]) => tf.gather(table, ids as ReturnType<typeof tf.tensor1d>),
};

/** Rows of a table: table (V, D), ids (N) below V → (N, D). */
export function gather(table: Node, ids: Node): Node {
  return apply(gatherOperation, [table, ids], {});
}

interface ScatterAttributes extends Attributes {
  readonly rows: number;
}

const scatterAddOperation: Operation<ScatterAttributes> = {
  name: 'scatterAdd',
  infer(inputs, { rows }) {
    const [x, ids] = inputs;
    const fits = x.dtype === 'f32' && x.shape.length === 2 && isList(ids) && ids.shape[0] === x.shape[0];
    expectShapes(fits, 'scatterAdd', 'f32 rows (N, D) and i32 ids (N)', inputs);
    return { dtype: 'f32', shape: [rows, x.shape[1]] };
  },
  gradient: ({ inputs: [, ids] }, dy) => [gather(dy, ids), null],
  // ScatterElements rather than ScatterND, whose threads may add to one row at the same time.
  onnx(writer, [x, ids], { shape, inputs }) {
    const zeros = writer.node('Expand', [writer.floats(Float32Array.of(0), []), writer.integers(shape)]);
    const column = writer.node('Reshape', [ids, writer.integers([inputs[1].shape[0], 1])]);
    const places = writer.node('Expand', [column, writer.integers(inputs[0].shape)]);
    return writer.node('ScatterElements', [zeros, places, x], { axis: 0, reduction: 'add' });
  },
  stablehlo(hlo, [x, ids], node) {
    const zeros = hlo.broadcast(hlo.scalar(0), node.shape);
    const numbers =
      '#stablehlo.scatter<update_window_dims = [1], inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1>';
    return hlo.op('stablehlo.scatter', [zeros, ids, x], node, { scatter_dimension_numbers: numbers }, 'stablehlo.add');
  },
  tfjs: (tf, [x, ids], { shape }) => tf.scatterND(tf.expandDims(ids, -1), x, [...shape]),
};

/** A table of zeros into which row i of x is added at ids[i]: x (N, D), ids (N) below `rows` → (rows, D). */
export function scatterAdd(x: Node, ids: Node, rows: number): Node {
  return apply(scatterAddOperation, [x, ids], { rows });
}

function isList({ dtype, shape }: Node): boolean {
  return dtype === 'i32' && shape.length === 1;
}

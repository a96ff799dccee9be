import { type Attributes, apply, expectShapes, type Node, type Operation } from '../graph.ts';

interface TransposeAttributes extends Attributes {
  readonly permutation: readonly number[];
}

const transposeOperation: Operation<TransposeAttributes> = {
  name: 'transpose',
  infer(inputs, { permutation }) {
    const { shape, dtype } = inputs[0];
    const isPermutation = permutation.length === shape.length && shape.every((_, i) => permutation.includes(i));
    expectShapes(
      isPermutation,
      'transpose',
      `a tensor with ${permutation.length} axes for the permutation ${permutation.join(', ')}`,
      inputs,
    );
    return { dtype, shape: permutation.map((axis) => shape[axis]) };
  },
  gradient({ attributes: { permutation } }, dy) {
    return [
      transpose(
        dy,
        permutation.map((_, i) => permutation.indexOf(i)),
      ),
    ];
  },
  onnx: (writer, inputs, { attributes }) => writer.node('Transpose', inputs, { perm: attributes.permutation }),
  stablehlo: (hlo, [x], node) => hlo.op('stablehlo.transpose', [x], node, { permutation: node.attributes.permutation }),
  tfjs: (tf, [x], { attributes }) => tf.transpose(x, [...attributes.permutation]),
};

/** Axis i of the result is axis permutation[i] of x. */
export function transpose(x: Node, permutation: readonly number[]): Node {
  return apply(transposeOperation, [x], { permutation });
}

import {
  type Attributes,
  apply,
  elementCount,
  expectShapes,
  type Node,
  type Operation,
  type Shape,
  sameShape,
} from '../graph.ts';

interface ReshapeAttributes extends Attributes {
  readonly shape: Shape;
}

const reshapeOperation: Operation<ReshapeAttributes> = {
  name: 'reshape',
  infer(inputs, { shape }) {
    const count = elementCount(shape);
    expectShapes(
      elementCount(inputs[0].shape) === count,
      'reshape',
      `${count} elements for (${shape.join(', ')})`,
      inputs,
    );
    return { dtype: inputs[0].dtype, shape };
  },
  gradient: ({ inputs: [x] }, dy) => [reshape(dy, x.shape)],
  onnx: (writer, [x], { attributes }) => writer.node('Reshape', [x, writer.shape(attributes.shape)]),
  stablehlo: (hlo, [x], node) => hlo.op('stablehlo.reshape', [x], node),
  tfjs: (tf, [x], { attributes }) => tf.reshape(x, [...attributes.shape]),
};

/** The same elements in the same order under another shape. */
export function reshape(x: Node, shape: Shape): Node {
  return sameShape(x.shape, shape) ? x : apply(reshapeOperation, [x], { shape });
}

/** All elements in one axis. */
export function flatten(x: Node): Node {
  return reshape(x, [elementCount(x.shape)]);
}

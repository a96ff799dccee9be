import { type Attributes, apply, expectShapes, type Node, type Operation, type Shape, sameShape } from '../graph.ts';
import { broadcastShape } from './binary.ts';
import { sumTo } from './reduce.ts';

interface BroadcastAttributes extends Attributes {
  readonly shape: Shape;
}

const broadcastOperation: Operation<BroadcastAttributes> = {
  name: 'broadcastTo',
  infer(inputs, { shape }) {
    const reached = broadcastShape(inputs[0].shape, shape);
    expectShapes(
      reached !== null && sameShape(reached, shape),
      'broadcastTo',
      `a shape that broadcasts to (${shape.join(', ')})`,
      inputs,
    );
    return { dtype: inputs[0].dtype, shape };
  },
  gradient: ({ inputs: [x] }, dy) => [sumTo(dy, x.shape)],
  onnx: (writer, [x], { attributes }) => writer.node('Expand', [x, writer.integers(attributes.shape)]),
  stablehlo: (hlo, [x], { attributes }) => hlo.broadcast(x, attributes.shape),
  tfjs: (tf, [x], { attributes }) => tf.broadcastTo(x, [...attributes.shape]),
};

/** x repeated along its axes of size 1 (and new leading axes) until it has `shape`. */
export function broadcastTo(x: Node, shape: Shape): Node {
  return sameShape(x.shape, shape) ? x : apply(broadcastOperation, [x], { shape });
}

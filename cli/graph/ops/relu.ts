import { apply, expectShapes, type Node, type Operation } from '../graph.ts';
import { multiply } from './binary.ts';
import { scalar } from './leaf.ts';

/** 1 where x is above 0, else 0. It stands in gradients only, and has none. */
const isPositiveOperation: Operation = {
  name: 'isPositive',
  infer: ([x]) => ({ dtype: 'f32', shape: x.shape }),
  onnx: (writer, [x, zero]) => writer.node('Cast', [writer.node('Greater', [x, zero])], { to: 1 }), // TensorProto.FLOAT
  stablehlo(hlo, [x, zero]) {
    const comparison = { comparison_direction: '#stablehlo<comparison_direction GT>' };
    const zeros = hlo.broadcast(zero, x.shape);
    return hlo.convert(hlo.op('stablehlo.compare', [x, zeros], { dtype: 'i1', shape: x.shape }, comparison), 'f32');
  },
  tfjs: (tf, [x, zero]) => tf.cast(tf.greater(x, zero), 'float32'),
};

const reluOperation: Operation = {
  name: 'relu',
  infer(inputs) {
    expectShapes(inputs[0].dtype === 'f32', 'relu', 'an f32 tensor', inputs);
    return { dtype: 'f32', shape: inputs[0].shape };
  },
  gradient: ({ inputs: [x] }, dy) => [multiply(dy, apply(isPositiveOperation, [x, scalar(0)], {}))],
  onnx: (writer, inputs) => writer.node('Relu', inputs),
  stablehlo: (hlo, [x]) => hlo.elementwise('stablehlo.maximum', x, hlo.scalar(0)),
  tfjs: (tf, [x]) => tf.relu(x),
};

/** The larger of x and 0; its derivative at 0 is 0. */
export function relu(x: Node): Node {
  return apply(reluOperation, [x], {});
}

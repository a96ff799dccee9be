import { type Attributes, apply, expectShapes, type Node, type Operation } from '../graph.ts';
import type { HloValue, StableHloWriter } from '../targets.ts';
import { multiply, scale } from './binary.ts';
import { meanOfAll } from './reduce.ts';
import { logSoftmax } from './softmax.ts';

interface OneHotAttributes extends Attributes {
  readonly classes: number;
}

const oneHotOperation: Operation<OneHotAttributes> = {
  name: 'oneHot',
  infer(inputs, { classes }) {
    expectShapes(inputs[0].dtype === 'i32', 'oneHot', 'i32 labels', inputs);
    return { dtype: 'f32', shape: [...inputs[0].shape, classes] };
  },
  gradient: () => [null],
  // Not as OneHot, which onnxruntime's WebGPU provider lacks. Labels are exact in f32 up to 2^24.
  onnx(writer, [labels], { inputs, attributes: { classes } }) {
    const toFloat = (x: string): string => writer.node('Cast', [x], { to: 1 /* TensorProto.FLOAT */ });
    const column = writer.node('Reshape', [toFloat(labels), writer.integers([...inputs[0].shape, 1])]);
    const numbers = writer.floats(
      Float32Array.from({ length: classes }, (_, i) => i),
      [classes],
    );
    return toFloat(writer.node('Equal', [column, numbers]));
  },
  stablehlo(hlo, [labels], { shape }) {
    const axis = shape.length - 1;
    const classes = hlo.op('stablehlo.iota', [], { dtype: 'i32', shape }, { iota_dimension: axis });
    const column = hlo.op('stablehlo.reshape', [labels], { dtype: 'i32', shape: [...labels.shape, 1] });
    return hlo.convert(equal(hlo, hlo.broadcast(column, shape), classes), 'f32');
  },
  // tf.oneHot refuses a single class.
  tfjs: (tf, [labels], { attributes }) =>
    tf.cast(tf.equal(tf.expandDims(labels, -1), tf.range(0, attributes.classes, 1, 'int32')), 'float32'),
};

function equal(hlo: StableHloWriter, a: HloValue, b: HloValue): HloValue {
  const comparison = { comparison_direction: '#stablehlo<comparison_direction EQ>' };
  return hlo.op('stablehlo.compare', [a, b], { dtype: 'i1', shape: a.shape }, comparison);
}

/** labels (…) → (…, classes), 1 at the label. */
export function oneHot(labels: Node, classes: number): Node {
  return apply(oneHotOperation, [labels], { classes });
}

/** The mean cross-entropy of logits (B, K) and labels (B), of shape (). */
export function crossEntropy(logits: Node, labels: Node): Node {
  const classes = logits.shape[1];
  return scale(meanOfAll(multiply(oneHot(labels, classes), logSoftmax(logits))), -classes);
}

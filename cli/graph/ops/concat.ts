import { type Attributes, apply, expectShapes, type Node, type Operation } from '../graph.ts';
import { slice } from './slice.ts';

interface ConcatAttributes extends Attributes {
  readonly axis: number;
}

const concatOperation: Operation<ConcatAttributes> = {
  name: 'concat',
  infer(inputs, { axis }) {
    const [first] = inputs;
    const alike = inputs.every(
      (x) =>
        x.dtype === first.dtype &&
        x.shape.length === first.shape.length &&
        x.shape.every((size, i) => i === axis || size === first.shape[i]),
    );
    expectShapes(
      alike && axis >= 0 && axis < first.shape.length,
      'concat',
      `tensors that differ on axis ${axis} only`,
      inputs,
    );
    const total = inputs.reduce((length, x) => length + x.shape[axis], 0);
    return { dtype: first.dtype, shape: first.shape.map((size, i) => (i === axis ? total : size)) };
  },
  gradient({ inputs, attributes: { axis } }, dy) {
    let start = 0;
    return inputs.map((x) => {
      const part = slice(dy, axis, start, x.shape[axis]);
      start += x.shape[axis];
      return part;
    });
  },
  onnx: (writer, inputs, { attributes }) => writer.node('Concat', inputs, { axis: attributes.axis }),
  stablehlo: (hlo, inputs, node) => hlo.op('stablehlo.concatenate', inputs, node, { dimension: node.attributes.axis }),
  tfjs: (tf, inputs, { attributes }) => tf.concat([...inputs], attributes.axis),
};

/** Tensors one after another on one axis. */
export function concat(parts: readonly Node[], axis: number): Node {
  return parts.length === 1 ? parts[0] : apply(concatOperation, parts, { axis });
}

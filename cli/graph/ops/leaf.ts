import {
  type Attributes,
  apply,
  type DType,
  elementCount,
  type Node,
  type Operation,
  type Shape,
  ShapeError,
} from '../graph.ts';

interface InputAttributes extends Attributes {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

const inputOperation: Operation<InputAttributes> = {
  name: 'input',
  infer: (_, { dtype, shape }) => ({ dtype, shape }),
};

/** A value given by name when the graph runs: a batch, a scalar such as λ, a weight. */
export function input(name: string, shape: Shape, dtype: DType = 'f32'): Node {
  return apply(inputOperation, [], { name, dtype, shape });
}

/** The name of an input node; null for any other. */
export function inputName(node: Node): string | null {
  return node.operation.name === inputOperation.name ? (node.attributes as InputAttributes).name : null;
}

interface ConstantAttributes extends Attributes {
  readonly values: Float32Array;
  readonly shape: Shape;
}

const constantOperation: Operation<ConstantAttributes> = {
  name: 'constant',
  infer(_, { values, shape }) {
    if (values.length !== elementCount(shape)) {
      throw new ShapeError(
        `constant: expected ${elementCount(shape)} values for shape (${shape.join(', ')}), got ${values.length}`,
      );
    }
    return { dtype: 'f32', shape };
  },
  onnx: (writer, _, { attributes }) => writer.floats(attributes.values, attributes.shape),
  stablehlo: (hlo, _, { attributes }) => hlo.constant(attributes.values, attributes.shape),
  tfjs: (tf, _, { attributes }) => tf.tensor(attributes.values, [...attributes.shape], 'float32'),
};

/** Values fixed when the graph is built. */
export function constant(values: Float32Array, shape: Shape): Node {
  return apply(constantOperation, [], { values, shape });
}

/** One number, of shape (). */
export function scalar(value: number): Node {
  return constant(Float32Array.of(value), []);
}

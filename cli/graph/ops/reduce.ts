/** Sums, means and extremes over axes. */
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
import { scale } from './binary.ts';
import { broadcastTo } from './broadcast.ts';
import { reshape } from './reshape.ts';

interface ReduceAttributes extends Attributes {
  readonly axes: readonly number[];
}

/** The shape with 1 on the reduced axes: kept, so that the result broadcasts against what was reduced. */
function reducedShape(shape: Shape, axes: readonly number[]): Shape {
  return shape.map((size, i) => (axes.includes(i) ? 1 : size));
}

function inferReduced(name: string): Operation<ReduceAttributes>['infer'] {
  return (inputs, { axes }) => {
    const { shape, dtype } = inputs[0];
    const known = axes.every((axis) => Number.isInteger(axis) && axis >= 0 && axis < shape.length);
    expectShapes(known && dtype === 'f32', name, `an f32 tensor with axes ${axes.join(', ')}`, inputs);
    return { dtype: 'f32', shape: reducedShape(shape, axes) };
  };
}

function onnxReduction(operator: string): Operation<ReduceAttributes>['onnx'] {
  return (writer, [x], { attributes: { axes } }) =>
    // The sum's axes became an input with 13, those of the others with 18.
    writer.opset >= 18 || operator === 'ReduceSum'
      ? writer.node(operator, [x, writer.integers(axes)], { keepdims: 1 })
      : writer.node(operator, [x], { axes, keepdims: 1 });
}

function reduction(
  name: string,
  onnx: string,
  tfjs: 'sum' | 'mean',
  gradientScale: (count: number) => number,
): Operation<ReduceAttributes> {
  return {
    name,
    infer: inferReduced(name),
    gradient({ inputs: [x], attributes: { axes } }, dy) {
      const count = axes.reduce((product, axis) => product * x.shape[axis], 1);
      return [broadcastTo(scale(dy, gradientScale(count)), x.shape)];
    },
    onnx: onnxReduction(onnx),
    stablehlo(hlo, [x], { attributes: { axes } }) {
      const summed = hlo.reduce('stablehlo.add', x, axes);
      const factor = name === 'mean' ? 1 / axes.reduce((product, axis) => product * x.shape[axis], 1) : 1;
      return factor === 1 ? summed : hlo.elementwise('stablehlo.multiply', summed, hlo.scalar(factor));
    },
    tfjs: (tf, [x], { attributes }) => tf[tfjs](x, [...attributes.axes], true),
  };
}

function extreme(
  name: string,
  onnx: string,
  tfjs: 'min' | 'max',
  stablehlo: 'stablehlo.minimum' | 'stablehlo.maximum',
): Operation<ReduceAttributes> {
  return {
    name,
    infer: inferReduced(name),
    onnx: onnxReduction(onnx),
    stablehlo: (hlo, [x], { attributes }) => hlo.reduce(stablehlo, x, attributes.axes),
    tfjs: (tf, [x], { attributes }) => tf[tfjs](x, [...attributes.axes], true),
  };
}

const sumOperation = reduction('sum', 'ReduceSum', 'sum', () => 1);
const meanOperation = reduction('mean', 'ReduceMean', 'mean', (count) => 1 / count);

/** The sum over `axes`, each kept with size 1. */
export function sum(x: Node, axes: readonly number[]): Node {
  return axes.length === 0 ? x : apply(sumOperation, [x], { axes });
}

/** The mean over `axes`, each kept with size 1. */
export function mean(x: Node, axes: readonly number[]): Node {
  return axes.length === 0 ? x : apply(meanOperation, [x], { axes });
}

const leastOperation = extreme('least', 'ReduceMin', 'min', 'stablehlo.minimum');
const largestOperation = extreme('largest', 'ReduceMax', 'max', 'stablehlo.maximum');

/** The least over `axes`, each kept with size 1. It stands where a gradient is told by hand, and has none. */
export function least(x: Node, axes: readonly number[]): Node {
  return apply(leastOperation, [x], { axes });
}

/** The largest over `axes`; as `least`. */
export function largest(x: Node, axes: readonly number[]): Node {
  return apply(largestOperation, [x], { axes });
}

/** The mean of all elements, of shape (). */
export function meanOfAll(x: Node): Node {
  return reshape(
    mean(
      x,
      x.shape.map((_, i) => i),
    ),
    [],
  );
}

/** The sum of all elements, of shape (). */
export function sumOfAll(x: Node): Node {
  return reshape(
    sum(
      x,
      x.shape.map((_, i) => i),
    ),
    [],
  );
}

/** Undoes a broadcast: sums over the axes on which `shape` was stretched to x's shape. */
export function sumTo(x: Node, shape: Shape): Node {
  if (sameShape(x.shape, shape)) return x;
  const added = x.shape.length - shape.length;
  const axes = x.shape.flatMap((size, i) => (i < added || (shape[i - added] === 1 && size !== 1) ? [i] : []));
  const summed = sum(x, axes);
  expectShapes(
    elementCount(summed.shape) === elementCount(shape),
    'sumTo',
    `a tensor broadcast from (${shape.join(', ')})`,
    [x],
  );
  return reshape(summed, shape);
}

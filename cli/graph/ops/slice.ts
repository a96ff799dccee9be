/** A range of one axis, and its transpose: zeros around a range. */
import { type Attributes, apply, expectShapes, type Node, type Operation } from '../graph.ts';

interface SliceAttributes extends Attributes {
  readonly axis: number;
  readonly start: number;
  readonly size: number;
}

const sliceOperation: Operation<SliceAttributes> = {
  name: 'slice',
  infer(inputs, { axis, start, size }) {
    const { shape, dtype } = inputs[0];
    const inside = start >= 0 && size >= 0 && start + size <= (shape[axis] ?? -1);
    expectShapes(inside, 'slice', `at least ${start + size} elements on axis ${axis}`, inputs);
    return { dtype, shape: shape.map((extent, i) => (i === axis ? size : extent)) };
  },
  gradient({ inputs: [x], attributes: { axis, start, size } }, dy) {
    return [pad(dy, axis, start, x.shape[axis] - start - size)];
  },
  onnx(writer, [x], { attributes: { axis, start, size } }) {
    return writer.node('Slice', [
      x,
      writer.integers([start]),
      writer.integers([start + size]),
      writer.integers([axis]),
    ]);
  },
  stablehlo(hlo, [x], node) {
    const { axis, start, size } = node.attributes;
    return hlo.op('stablehlo.slice', [x], node, {
      start_indices: x.shape.map((_, i) => (i === axis ? start : 0)),
      limit_indices: x.shape.map((extent, i) => (i === axis ? start + size : extent)),
      strides: x.shape.map(() => 1),
    });
  },
  tfjs(tf, [x], { shape, attributes: { axis, start } }) {
    return tf.slice(
      x,
      shape.map((_, i) => (i === axis ? start : 0)),
      [...shape],
    );
  },
};

/** x[start .. start + size) on one axis. */
export function slice(x: Node, axis: number, start: number, size: number): Node {
  return apply(sliceOperation, [x], { axis, start, size });
}

interface PadAttributes extends Attributes {
  readonly axis: number;
  readonly before: number;
  readonly after: number;
}

const padOperation: Operation<PadAttributes> = {
  name: 'pad',
  infer(inputs, { axis, before, after }) {
    const { shape, dtype } = inputs[0];
    expectShapes(
      axis >= 0 && axis < shape.length && before >= 0 && after >= 0,
      'pad',
      `an axis ${axis} and counts of zero or more`,
      inputs,
    );
    return { dtype, shape: shape.map((extent, i) => (i === axis ? extent + before + after : extent)) };
  },
  gradient({ inputs: [x], attributes: { axis, before } }, dy) {
    return [slice(dy, axis, before, x.shape[axis])];
  },
  onnx(writer, [x], { shape, attributes: { axis, before, after } }) {
    const at = (count: number): number[] => shape.map((_, i) => (i === axis ? count : 0));
    return writer.node('Pad', [x, writer.integers([...at(before), ...at(after)])]);
  },
  stablehlo(hlo, [x], node) {
    const { axis, before, after } = node.attributes;
    const at = (count: number): number[] => x.shape.map((_, i) => (i === axis ? count : 0));
    return hlo.op('stablehlo.pad', [x, hlo.scalar(0)], node, {
      edge_padding_low: at(before),
      edge_padding_high: at(after),
      interior_padding: at(0),
    });
  },
  tfjs(tf, [x], { shape, attributes: { axis, before, after } }) {
    return tf.pad(
      x,
      shape.map((_, i) => (i === axis ? [before, after] : [0, 0])),
    );
  },
};

/** Zeros before and after x on one axis. */
export function pad(x: Node, axis: number, before: number, after: number): Node {
  return apply(padOperation, [x], { axis, before, after });
}

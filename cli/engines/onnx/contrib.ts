/**
 * Operations of onnxruntime's own domain: what a graph is rewritten to where its kernels beat ONNX's. They run nowhere
 * else.
 */
import { type Attributes, apply, expectShapes, type Node, type Operation } from '../../graph/graph.ts';
import type { AttentionAttributes } from '../../graph/ops/attention.ts';

const multiHeadAttentionOperation: Operation<AttentionAttributes> = {
  name: 'multiHeadAttention',
  infer(inputs, { batch, tokens }) {
    expectShapes(
      inputs.length === 3 && inputs.every(({ shape }) => shape[0] === batch * tokens),
      'multiHeadAttention',
      `query, key, value (${batch * tokens}, D)`,
      inputs,
    );
    return { dtype: 'f32', shape: inputs[0].shape };
  },
  onnx(writer, inputs, { shape, attributes: { batch, tokens, heads } }) {
    const [query, key, value] = inputs.map((x) =>
      writer.node('Reshape', [x, writer.integers([batch, tokens, shape[1]])]),
    );
    const mixed = writer.node('com.microsoft.MultiHeadAttention', [query, key, value], { num_heads: heads });
    return writer.node('Reshape', [mixed, writer.integers(shape)]);
  },
};

/** `attention` without a mask as one fused kernel. query, key, value (B·T, D) → (B·T, D) */
export function multiHeadAttention(inputs: readonly Node[], sizes: AttentionAttributes): Node {
  return apply(multiHeadAttentionOperation, inputs, sizes);
}

/** A weight of int8 with a scale for each output, arranged for x·W. */
export interface QuantizedWeight {
  readonly values: Int8Array; // (in, out)
  readonly scales: Float32Array; // (out)
}

interface QuantizedAttributes extends Attributes {
  readonly weight: QuantizedWeight;
}

const quantizedLinearOperation: Operation<QuantizedAttributes> = {
  name: 'quantizedLinear',
  infer(inputs, { weight }) {
    const [x, bias] = inputs;
    const outputs = weight.scales.length;
    const fits =
      x.shape.length === 2 && x.shape[1] * outputs === weight.values.length && (!bias || bias.shape[0] === outputs);
    expectShapes(
      fits,
      'quantizedLinear',
      `x (rows, ${weight.values.length / outputs}) and a bias (${outputs})`,
      inputs,
    );
    return { dtype: 'f32', shape: [x.shape[0], outputs] };
  },
  onnx(writer, [x, bias], { inputs, attributes: { weight } }) {
    const [, width] = inputs[0].shape;
    const values = writer.bytes(weight.values, [width, weight.scales.length]);
    const scales = writer.floats(weight.scales, [weight.scales.length]);
    // Rows that several layers read are quantized once; where one layer reads them, onnxruntime fuses both into
    // DynamicQuantizeMatMul.
    const [quantized, scale, zero] = writer.once(`quantized ${x}`, () =>
      writer.nodes('DynamicQuantizeLinear', [x], {}, 3),
    );
    return writer.node('com.microsoft.MatMulIntegerToFloat', [
      quantized,
      values,
      scale,
      scales,
      zero,
      '',
      ...(bias ? [bias] : []),
    ]);
  },
};

/** x·W + b with rows quantized to 8 bits as they come. x (rows, in), bias (out) or null → (rows, out) */
export function quantizedLinear(x: Node, bias: Node | null, weight: QuantizedWeight): Node {
  return apply(quantizedLinearOperation, bias ? [x, bias] : [x], { weight });
}

/** onnxruntime as a case of the latency bench, given the graph in the operations that it runs fastest. */
import { quantizeWeight } from '../compress/quantize.ts';
import { floats } from '../engines/engine.ts';
import { multiHeadAttention, type QuantizedWeight, quantizedLinear } from '../engines/onnx/contrib.ts';
import { lowerToOnnx, outputName } from '../engines/onnx/lower.ts';
import { type OnnxRuntime, openSession } from '../engines/onnx/session.ts';
import { inputsOf } from '../graph/cost.ts';
import type { Graph, Node } from '../graph/graph.ts';
import type { AttentionAttributes } from '../graph/ops/attention.ts';
import { inputName } from '../graph/ops/leaf.ts';
import { rewrite } from '../graph/rewrite.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import type { Subject } from './latency.ts';
import type { Variant } from './variant.ts';

/** Writes a model with its weights inside and loads it. */
export async function openPeer(
  runtime: OnnxRuntime,
  { logits, tensors, inputs }: Variant,
  dtype: 'f32' | 'int8',
  threads: number,
): Promise<Subject> {
  const model = peerModel(logits, tensors, dtype);
  const bytes = model.length;
  const session = await openSession(runtime, model, threads);
  return {
    bytes,
    run: async () => (await session.run(inputs))[outputName('logits')] as Float32Array,
    close: () => session.close(),
  };
}

/** The ONNX model of a graph with its weights inside. */
export function peerModel(logits: Node, tensors: Tensors, dtype: 'f32' | 'int8'): Uint8Array {
  const fused = fuseAttention({ outputs: { logits } });
  return writeModel(dtype === 'int8' ? quantizeLinears(fused, tensors) : fused, tensors);
}

/**
 * Of 7 bits, as onnxruntime's own quantizer makes them by `reduce_range`: where a processor has no VNNI, it adds two
 * products of 8 bits in 16, which overflows. Kernels and times are those of 8 bits.
 */
const LARGEST_WEIGHT = 63;

/** The model with its weights as initializers: onnxruntime packs them when it loads. */
function writeModel(graph: Graph, tensors: Tensors): Uint8Array {
  const weights = inputsOf(graph).flatMap((node) => {
    const name = inputName(node)!;
    const data = tensors.get(name);
    return data ? [[name, floats(data, node.shape)] as const] : [];
  });
  return lowerToOnnx(graph, { constants: Object.fromEntries(weights) }).bytes;
}

/** One kernel for attention, measured 1 to 4 % faster than its products and softmax one by one. */
function fuseAttention(graph: Graph): Graph {
  return rewrite(graph, ({ operation, attributes }, inputs) =>
    operation.name === 'attention' && inputs.length === 3
      ? multiHeadAttention(inputs, attributes as AttentionAttributes)
      : null,
  );
}

/**
 * Int8 in every linear layer, A and B of the low-rank ones included, as Slim quantizes them: weights for each output
 * ahead of time, rows when the model runs.
 */
function quantizeLinears(graph: Graph, tensors: Tensors): Graph {
  const weight = (node: Node, factor = 1): QuantizedWeight => {
    const name = inputName(node)!;
    const { quantized, scales } = quantizeWeight(tensors.get(name)!, node.shape[0], name, LARGEST_WEIGHT);
    return {
      values: transposed(quantized, node.shape[0], node.shape[1]),
      scales: scales.map((scale) => scale * factor),
    };
  };
  return rewrite(graph, ({ operation: { name }, attributes }, [x, ...others]) => {
    if (name === 'linear')
      return quantizedLinear(x, others[1], weight(others[0], attributes.scaling as number | undefined));
    if (name === 'lowRankLinear') {
      const [loraA, loraB, loraC] = others;
      return quantizedLinear(
        quantizedLinear(x, null, weight(loraA)),
        loraC,
        weight(loraB, attributes.scaling as number),
      );
    }
    return null;
  });
}

/** (rows, columns) → (columns, rows) */
function transposed(values: Int8Array, rows: number, columns: number): Int8Array {
  const result = new Int8Array(values.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j];
  return result;
}

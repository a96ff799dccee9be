/**
 * Attention and its gradient as cuDNN's fused kernels, which XLA calls by name (openxla/xla, xla/service/gpu/cublas_cudnn.h
 * and backend_configs.proto): no scores are written to memory.
 */
import { gradients } from '../../graph/grad.ts';
import type { Graph, Node } from '../../graph/graph.ts';
import { type AttentionAttributes, attention } from '../../graph/ops/attention.ts';
import { multiply } from '../../graph/ops/binary.ts';
import { input } from '../../graph/ops/leaf.ts';
import { sumOfAll } from '../../graph/ops/reduce.ts';
import type { HloTensorType, HloValue } from '../../graph/targets.ts';
import type { FusedKernels } from './lower.ts';
import type { ModuleWriter } from './writer.ts';

/** cuDNN's kernels take a multiple of it. Other numbers of tokens are padded for each call. */
export const TOKEN_MULTIPLE = 8;
const HEAD_MULTIPLE = 8;
/** The widest head of theirs that computes gradients too. */
const LARGEST_HEAD = 128;

const bf16 = (...shape: number[]): HloTensorType => ({ dtype: 'bf16', shape });
const f32 = (...shape: number[]): HloTensorType => ({ dtype: 'f32', shape });
/** What the kernels want to work in: XLA finds out how much. */
const WORKSPACE = { dtype: 'u8', shape: [0] } as const satisfies HloTensorType;

/** A forward pass that was written, with what its backward pass reads of it. */
interface Written {
  readonly sizes: Sizes;
  /** Query, key and value, bf16 (B, T, H, d), padded. */
  readonly operands: readonly HloValue[];
  /** Of queries and of keys, i32 (B). */
  readonly lengths: readonly [HloValue, HloValue];
  /** log Σ e^score of each query, f32 (B, H, T). */
  readonly statistics: HloValue;
  /** bf16 (B, T, H, d), padded. */
  readonly output: HloValue;
  /** The gradients of query, key and value, by dy's name. */
  readonly gradients: Map<string, readonly HloValue[]>;
}

interface Sizes {
  readonly batch: number;
  readonly tokens: number;
  /** Tokens with padding. */
  readonly padded: number;
  readonly heads: number;
  readonly width: number;
  readonly scale: number;
}

/** The kernels for one module, in bf16. */
export function cudnnAttention(): FusedKernels {
  const written = new Map<Node, Written>();
  return {
    takes: (node) => attentionOf(node) !== null,
    write(writer, node, inputs) {
      if (node.operation.name === 'attention') {
        const made = writeForward(writer, node as Node<AttentionAttributes>, inputs);
        written.set(node, made);
        return unpadded(writer, made.output, made.sizes);
      }
      const forward = written.get(node.inputs[0])!;
      const [, dy] = inputs;
      const known = forward.gradients.get(dy.name) ?? writeBackward(writer, forward, dy);
      forward.gradients.set(dy.name, known);
      return known[['query', 'key', 'value'].indexOf(node.attributes.of as string)];
    },
  };
}

/** An attention with its gradients, of sizes that say nothing: whether it compiles tells whether the kernels are here. */
export function smallAttention(): Graph {
  const [query, key, value] = ['query', 'key', 'value'].map((name) => input(name, [TOKEN_MULTIPLE, 64]));
  const mixed = attention(query, key, value, input('mask', [1, TOKEN_MULTIPLE]), {
    batch: 1,
    tokens: TOKEN_MULTIPLE,
    heads: 1,
  });
  const loss = sumOfAll(multiply(mixed, mixed));
  const [toQuery, toKey, toValue] = gradients(loss, [query, key, value]);
  return { outputs: { mixed, toQuery, toKey, toValue } };
}

/** The attention that a node is, or is the gradient of, where the kernels take it; else null. */
function attentionOf(node: Node): Node<AttentionAttributes> | null {
  if (node.operation.name === 'attentionGradient') return attentionOf(node.inputs[0]);
  if (node.operation.name !== 'attention') return null;
  const { heads, keyHeads, queries, tokens } = (node as Node<AttentionAttributes>).attributes;
  const [query, , value] = node.inputs;
  const width = query.shape[1] / heads;
  const fits =
    keyHeads === heads &&
    queries === tokens &&
    value.shape[1] === query.shape[1] &&
    width % HEAD_MULTIPLE === 0 &&
    width <= LARGEST_HEAD;
  return fits ? (node as Node<AttentionAttributes>) : null;
}

function writeForward(writer: ModuleWriter, node: Node<AttentionAttributes>, inputs: readonly HloValue[]): Written {
  const { batch, tokens, heads, scale } = node.attributes;
  const sizes: Sizes = {
    batch,
    tokens,
    padded: Math.ceil(tokens / TOKEN_MULTIPLE) * TOKEN_MULTIPLE,
    heads,
    width: node.shape[1] / heads,
    scale,
  };
  const [mask] = inputs.slice(3);
  const operands = inputs.slice(0, 3).map((x) => padded(writer, x, sizes));
  // All queries, also those of padding: what they give is read by none that counts, and is what the expansion gives.
  const allTokens = writer.op('stablehlo.constant', [], lengthType(sizes), {
    value: `dense<${tokens}> : tensor<${batch}xi32>`,
  });
  const lengths = [allTokens, mask ? lengthsOf(writer, mask) : allTokens] as const;
  const { padded: T, width } = sizes;
  const [output, statistics] = customCall(
    writer,
    '__cudnn$fmhaSoftmax',
    [...operands, ...lengths],
    [bf16(batch, heads, T, width), f32(batch, heads, T), WORKSPACE],
    backendConfig(sizes, { bmm1: { contracts: [3, 3], heads: [2, 2] }, bmm2: { contracts: [3, 1], heads: [1, 2] } }),
  );
  return { sizes, operands, lengths, statistics, output: tokensFirst(writer, output), gradients: new Map() };
}

function writeBackward(writer: ModuleWriter, forward: Written, dy: HloValue): HloValue[] {
  const { sizes, operands, lengths, statistics, output } = forward;
  const { batch, heads, padded: T, width } = sizes;
  const gradient = bf16(batch, heads, T, width);
  const results = customCall(
    writer,
    '__cudnn$fmhaSoftmaxBackward',
    [...operands, statistics, padded(writer, dy, sizes), output, ...lengths],
    [gradient, gradient, gradient, WORKSPACE],
    backendConfig(sizes, {
      bmm1_grad_gemm1: { contracts: [2, 1], heads: [1, 2] },
      bmm1_grad_gemm2: { contracts: [3, 1], heads: [1, 2] },
      bmm2_grad_gemm1: { contracts: [2, 1], heads: [1, 2] },
      bmm2_grad_gemm2: { contracts: [3, 3], heads: [2, 2] },
    }),
  );
  return results.slice(0, 3).map((x) => unpadded(writer, tokensFirst(writer, x), sizes));
}

const lengthType = ({ batch }: Sizes): HloTensorType => ({ dtype: 'i32', shape: [batch] });

/**
 * mask (B, T) → how many tokens each has, i32 (B). At least one: a row that only fills up a batch has none, and a softmax
 * over nothing is no number.
 */
function lengthsOf(writer: ModuleWriter, mask: HloValue): HloValue {
  const [batch] = mask.shape;
  const counts = writer.op('stablehlo.reshape', [writer.reduce('stablehlo.add', mask, [1])], f32(batch));
  return writer.convert(writer.elementwise('stablehlo.maximum', counts, writer.scalar(1)), 'i32');
}

/** f32 (B·T, H·d) → bf16 (B, padded T, H, d) */
function padded(writer: ModuleWriter, x: HloValue, { batch, tokens, padded: T, heads, width }: Sizes): HloValue {
  const stacked = writer.op('stablehlo.reshape', [writer.convert(x, 'bf16')], bf16(batch, tokens, heads, width));
  if (T === tokens) return stacked;
  const zero = writer.op('stablehlo.constant', [], bf16(), { value: 'dense<0.0> : tensor<bf16>' });
  return writer.op('stablehlo.pad', [stacked, zero], bf16(batch, T, heads, width), {
    edge_padding_low: [0, 0, 0, 0],
    edge_padding_high: [0, T - tokens, 0, 0],
    interior_padding: [0, 0, 0, 0],
  });
}

/** bf16 (B, padded T, H, d) → f32 (B·T, H·d) */
function unpadded(writer: ModuleWriter, x: HloValue, { batch, tokens, padded: T, heads, width }: Sizes): HloValue {
  const cut =
    T === tokens
      ? x
      : writer.op('stablehlo.slice', [x], bf16(batch, tokens, heads, width), {
          start_indices: [0, 0, 0, 0],
          limit_indices: [batch, tokens, heads, width],
          strides: [1, 1, 1, 1],
        });
  return writer.convert(writer.op('stablehlo.reshape', [cut], bf16(batch * tokens, heads * width)), 'f32');
}

/** (B, H, T, d) → (B, T, H, d): how the kernels lay their results in memory anyway. */
function tokensFirst(writer: ModuleWriter, x: HloValue): HloValue {
  const [batch, heads, tokens, width] = x.shape;
  return writer.op('stablehlo.transpose', [x], bf16(batch, tokens, heads, width), { permutation: [0, 2, 1, 3] });
}

/** Row by row; but for results of four axes, (B, H, T, d), which lie as (B, T, H, d). */
function layout({ shape: { length } }: HloTensorType, isResult: boolean): string {
  const order = isResult && length === 4 ? [3, 1, 2, 0] : Array.from({ length }, (_, i) => length - 1 - i);
  return `dense<[${order.join(', ')}]> : tensor<${length}xindex>`;
}

function customCall(
  writer: ModuleWriter,
  target: string,
  operands: readonly HloValue[],
  results: readonly HloTensorType[],
  config: object,
): HloValue[] {
  return writer.ops('stablehlo.custom_call', operands, results, {
    call_target_name: `"${target}"`,
    api_version: '2 : i32',
    backend_config: `"${JSON.stringify(config).replaceAll('"', '\\22')}"`,
    operand_layouts: `[${operands.map((type) => layout(type, false)).join(', ')}]`,
    result_layouts: `[${results.map((type) => layout(type, true)).join(', ')}]`,
  });
}

/** One product of a kernel: the axis that its operands sum over, and the one that counts heads, of left and right. */
interface Product {
  readonly contracts: readonly [number, number];
  readonly heads: readonly [number, number];
}

/** GpuBackendConfig as JSON; whole numbers of 64 bits are texts there. */
function backendConfig(
  { batch, heads, padded: T, scale }: Sizes,
  products: Readonly<Record<string, Product>>,
): Record<string, unknown> {
  const dimensionNumbers = ({ contracts, heads: [left, right] }: Product) => ({
    lhs_contracting_dimensions: [String(contracts[0])],
    rhs_contracting_dimensions: [String(contracts[1])],
    lhs_batch_dimensions: ['0', String(left)],
    rhs_batch_dimensions: ['0', String(right)],
  });
  return {
    operation_queue_id: '0',
    cudnn_fmha_backend_config: {
      algorithm: {
        algo_id: '0',
        math_type: 'TENSOR_OP_MATH',
        tuning_knobs: { 17: '1', 24: '0' },
        is_cudnn_frontend: true,
        workspace_size: '0',
      },
      fmha_scale: scale,
      intermediate_tensor_shape: {
        element_type: 'BF16',
        dimensions: [batch, heads, T, T].map(String),
        tuple_shapes: [],
        layout: {
          dim_level_types: [],
          dim_unique: [],
          dim_ordered: [],
          minor_to_major: ['3', '2', '1', '0'],
          tiles: [],
          element_size_in_bits: '0',
          memory_space: '0',
          index_primitive_type: 'PRIMITIVE_TYPE_INVALID',
          pointer_primitive_type: 'PRIMITIVE_TYPE_INVALID',
          dynamic_shape_metadata_prefix_bytes: '0',
        },
        is_dynamic_dimension: [false, false, false, false],
      },
      is_flash_attention: true,
      mask_type: 'PADDING',
      ...Object.fromEntries(
        Object.entries(products).map(([name, product]) => [`${name}_dot_dimension_numbers`, dimensionNumbers(product)]),
      ),
      dropout_rate: 0,
      seed: 42,
      sliding_window_length: 0,
      max_seg_per_batch: 1,
      is_paged_attention: false,
    },
  };
}

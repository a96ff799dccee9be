/**
 * The plan: what the runtime executes, a flat list of kernel calls over one linear memory. A call's operands are tensors of
 * the artifact, by name, and buffers in the arena, by byte offset; where buffers lie was settled when packing (cli/compress/plan).
 * plan-read.ts makes one of JSON, plan-check.ts proves it safe, plan-memory.ts says what memory it needs.
 */
import type { Dtype } from './safetensors.ts';

/**
 * What a field of a step holds. Offsets are bytes into the arena; sizes count elements, from 1. `rows` is a size, or `tokens`: as many
 * as the sequence has, at most the plan's own `tokens`. A ? allows null: no such operand.
 */
export type FieldKind = 'offset' | 'offset?' | 'rows' | 'size' | 'index' | 'number' | 'tensor' | 'tensor?' | 'activation';

export const ACTIVATIONS = ['none', 'gelu', 'tanh'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** q (queries, heads · keySize), k (tokens, keyHeads · keySize), v (tokens, keyHeads · valueSize), out (queries, heads · valueSize). */
const ATTENTION = {
  q: 'offset', k: 'offset', v: 'offset', out: 'offset', queries: 'rows', tokens: 'rows', heads: 'size', keyHeads: 'size', keySize: 'size',
  valueSize: 'size', scale: 'number',
} as const satisfies Record<string, FieldKind>;

/**
 * Every kernel call and its operands. Buffers are f32, but for those named `quantized` and the `x` of int8 layers: rows of bytes in
 * 0..127, each with a scale and a zero point, x ≈ scale · (byte - zero). Weights are packed (`packedShape`).
 */
export const STEP_FIELDS = {
  /** out (height/patch · width/patch, channels · patch · patch) from pixels (channels, height, width). */
  patchify: { pixels: 'offset', out: 'offset', channels: 'size', height: 'size', width: 'size', patch: 'size' },
  /** The rows of x (rows, columns) to 7 bits. */
  quantizeRows: { x: 'offset', quantized: 'offset', rows: 'rows', columns: 'size' },
  /** out (rows, outputs) = activation(x · weightᵀ + bias) + residual; x (rows, inputs), bias (outputs), residual (rows, outputs). */
  linear: {
    x: 'offset', weight: 'tensor', bias: 'tensor?', residual: 'offset?', out: 'offset', rows: 'rows', inputs: 'size', outputs: 'size',
    activation: 'activation',
  },
  /** `linear` on quantized rows and int8 weights with a scale for each output. The result goes to `out`, `quantized` or both. */
  linearInt8: {
    x: 'offset', weight: 'tensor', scales: 'tensor', bias: 'tensor?', residual: 'offset?', out: 'offset?', quantized: 'offset?',
    rows: 'rows', inputs: 'size', outputs: 'size', activation: 'activation',
  },
  /** `linearInt8` through a low rank: activation(loraB · loraA · x + bias) + residual. */
  lowRankInt8: {
    x: 'offset', loraA: 'tensor', scalesA: 'tensor', loraB: 'tensor', scalesB: 'tensor', bias: 'tensor?', residual: 'offset?',
    out: 'offset?', quantized: 'offset?', rows: 'rows', inputs: 'size', rank: 'size', outputs: 'size', activation: 'activation',
  },
  /** out (patchCount + 1, columns) = [cls; patches] + position; position f32, or int8 with a scale a row. */
  tokens: {
    patches: 'offset', cls: 'tensor', position: 'tensor', positionScales: 'tensor?', out: 'offset', patchCount: 'size', columns: 'size',
  },
  /** out (tokens, columns) = word[ids] + position + type[types]; ids, types (tokens) i32; tables as in `tokens`. */
  textEmbedding: {
    ids: 'offset', types: 'offset', word: 'tensor', wordScales: 'tensor?', position: 'tensor', positionScales: 'tensor?', type: 'tensor',
    typeScales: 'tensor?', out: 'offset', tokens: 'rows', columns: 'size', words: 'size', positions: 'size', kinds: 'size',
  },
  /** gamma · (x - mean) / sqrt(variance + epsilon) + beta for each row, to `out`, `quantized` or both. */
  layerNorm: {
    x: 'offset', gamma: 'tensor', beta: 'tensor', out: 'offset?', quantized: 'offset?', rows: 'rows', columns: 'size', epsilon: 'number',
  },
  /** softmax(scale · q · kᵀ) · v per head. */
  attention: ATTENTION,
  /** The same in 16-bit integers. */
  attentionInt16: ATTENTION,
  /** out = x · Φ(x), the GELU by the normal distribution's Φ. */
  gelu: { x: 'offset', out: 'offset', rows: 'rows', columns: 'size' },
  tanh: { x: 'offset', out: 'offset', rows: 'rows', columns: 'size' },
  /** out = a + b. */
  add: { a: 'offset', b: 'offset', out: 'offset', rows: 'rows', columns: 'size' },
  /** out (columns) = row `index` of x (rows, columns). */
  selectRow: { x: 'offset', out: 'offset', rows: 'size', columns: 'size', index: 'index' },
} as const satisfies Record<string, Record<string, FieldKind>>;

export type StepOp = keyof typeof STEP_FIELDS;

/** A number of rows, or as many as the sequence has tokens. */
export type Rows = number | 'tokens';

type FieldValue<Kind, Place> = Kind extends 'offset'
  ? Place
  : Kind extends 'offset?'
    ? Place | null
    : Kind extends 'tensor'
      ? string
      : Kind extends 'tensor?'
        ? string | null
        : Kind extends 'rows'
          ? Rows
          : Kind extends 'activation'
            ? Activation
            : number;

/** One kernel call, e.g. `Step<'linear'>`. Its buffers are byte offsets; while packing they are still without a place. */
export type Step<Op extends StepOp = StepOp, Place = number> = {
  [O in Op]: { readonly op: O } & { readonly [F in keyof (typeof STEP_FIELDS)[O]]: FieldValue<(typeof STEP_FIELDS)[O][F], Place> };
}[Op];

/** A buffer that the host reads. */
export interface PlanBuffer {
  readonly offset: number;
  readonly shape: readonly number[];
}

/** A buffer that the host writes. */
export interface PlanInput extends PlanBuffer {
  readonly name: string;
  /** I32 inputs are a sequence, which may be shorter than its shape says where the plan has `tokens`. */
  readonly dtype: Extract<Dtype, 'F32' | 'I32'>;
}

export interface Plan {
  readonly arenaBytes: number;
  /** The longest sequence of a model whose cost follows its input's length; null where all sizes are fixed. */
  readonly tokens: number | null;
  readonly inputs: readonly PlanInput[];
  /** f32 */
  readonly output: PlanBuffer;
  readonly steps: readonly Step[];
}

/** What an artifact may ask for, so that a hostile one is refused before it costs anything. */
export interface Limits {
  /** All of the engine's memory. */
  readonly memoryBytes: number;
}

export const DEFAULT_LIMITS: Limits = { memoryBytes: 1024 * 1024 * 1024 };

/** Buffers and weights begin at multiples of this: the width of a SIMD register. */
export const ALIGNMENT = 16;

export function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Outputs that a panel of packed weights holds. */
export const PANEL = 8;

/** Inputs that a group of packed int8 weights holds. */
export const GROUP = 4;

/**
 * The shape of a weight (outputs, inputs) as the kernels read it: panels of eight outputs. In f32 (panels, inputs, 8); in int8
 * (panels, groups, 8, 4), groups of four inputs, an even number of them. What pads them is 0.
 */
export function packedShape(dtype: 'F32' | 'I8', outputs: number, inputs: number): readonly number[] {
  const panels = Math.ceil(outputs / PANEL);
  return dtype === 'F32' ? [panels, inputs, PANEL] : [panels, 2 * Math.ceil(inputs / (2 * GROUP)), PANEL, GROUP];
}

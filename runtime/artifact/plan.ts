/**
 * The plan: what the runtime executes, a flat list of kernel calls over one linear memory. A call's operands are tensors of
 * the artifact, by name, and buffers in the arena, by byte offset; where buffers lie was settled when packing (cli/compress/plan).
 * plan-read.ts makes one of JSON, plan-check.ts proves it safe.
 */
/** What a field of a step holds. Offsets are bytes into the arena; sizes count elements, from 1. */
export type FieldKind = 'offset' | 'size' | 'index' | 'number' | 'tensor' | 'tensor?';

/** Every kernel call and its operands. All buffers are f32 unless said. */
export const STEP_FIELDS = {
  /** out (height/patch · width/patch, channels · patch · patch) from pixels (channels, height, width). */
  patchify: { pixels: 'offset', out: 'offset', channels: 'size', height: 'size', width: 'size', patch: 'size' },
  /** out (rows, outputs) = x (rows, inputs) · weightᵀ + bias, with weight (outputs, inputs) and bias (outputs) or none. */
  linear: { x: 'offset', weight: 'tensor', bias: 'tensor?', out: 'offset', rows: 'size', inputs: 'size', outputs: 'size' },
  /** quantized (rows, columns) u8 in 0..127, with x ≈ scales · (quantized - zeros); scales (rows) f32, zeros (rows) i32. */
  quantizeRows: { x: 'offset', quantized: 'offset', scales: 'offset', zeros: 'offset', rows: 'size', columns: 'size' },
  /** out (rows) i32 = the sum of each row of weight (rows, columns) int8. */
  sumRows: { weight: 'tensor', out: 'offset', rows: 'size', columns: 'size' },
  /** `linear` on the output of `quantizeRows`, weight int8 with a scale per row and the row sums of `sumRows`. */
  linearInt8: {
    quantized: 'offset', scales: 'offset', zeros: 'offset', weight: 'tensor', weightScales: 'tensor', weightSums: 'offset',
    bias: 'tensor?', out: 'offset', rows: 'size', inputs: 'size', outputs: 'size',
  },
  /** out (patchCount + 1, columns) = [cls; patches] + position. */
  tokens: { patches: 'offset', cls: 'tensor', position: 'tensor', out: 'offset', patchCount: 'size', columns: 'size' },
  /** out = gamma · (x - mean) / sqrt(variance + epsilon) + beta, for each of the rows. */
  layerNorm: { x: 'offset', gamma: 'tensor', beta: 'tensor', out: 'offset', rows: 'size', columns: 'size', epsilon: 'number' },
  /** out, q, k, v (tokens, columns); head h is columns h·columns/heads and on; scores (tokens) is scratch. */
  attention: {
    q: 'offset', k: 'offset', v: 'offset', scores: 'offset', out: 'offset', tokens: 'size', columns: 'size', heads: 'size',
  },
  /** out = x · Φ(x), the exact GELU. */
  gelu: { x: 'offset', out: 'offset', count: 'size' },
  tanh: { x: 'offset', out: 'offset', count: 'size' },
  /** out = a + b. */
  add: { a: 'offset', b: 'offset', out: 'offset', count: 'size' },
  /** out (columns) = row `index` of x (rows, columns). */
  selectRow: { x: 'offset', out: 'offset', rows: 'size', columns: 'size', index: 'index' },
} as const satisfies Record<string, Record<string, FieldKind>>;

export type StepOp = keyof typeof STEP_FIELDS;

type FieldValue<Kind, Place> = Kind extends 'offset'
  ? Place
  : Kind extends 'tensor'
    ? string
    : Kind extends 'tensor?'
      ? string | null
      : number;

/** One kernel call, e.g. `Step<'linear'>`. Its buffers are byte offsets; while packing they are still without a place. */
export type Step<Op extends StepOp = StepOp, Place = number> = {
  [O in Op]: { readonly op: O } & { readonly [F in keyof (typeof STEP_FIELDS)[O]]: FieldValue<(typeof STEP_FIELDS)[O][F], Place> };
}[Op];

/** A buffer of f32 that the host writes or reads. */
export interface PlanBuffer {
  readonly offset: number;
  readonly shape: readonly number[];
}

export interface Plan {
  readonly arenaBytes: number;
  readonly input: PlanBuffer;
  readonly output: PlanBuffer;
  /** Run once, when the engine is made; what they write stays. */
  readonly once: readonly Step[];
  /** Run at every call. */
  readonly steps: readonly Step[];
}

/** What an artifact may ask for, so that a hostile one is refused before it costs anything. */
export interface Limits {
  /** Weights and arena together. */
  readonly memoryBytes: number;
  /** Of one answer: multiply-accumulates, or values touched; see `operationsOf`. */
  readonly operations: number;
}

export const DEFAULT_LIMITS: Limits = { memoryBytes: 1024 * 1024 * 1024, operations: 1e12 };

/** Buffers and weights begin at multiples of this: the width of a SIMD register. */
export const ALIGNMENT = 16;

export function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Where weights and arena lie in linear memory. Address 0 stays unused: to a kernel it means "no operand". */
export function memoryLayout(weightBytes: number, arenaBytes: number): { weights: number; arena: number; bytes: number } {
  const weights = ALIGNMENT;
  const arena = weights + alignUp(weightBytes);
  return { weights, arena, bytes: arena + arenaBytes };
}

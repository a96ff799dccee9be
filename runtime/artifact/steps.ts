/**
 * Every kernel call that a plan may hold: its operands in the order in which the kernel takes them, and what each needs. Reading, checking,
 * laying out memory and calling are walks over this table.
 *
 * Buffers lie in the arena and are f32, but for `quantized` ones: rows of bytes in 0..127, each with a scale and a zero point,
 * x ≈ scale · (byte - zero). Int8 tensors have their scales, one for each output or row, in the tensor `NAME.scale`.
 */
import type { Dtype } from './safetensors.ts';

/** A step's sizes by field; rows that follow the sequence at their most. */
export type Sizes = Readonly<Record<string, number>>;
type Count = (sizes: Sizes) => number;

/** Bytes of the arena. */
interface BufferField<Kind extends 'offset' | 'offset?'> {
  readonly kind: Kind;
  readonly writes: boolean;
  readonly bytes: Count;
}

/** A tensor of the artifact, by name. */
interface TensorField<Kind extends 'tensor' | 'tensor?'> {
  readonly kind: Kind;
  readonly role: TensorRole;
  readonly shape: (sizes: Sizes) => readonly number[];
}

/**
 * `plain`: f32. `packed`: an f32 weight. `int8`: an int8 weight, which the kernel takes with its columns (see plan-memory). `table`: rows of f32
 * or int8, which the kernel takes with their scales. `bias`: f32 that is part of those columns, and no operand of its own.
 */
export type TensorRole = 'plain' | 'packed' | 'int8' | 'table' | 'bias';

/** Memory of the kernel's own while it runs; the engine's business, not in the plan. */
interface ScratchField {
  readonly kind: 'scratch';
  readonly bytes: Count;
}

/** A number: sizes count elements, from 1; `rows` is a size or `tokens`, as many as the sequence has. */
interface NumberField<Kind extends 'rows' | 'size' | 'index' | 'number' | 'activation'> {
  readonly kind: Kind;
}

export type Field =
  | BufferField<'offset'> | BufferField<'offset?'> | TensorField<'tensor'> | TensorField<'tensor?'> | ScratchField
  | NumberField<'rows'> | NumberField<'size'> | NumberField<'index'> | NumberField<'number'> | NumberField<'activation'>;

interface StepDefinition {
  readonly fields: Readonly<Record<string, Field>>;
  /** About how many operations it takes, so that a plan can't compute for ever. */
  readonly work: Count;
  /** What must hold of its sizes, in words; null where all does. */
  readonly wrong?: (sizes: Sizes) => string | null;
  /** Element i of the output depends only on element i of the inputs, so that they may share a buffer. */
  readonly elementwise?: true;
}

export const ACTIVATIONS = ['none', 'gelu', 'tanh'] as const;

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

/** Bytes of a row of quantized values: the values, then the scale and the zero point. */
export function quantizedRowBytes(columns: number): number {
  return alignUp(columns) + 16;
}

/** The tensor that holds the scales of an int8 one. */
export function scaleName(tensor: string): string {
  return `${tensor}.scale`;
}

/** Keeps 127 · 128 · inputs, twice, inside an int32. */
const MAX_INT8_INPUTS = 65_536;
/** Keeps probabilities, which are rounded to a 32767th each, times values inside an int32. */
const MAX_ATTENTION_TOKENS = 32_768;

const size = { kind: 'size' } as const;
const rows = { kind: 'rows' } as const;
const activation = { kind: 'activation' } as const;

const reads = (elements: Count) => ({ kind: 'offset', writes: false, bytes: (s: Sizes) => 4 * elements(s) }) as const;
const writes = (elements: Count) => ({ kind: 'offset', writes: true, bytes: (s: Sizes) => 4 * elements(s) }) as const;
const maybe = <F extends BufferField<'offset'>>(field: F): Omit<F, 'kind'> & { readonly kind: 'offset?' } => ({ ...field, kind: 'offset?' });
const readsQuantized = (columns: string) => ({ kind: 'offset', writes: false, bytes: (s: Sizes) => s.rows * quantizedRowBytes(s[columns]) }) as const;
const writesQuantized = (columns: string) => ({ ...readsQuantized(columns), writes: true }) as const;
const tensor = (role: TensorRole, ...shape: readonly string[]) => ({ kind: 'tensor', role, shape: (s: Sizes) => shape.map((name) => s[name]) }) as const;
const maybeVector = (role: 'plain' | 'bias', length: string) => ({ ...tensor(role, length), kind: 'tensor?' }) as const;
const scratch = (bytes: Count) => ({ kind: 'scratch', bytes }) as const;

const inputsWide = (s: Sizes): number => s.rows * s.inputs;
const outputsWide = (s: Sizes): number => s.rows * s.outputs;
const columnsWide = (s: Sizes): number => s.rows * s.columns;
const tokensWide = (s: Sizes): number => s.tokens * s.columns;
const pixelCount = (s: Sizes): number => s.channels * s.height * s.width;
const toPanels = (count: number): number => Math.ceil(count / PANEL) * PANEL;

/** A tile, and four rows of f32 for each of four uses, as wide as the widest. */
const int8Scratch = (...widths: readonly string[]) => scratch((s) => 128 + 4 * 16 * alignUp(Math.max(...widths.map((name) => s[name]))));
const tooManyInputs = (...inputs: readonly string[]) => (s: Sizes): string | null =>
  inputs.every((name) => s[name] <= MAX_INT8_INPUTS) ? null : `at most ${MAX_INT8_INPUTS} inputs`;

/** q (queries, heads · keySize), k (tokens, keyHeads · keySize), v (tokens, keyHeads · valueSize), out (queries, heads · valueSize). */
const attention = (scratchBytes: Count) => ({
  fields: {
    q: reads((s) => s.queries * s.heads * s.keySize), k: reads((s) => s.tokens * s.keyHeads * s.keySize),
    v: reads((s) => s.tokens * s.keyHeads * s.valueSize), out: writes((s) => s.queries * s.heads * s.valueSize),
    scratch: scratch(scratchBytes), queries: rows, tokens: rows, heads: size, keyHeads: size, keySize: size, valueSize: size,
    scale: { kind: 'number' },
  },
  work: (s: Sizes) => s.queries * s.tokens * s.heads * (s.keySize + s.valueSize),
  wrong: (s: Sizes) =>
    s.keyHeads !== 1 && s.keyHeads !== s.heads ? 'keyHeads to be heads or 1'
    : s.tokens > MAX_ATTENTION_TOKENS ? `at most ${MAX_ATTENTION_TOKENS} tokens`
    : null,
}) as const;

const elementwise = {
  fields: { x: reads(columnsWide), out: writes(columnsWide), rows, columns: size }, work: columnsWide, elementwise: true,
} as const;

export const STEPS = {
  /** out (height/patch · width/patch, channels · patch · patch) from pixels (channels, height, width). */
  patchify: {
    fields: { pixels: reads(pixelCount), out: writes(pixelCount), channels: size, height: size, width: size, patch: size },
    work: pixelCount,
    wrong: (s) => (s.height % s.patch === 0 && s.width % s.patch === 0 ? null : 'height and width to be multiples of patch'),
  },
  /** The rows of x (rows, columns) to 7 bits. */
  quantizeRows: { fields: { x: reads(columnsWide), quantized: writesQuantized('columns'), rows, columns: size }, work: columnsWide },
  /** out (rows, outputs) = activation(x · weightᵀ + bias) + residual; x (rows, inputs), bias (outputs), residual (rows, outputs). */
  linear: {
    fields: {
      x: reads(inputsWide), weight: tensor('packed', 'outputs', 'inputs'), bias: maybeVector('plain', 'outputs'), residual: maybe(reads(outputsWide)),
      out: writes(outputsWide), scratch: scratch(() => 160), rows, inputs: size, outputs: size, activation,
    },
    work: (s) => s.rows * s.inputs * s.outputs,
  },
  /** `linear` on quantized rows and int8 weights. The result goes to `out`, `quantized` or both. */
  linearInt8: {
    fields: {
      x: readsQuantized('inputs'), weight: tensor('int8', 'outputs', 'inputs'), bias: maybeVector('bias', 'outputs'),
      residual: maybe(reads(outputsWide)), out: maybe(writes(outputsWide)), quantized: maybe(writesQuantized('outputs')),
      scratch: int8Scratch('inputs', 'outputs'), rows, inputs: size, outputs: size, activation,
    },
    work: (s) => s.rows * s.inputs * s.outputs,
    wrong: tooManyInputs('inputs'),
  },
  /** `linearInt8` through a low rank: activation(loraB · loraA · x + bias) + residual. */
  lowRankInt8: {
    fields: {
      x: readsQuantized('inputs'), loraA: tensor('int8', 'rank', 'inputs'), loraB: tensor('int8', 'outputs', 'rank'),
      bias: maybeVector('bias', 'outputs'), residual: maybe(reads(outputsWide)), out: maybe(writes(outputsWide)),
      quantized: maybe(writesQuantized('outputs')), scratch: int8Scratch('inputs', 'rank', 'outputs'), rows, inputs: size, rank: size,
      outputs: size, activation,
    },
    work: (s) => s.rows * s.rank * (s.inputs + s.outputs),
    wrong: tooManyInputs('inputs', 'rank'),
  },
  /** out (rows, columns) = [cls; patches] + position. */
  tokens: {
    fields: {
      patches: reads((s) => (s.rows - 1) * s.columns), cls: tensor('plain', 'columns'), position: tensor('table', 'rows', 'columns'),
      out: writes(columnsWide), rows: size, columns: size,
    },
    work: columnsWide,
  },
  /** out (tokens, columns) = word[ids] + position + type[types]; ids, types (tokens) i32. */
  textEmbedding: {
    fields: {
      ids: reads((s) => s.tokens), types: reads((s) => s.tokens), word: tensor('table', 'words', 'columns'),
      position: tensor('table', 'positions', 'columns'), type: tensor('table', 'kinds', 'columns'), out: writes(tokensWide), tokens: rows,
      columns: size, words: size, positions: size, kinds: size,
    },
    work: tokensWide,
    wrong: (s) => (s.tokens <= s.positions ? null : 'no more tokens than positions'),
  },
  /** gamma · (x - mean) / sqrt(variance + epsilon) + beta for each row, to `out`, `quantized` or both. */
  layerNorm: {
    fields: {
      x: reads(columnsWide), gamma: tensor('plain', 'columns'), beta: tensor('plain', 'columns'), out: maybe(writes(columnsWide)),
      quantized: maybe(writesQuantized('columns')), scratch: scratch((s) => 4 * s.columns), rows, columns: size, epsilon: { kind: 'number' },
    },
    work: columnsWide,
    wrong: (s) => (s.epsilon >= 0 ? null : 'an epsilon of at least 0'),
  },
  /** softmax(scale · q · kᵀ) · v per head. */
  attention: attention(({ tokens, keySize, valueSize }) => {
    const padded = toPanels(tokens);
    return 160 + 16 * keySize + 16 * padded + 4 * padded * keySize + 4 * toPanels(valueSize) * tokens;
  }),
  /** The same in 16-bit integers. */
  attentionInt16: attention(({ tokens, keySize, valueSize }) => {
    const [padded, columns, keyBytes] = [toPanels(tokens), toPanels(valueSize), 8 * Math.ceil(keySize / 4)];
    return 144 + 4 * keyBytes + 28 * padded + 4 * columns + padded * keyBytes + 2 * columns * padded;
  }),
  /** out = x · Φ(x), the GELU by the normal distribution's Φ. */
  gelu: elementwise,
  tanh: elementwise,
  /** out = a + b. */
  add: { ...elementwise, fields: { a: reads(columnsWide), b: reads(columnsWide), out: writes(columnsWide), rows, columns: size } },
  /** out (columns) = row `index` of x (rows, columns). */
  selectRow: {
    fields: { x: reads(columnsWide), out: writes((s) => s.columns), rows: size, columns: size, index: { kind: 'index' } },
    work: (s) => s.columns,
    wrong: (s) => (s.index < s.rows ? null : 'an index below rows'),
  },
} as const satisfies Record<string, StepDefinition>;

export type StepOp = keyof typeof STEPS;

/** The dtype of a tensor in a role; null where it may be F32 or I8. */
export const ROLE_DTYPES: Readonly<Record<TensorRole, Dtype | null>> = { plain: 'F32', packed: 'F32', int8: 'I8', table: null, bias: 'F32' };

/** The fields of a step, in the order of the table. */
export function fieldsOf(op: StepOp): readonly (readonly [name: string, field: Field])[] {
  return Object.entries(STEPS[op].fields);
}

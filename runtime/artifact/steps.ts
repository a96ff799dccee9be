/**
 * Every kernel call that a plan may hold: its operands in the order in which the kernel takes them, and what each
 * needs. Reading, checking, laying out memory and calling are walks over this table.
 *
 * Buffers lie in the arena and are f32, but for `quantized` ones: rows of bytes in 0..127, each with a scale and a zero
 * point, x ≈ scale · (byte - zero). Int8 tensors have their scales, one for each output or row, in the tensor
 * `NAME.scale`; so have int4 ones (U8), and `NAME.groups` beside them. An int4 tensor may stand wherever an int8 one
 * may: it becomes one when an engine is made.
 */

/** A step's sizes by field; rows that follow the sequence at their most. */
export type Sizes = Readonly<Record<string, number>>;
type Count = (sizes: Sizes) => number;

/** An axis: as long as a field of the step says, or as told by several. */
type Axis = string | Count;

/** Bytes of the arena, for f32 or quantized rows of that shape. */
interface BufferField {
  readonly kind: 'buffer';
  readonly writes: boolean;
  readonly quantized: boolean;
  readonly shape: readonly Axis[];
  readonly optional?: true;
}

/** A tensor of the artifact, by name. */
interface TensorField {
  readonly kind: 'tensor';
  readonly role: TensorRole;
  readonly shape: readonly Axis[];
  readonly optional?: true;
}

/**
 * `plain`: f32. `packed`: an f32 weight. `int8`: an int8 weight, which the kernel takes with its columns (see
 * plan-memory). `table`: rows of f32 or int8, which the kernel takes with their scales. `bias`: f32 that is part of
 * those columns, and no operand of its own.
 */
export type TensorRole = 'plain' | 'packed' | 'int8' | 'table' | 'bias';

/** Memory of the kernel's own while it runs; the engine's business, not in the plan. */
interface ScratchField {
  readonly kind: 'scratch';
  readonly bytes: Count;
}

/** A number: sizes count elements, from 1; `rows` is a size or `tokens`, as many as the sequence has. */
interface NumberField {
  readonly kind: 'rows' | 'size' | 'index' | 'number' | 'activation';
}

/** What a field of a step is: this decides how it is read, checked and given to the kernel. */
export type Field = BufferField | TensorField | ScratchField | NumberField;

/** One kernel's entry in the table. */
export interface StepDefinition {
  readonly fields: Readonly<Record<string, Field>>;
  /** What its sizes must fulfil, by the words for it. */
  readonly must?: Readonly<Record<string, (sizes: Sizes) => boolean>>;
  /** Operations beside those on each byte of its buffers, and on each byte of its weights for each row. */
  readonly work?: Count;
  /** Element i of the output depends only on element i of the inputs, so that they may share a buffer. */
  readonly elementwise?: true;
}

/** The place in this list is the number that kernels take (kernels/assembly/finish.ts). */
export const ACTIVATIONS = [
  'none',
  'gelu',
  'tanh',
  'relu',
  'sigmoid',
  'silu',
  'quickGelu',
  'geluTanh',
  'mish',
  'relu6',
  'reluSquared',
  'leakyRelu',
  'hardSwish',
] as const;

/** Whether an operation of that name is an activation, of which each is a kernel, too. */
export function isActivation(name: string): name is Exclude<(typeof ACTIVATIONS)[number], 'none'> {
  return name !== 'none' && (ACTIVATIONS as readonly string[]).includes(name);
}

/** Buffers and weights begin at multiples of this: the width of a SIMD register. */
export const ALIGNMENT = 16;

/** The next multiple of `ALIGNMENT`. */
export function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Outputs that a panel of packed weights holds. */
export const PANEL = 8;

/** Inputs that a group of packed int8 weights holds. */
export const GROUP = 4;

/**
 * The shape of a weight (outputs, inputs) as the kernels read it: panels of eight outputs. In f32 (panels, inputs, 8);
 * in int8 (panels, groups, 8, 4), groups of four inputs, an even number of them. What pads them is 0.
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

/** Values of a row of an int4 tensor that have a factor in common. */
export const INT4_GROUP = 32;

/** The largest factor of such a group, either sign: -8..7 times it is an int8. */
export const MAX_INT4_FACTOR = 15;

/**
 * The shape of an int4 tensor (rows, columns): two values a byte, whole groups. Byte j of a group of 32 holds its value
 * j in the low bits and value 16 + j in the high ones, -8..7 each.
 */
export function int4Shape(rows: number, columns: number): readonly [rows: number, bytes: number] {
  return [rows, (INT4_GROUP / 2) * Math.ceil(columns / INT4_GROUP)];
}

/**
 * The tensor that holds the factors of an int4 one's groups (rows, groups), int8: a value is the row's scale times its
 * group's factor times its four bits.
 */
export function factorName(tensor: string): string {
  return `${tensor}.groups`;
}

/** Whether a tensor of that type is int8 or int4, where a step may have either. */
export function isQuantized(dtype: string): boolean {
  return dtype === 'I8' || dtype === 'U8';
}

/** Keeps 127 · 128 · inputs, twice, inside an int32. */
export const MAX_INT8_INPUTS = 65_536;
/** Keeps probabilities, which are rounded to a 32767th each, times values inside an int32. */
const MAX_ATTENTION_TOKENS = 32_768;

const size = { kind: 'size' } as const;
const rows = { kind: 'rows' } as const;
const number = { kind: 'number' } as const;
const activation = { kind: 'activation' } as const;

const reads = (...shape: readonly Axis[]): BufferField => ({ kind: 'buffer', writes: false, quantized: false, shape });
const writes = (...shape: readonly Axis[]): BufferField => ({ ...reads(...shape), writes: true });
const quantizedRows = (field: BufferField): BufferField => ({ ...field, quantized: true });
const tensor = (role: TensorRole, ...shape: readonly Axis[]): TensorField => ({ kind: 'tensor', role, shape });
const optional = <F extends Field>(field: F) => ({ ...field, optional: true }) as const;
const scratch = (bytes: Count) => ({ kind: 'scratch', bytes }) as const;

const toPanels = (count: number): number => Math.ceil(count / PANEL) * PANEL;

const x = reads('rows', 'columns');
const out = writes('rows', 'columns');
const quantized = quantizedRows(out);
const vector = tensor('plain', 'columns');

/** What every linear layer has. */
const linearX = reads('rows', 'inputs');
const linearOut = writes('rows', 'outputs');
const layer = { rows, inputs: size, outputs: size, activation };
const residual = optional(reads('rows', 'outputs'));
/** The result goes to `out`, `quantized` or both. */
const int8Outputs = {
  bias: optional(tensor('bias', 'outputs')),
  residual,
  out: optional(linearOut),
  quantized: optional(quantizedRows(linearOut)),
  // A tile, and four rows of f32 for each of four uses, as wide as the widest.
  scratch: scratch((s) => 128 + 4 * 16 * alignUp(Math.max(s.inputs, s.rank ?? 0, s.outputs))),
};

/**
 * q (queries, heads · keySize), k (tokens, keyHeads · keySize), v (tokens, keyHeads · valueSize),
 * out (queries, heads · valueSize).
 */
const attention = (scratchBytes: Count) =>
  ({
    fields: {
      q: reads('queries', 'heads', 'keySize'),
      k: reads('tokens', 'keyHeads', 'keySize'),
      v: reads('tokens', 'keyHeads', 'valueSize'),
      out: writes('queries', 'heads', 'valueSize'),
      scratch: scratch(scratchBytes),
      queries: rows,
      tokens: rows,
      heads: size,
      keyHeads: size,
      keySize: size,
      valueSize: size,
      scale: number,
    },
    work: (s: Sizes) =>
      s.heads * (s.queries * (toPanels(s.tokens) * (s.keySize + s.valueSize) + 2500) + 300 * s.tokens),
    must: {
      'keyHeads to be heads or 1': (s: Sizes) => s.keyHeads === 1 || s.keyHeads === s.heads,
      [`at most ${MAX_ATTENTION_TOKENS} tokens`]: (s: Sizes) => s.tokens <= MAX_ATTENTION_TOKENS,
    },
  }) as const;

const elementwise = { fields: { x, out, rows, columns: size }, elementwise: true } as const;

/** The table, by the names of the kernels. */
export const STEPS = {
  /** out (height/patch · width/patch, channels · patch · patch) from pixels (channels, height, width). */
  patchify: {
    fields: {
      pixels: reads('channels', 'height', 'width'),
      out: writes('channels', 'height', 'width'),
      channels: size,
      height: size,
      width: size,
      patch: size,
    },
    work: (s) => (160 * s.channels * s.height * s.width) / s.patch,
    must: { 'height and width to be multiples of patch': (s) => s.height % s.patch === 0 && s.width % s.patch === 0 },
  },
  /** The rows of x (rows, columns) to 7 bits. */
  quantizeRows: { fields: { x, quantized, rows, columns: size } },
  /**
   * out (rows, outputs) = activation(x · weightᵀ + bias) + residual; x (rows, inputs), bias (outputs),
   * residual (rows, outputs).
   */
  linear: {
    fields: {
      x: linearX,
      weight: tensor('packed', 'outputs', 'inputs'),
      bias: optional(tensor('plain', 'outputs')),
      residual,
      out: linearOut,
      scratch: scratch(() => 160),
      ...layer,
    },
  },
  /** `linear` on quantized rows and int8 weights. */
  linearInt8: {
    fields: { x: quantizedRows(linearX), weight: tensor('int8', 'outputs', 'inputs'), ...int8Outputs, ...layer },
  },
  /** `linearInt8` through a low rank: activation(loraB · loraA · x + bias) + residual. */
  lowRankInt8: {
    fields: {
      x: quantizedRows(linearX),
      loraA: tensor('int8', 'rank', 'inputs'),
      loraB: tensor('int8', 'outputs', 'rank'),
      ...int8Outputs,
      rows,
      inputs: size,
      rank: size,
      outputs: size,
      activation,
    },
  },
  /** out (rows, columns) = [cls; patches] + position. */
  tokens: {
    fields: {
      patches: reads((s) => s.rows - 1, 'columns'),
      cls: vector,
      position: tensor('table', 'rows', 'columns'),
      out,
      rows: size,
      columns: size,
    },
  },
  /** `tokens` with several before the patches: out (rows, columns) = [prefix; patches] + position. */
  prefixTokens: {
    fields: {
      patches: reads((s) => s.rows - s.prefixRows, 'columns'),
      prefix: tensor('plain', (s) => s.prefixRows * s.columns),
      position: tensor('table', 'rows', 'columns'),
      out,
      prefixRows: size,
      rows: size,
      columns: size,
    },
    must: { 'more rows than prefixRows': (s) => s.prefixRows < s.rows },
  },
  /** out (rows, columns) = table[ids] + residual; ids (rows) i32. Without ids, row i is the table's row i. */
  embedding: {
    fields: {
      ids: optional(reads('rows')),
      table: tensor('table', 'entries', 'columns'),
      residual: optional(x),
      out,
      rows,
      columns: size,
      entries: size,
    },
    must: { 'ids or an entry for each row': (s) => s.ids !== null || s.rows <= s.entries },
  },
  /** gamma · (x - mean) / sqrt(variance + epsilon) + beta for each row, to `out`, `quantized` or both. */
  layerNorm: {
    fields: {
      x,
      gamma: vector,
      beta: vector,
      out: optional(out),
      quantized: optional(quantized),
      scratch: scratch((s) => 4 * s.columns),
      rows,
      columns: size,
      epsilon: number,
    },
    must: { 'an epsilon of at least 0': (s) => s.epsilon >= 0 },
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
  relu: elementwise,
  sigmoid: elementwise,
  silu: elementwise,
  quickGelu: elementwise,
  geluTanh: elementwise,
  mish: elementwise,
  relu6: elementwise,
  reluSquared: elementwise,
  leakyRelu: elementwise,
  hardSwish: elementwise,
  /** out = a + b. */
  add: { fields: { a: x, b: x, out, rows, columns: size }, elementwise: true },
  /** out = a · b. */
  multiply: { fields: { a: x, b: x, out, rows, columns: size }, elementwise: true },
  /** out (columns) = row `index` of x (rows, columns). */
  selectRow: {
    fields: { x, out: writes('columns'), rows: size, columns: size, index: { kind: 'index' } },
    must: { 'an index below rows': (s) => s.index < s.rows },
  },
  /** out (columns) = the mean of `count` rows of x (rows, columns), from row `index` on. */
  meanRows: {
    fields: { x, out: writes('columns'), rows: size, columns: size, index: { kind: 'index' }, count: size },
    must: { 'index and count within rows': (s) => s.index + s.count <= s.rows },
  },
  /** out (first + second) = [a; b], of a (first) and b (second). */
  concat: {
    fields: {
      a: reads('first'),
      b: reads('second'),
      out: writes((s) => s.first + s.second),
      first: size,
      second: size,
    },
  },
} as const satisfies Record<string, StepDefinition>;

/** The name of a kernel that a step calls. */
export type StepOp = keyof typeof STEPS;

/** The fields of a step, in the order of the table. */
export function fieldsOf(op: StepOp): readonly (readonly [name: string, field: Field])[] {
  return Object.entries(STEPS[op].fields);
}

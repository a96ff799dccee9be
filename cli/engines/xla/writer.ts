/** Writes the body of a StableHLO function as text, one operation a line. */
import { broadcastShape } from '../../graph/ops/binary.ts';
import type {
  HloAttribute,
  HloCombiner,
  HloTensorType,
  HloType,
  HloValue,
  StableHloWriter,
} from '../../graph/targets.ts';
import type { Precision } from '../precision.ts';

type Shape = readonly number[];

/** What each reduction begins with. */
const NEUTRAL: Readonly<Record<HloCombiner, string>> = {
  'stablehlo.add': '0.0',
  'stablehlo.maximum': '0xFF800000', // -∞
  'stablehlo.minimum': '0x7F800000', // ∞
};

/**
 * How products are computed. XLA's HIGHEST computes f32 products in f32; its DEFAULT lets a GPU round their operands to
 * tf32. Products of bf16 add up in f32 and are rounded once, unless they are sums over the batch.
 */
const PRODUCTS = {
  f32: { operands: 'f32', results: 'f32', precision: 'HIGHEST' },
  tf32: { operands: 'f32', results: 'f32', precision: 'DEFAULT' },
  bf16: { operands: 'bf16', results: 'bf16', precision: 'DEFAULT' },
} as const satisfies Readonly<Record<Precision, unknown>>;

/** Values of bf16 that a tensor core loads at once: 16 bytes. Rows that are no multiple of them are read one by one. */
const ROW_MULTIPLE = 8;

/** How much narrower a matrix is than its product for a copy of it to cost less than a pass over the product. */
const THIN = 8;

/** A type as MLIR writes it: `tensor<2x3xf32>`. */
export function tensorType({ dtype, shape }: HloTensorType): string {
  return `tensor<${[...shape, dtype === 'u8' ? 'ui8' : dtype].join('x')}>`;
}

/** Collects the lines of one function; an operation that was written already is not written again. */
export class ModuleWriter implements StableHloWriter {
  readonly lines: string[] = [];
  private readonly precision: Precision;
  /** What an operation gave, by its text: asked for again, it is the same value. */
  private readonly written = new Map<string, HloValue>();

  constructor(precision: Precision) {
    this.precision = precision;
  }

  op(
    operation: string,
    operands: readonly HloValue[],
    { dtype, shape }: HloTensorType,
    attributes: Readonly<Record<string, HloAttribute>> = {},
    combiner?: HloCombiner,
  ): HloValue {
    const region = combiner ? ` ${combinerRegion(combiner, dtype)}` : '';
    const text = operationText(operation, operands, [{ dtype, shape }], attributes, region);
    const known = this.written.get(text);
    if (known) return known;
    const value = { name: `%${this.lines.length}`, dtype, shape };
    this.lines.push(`${value.name} = ${text}`);
    this.written.set(text, value);
    return value;
  }

  /** Adds an operation of several results, each time anew. */
  ops(
    operation: string,
    operands: readonly HloValue[],
    results: readonly HloTensorType[],
    attributes: Readonly<Record<string, HloAttribute>>,
  ): HloValue[] {
    const name = `%${this.lines.length}`;
    this.lines.push(`${name}:${results.length} = ${operationText(operation, operands, results, attributes)}`);
    return results.map((type, i) => ({ name: `${name}#${i}`, ...type }));
  }

  elementwise(operation: string, ...operands: readonly HloValue[]): HloValue {
    const shape = operands.map((x) => x.shape).reduce((a, b) => broadcastShape(a, b)!);
    return this.op(
      operation,
      operands.map((x) => this.broadcast(x, shape)),
      { dtype: operands[0].dtype, shape },
    );
  }

  constant(values: Float32Array, shape: Shape): HloValue {
    const type = { dtype: 'f32', shape } as const;
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    const bits = values.length === 1 ? `0x${hexNumber(values[0])}` : `"0x${bytes.toString('hex').toUpperCase()}"`;
    return this.op('stablehlo.constant', [], type, { value: `dense<${bits}> : ${tensorType(type)}` });
  }

  scalar(value: number): HloValue {
    return this.constant(Float32Array.of(value), []);
  }

  broadcast(x: HloValue, shape: Shape): HloValue {
    const missing = shape.length - x.shape.length;
    if (missing === 0 && x.shape.every((size, i) => size === shape[i])) return x;
    const type = { dtype: x.dtype, shape };
    return this.op('stablehlo.broadcast_in_dim', [x], type, {
      broadcast_dimensions: x.shape.map((_, i) => i + missing),
    });
  }

  convert(x: HloValue, dtype: HloType): HloValue {
    return x.dtype === dtype ? x : this.op('stablehlo.convert', [x], { dtype, shape: x.shape });
  }

  reduce(combiner: HloCombiner, x: HloValue, axes: Shape): HloValue {
    const { dtype } = x;
    const start = this.op(
      'stablehlo.constant',
      [],
      { dtype, shape: [] },
      { value: `dense<${NEUTRAL[combiner]}> : ${tensorType({ dtype, shape: [] })}` },
    );
    const left = x.shape.filter((_, i) => !axes.includes(i));
    const reduced = this.op('stablehlo.reduce', [x, start], { dtype, shape: left }, { dimensions: axes }, combiner);
    const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
    return this.reshape(reduced, kept);
  }

  product(
    a: HloValue,
    b: HloValue,
    axes: { readonly a: number; readonly b: number; readonly batched?: number; readonly sums?: boolean },
  ): HloValue {
    const { operands, results, precision } = PRODUCTS[this.precision];
    const { batched = 0, sums = false } = axes;
    const leading = Array.from({ length: batched }, (_, i) => i).join(', ');
    const shapeOf = (x: HloValue, y: HloValue): Shape => [
      ...x.shape.slice(0, batched),
      ...x.shape.filter((_, i) => i >= batched && i !== axes.a),
      ...y.shape.filter((_, i) => i >= batched && i !== axes.b),
    ];
    const given = [this.convert(a, operands), this.convert(b, operands)] as const;
    const taken = operands === 'bf16' && batched === 0 ? this.wholeRows(...given, axes) : given;
    const numbers = [
      `lhs_batching_dimensions = [${leading}], rhs_batching_dimensions = [${leading}]`,
      `lhs_contracting_dimensions = [${axes.a}], rhs_contracting_dimensions = [${axes.b}]`,
    ];
    const each = `#stablehlo<precision ${precision}>`;
    const product = this.op(
      'stablehlo.dot_general',
      taken,
      { dtype: sums ? 'f32' : results, shape: shapeOf(...taken) },
      { dot_dimension_numbers: `#stablehlo.dot<${numbers.join(', ')}>`, precision_config: `[${each}, ${each}]` },
    );
    return this.convert(this.beginning(product, shapeOf(a, b)), 'f32');
  }

  productPlus(a: HloValue, b: HloValue, bias: HloValue, axes: { readonly a: number; readonly b: number }): HloValue {
    const [rows, inner] = a.shape;
    const [columns] = bias.shape;
    const isThin = axes.a === 1 && THIN * inner <= columns;
    if (this.precision !== 'bf16' || !isThin) return this.elementwise('stablehlo.add', this.product(a, b, axes), bias);
    const ones = this.broadcast(this.scalar(1), [rows, 1]);
    const weights = this.reshape(bias, axes.b === 1 ? [columns, 1] : [1, columns]);
    return this.product(this.concatenate([a, ones], 1), this.concatenate([b, weights], axes.b), axes);
  }

  /** Operands with zeros behind each row that tensor cores can't load whole, and as many where they are summed over. */
  private wholeRows(a: HloValue, b: HloValue, axes: { readonly a: number; readonly b: number }): [HloValue, HloValue] {
    const whole = (size: number): number => Math.ceil(size / ROW_MULTIPLE) * ROW_MULTIPLE;
    const sizes = [a, b].map(({ shape }) => shape.with(-1, whole(shape.at(-1)!)));
    const inner = Math.max(sizes[0][axes.a], sizes[1][axes.b]);
    return [this.padded(a, sizes[0].with(axes.a, inner)), this.padded(b, sizes[1].with(axes.b, inner))];
  }

  /** x with zeros behind it on each axis that is shorter than the shape's. */
  private padded(x: HloValue, shape: Shape): HloValue {
    if (shape.every((size, i) => size === x.shape[i])) return x;
    const none = shape.map(() => 0);
    return this.op(
      'stablehlo.pad',
      [x, this.convert(this.scalar(0), x.dtype)],
      { dtype: x.dtype, shape },
      {
        edge_padding_low: none,
        edge_padding_high: shape.map((size, i) => size - x.shape[i]),
        interior_padding: none,
      },
    );
  }

  /** The first of x's values on each axis that is longer than the shape's. */
  private beginning(x: HloValue, shape: Shape): HloValue {
    if (shape.every((size, i) => size === x.shape[i])) return x;
    const type = { dtype: x.dtype, shape };
    return this.op('stablehlo.slice', [x], type, {
      start_indices: shape.map(() => 0),
      limit_indices: shape,
      strides: shape.map(() => 1),
    });
  }

  private concatenate(parts: readonly HloValue[], axis: number): HloValue {
    const [{ dtype, shape }] = parts;
    const total = parts.reduce((sum, part) => sum + part.shape[axis], 0);
    return this.op('stablehlo.concatenate', parts, { dtype, shape: shape.with(axis, total) }, { dimension: axis });
  }

  private reshape(x: HloValue, shape: Shape): HloValue {
    return this.op('stablehlo.reshape', [x], { dtype: x.dtype, shape });
  }
}

/** An operation in MLIR's generic form. */
function operationText(
  operation: string,
  operands: readonly HloValue[],
  results: readonly HloTensorType[],
  attributes: Readonly<Record<string, HloAttribute>>,
  region = '',
): string {
  const values = operands.map(({ name }) => name).join(', ');
  const named = Object.entries(attributes).map(([name, value]) => `${name} = ${attributeText(value)}`);
  const dictionary = named.length === 0 ? '' : ` {${named.join(', ')}}`;
  const [from, to] = [operands, results].map((types) => types.map(tensorType).join(', '));
  return `"${operation}"(${values})${region}${dictionary} : (${from}) -> ${results.length === 1 ? to : `(${to})`}`;
}

function attributeText(value: HloAttribute): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return `${value} : i64`;
  return value.length === 0 ? 'array<i64>' : `array<i64: ${value.join(', ')}>`;
}

/** The region of a reduction or scatter: a function of two scalars. */
function combinerRegion(combiner: HloCombiner, dtype: HloType): string {
  const type = tensorType({ dtype, shape: [] });
  const combined = `%combined = "${combiner}"(%left, %right) : (${type}, ${type}) -> ${type}`;
  return `({ ^bb0(%left: ${type}, %right: ${type}): ${combined} "stablehlo.return"(%combined) : (${type}) -> () })`;
}

/** The bits of a float32 as MLIR writes them: exact, also for infinities and NaN. */
function hexNumber(value: number): string {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  return bits.toString(16).toUpperCase().padStart(8, '0');
}

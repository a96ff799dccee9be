/** What a step works on, and what memory a plan needs beside its weights and its arena. */
import type { Plan, Step } from './plan.ts';
import { elementCount, type TensorEntry } from './safetensors.ts';
import { alignUp, type Field, fieldsOf, PANEL, packedShape, quantizedRowBytes, type Sizes } from './steps.ts';

/** The kernels' constants lie below this address. 0 is never an operand: to a kernel it means that there is none. */
const KERNEL_BYTES = 1024;

/** A field of a step with its value; scratch has none. */
export interface Operand {
  readonly name: string;
  readonly field: Field;
  readonly value: unknown;
  /** Of a buffer or a tensor, with rows that follow the sequence at its longest. */
  readonly shape: readonly number[];
  /** Of a buffer or of scratch. */
  readonly bytes: number;
}

/**
 * A step's operands, in the order in which its kernel takes them. Sizes are NaN where rows follow a sequence that there
 * isn't.
 */
export function operandsOf(step: Step, tokens: number | null): readonly Operand[] {
  const sizes = sizesOf(step, tokens);
  return fieldsOf(step.op).map(([name, field]) => {
    const shape =
      'shape' in field ? field.shape.map((axis) => (typeof axis === 'string' ? sizes[axis] : axis(sizes))) : [];
    return {
      name,
      field,
      value: (step as unknown as Readonly<Record<string, unknown>>)[name],
      shape,
      bytes: bytesOf(field, shape, sizes),
    };
  });
}

function bytesOf(field: Field, shape: readonly number[], sizes: Sizes): number {
  if (field.kind === 'scratch') return field.bytes(sizes);
  return field.kind === 'buffer' && field.quantized ? shape[0] * quantizedRowBytes(shape[1]) : 4 * elementCount(shape);
}

/** A step's numbers by field, with rows that follow the sequence at its longest; NaN where there is no sequence. */
export function sizesOf({ op: _, ...values }: Step, tokens: number | null): Sizes {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, value === 'tokens' ? (tokens ?? NaN) : (value as number)]),
  );
}

/** Where all lies in memory. */
export interface MemoryLayout {
  readonly weights: number;
  /** The int8 tensors that int4 ones become. */
  readonly unpacked: number;
  readonly columns: number;
  readonly arena: number;
  readonly scratch: number;
  readonly bytes: number;
}

/**
 * Addresses and sizes in bytes of what an engine holds. `weightBytes` are those of all tensors, `entries` theirs; steps
 * take turns with the scratch.
 */
export function memoryLayout(
  weightBytes: number,
  { steps, arenaBytes, tokens }: Plan,
  entries: ReadonlyMap<string, Pick<TensorEntry, 'dtype'>>,
): MemoryLayout {
  const weights = KERNEL_BYTES;
  const unpacked = weights + alignUp(weightBytes);
  const bytes = { unpacked: 0, columns: 0, scratch: 0 };
  for (const operand of steps.flatMap((step) => operandsOf(step, tokens))) {
    const { field, shape, value } = operand;
    if (field.kind === 'scratch') bytes.scratch = Math.max(bytes.scratch, operand.bytes);
    if (field.kind !== 'tensor') continue;
    if (isInt4(operand, entries.get(value as string))) bytes.unpacked += unpackedBytes(operand);
    if (field.role === 'int8') bytes.columns += columnBytes(shape[0]);
  }
  const columns = unpacked + bytes.unpacked;
  const arena = columns + bytes.columns;
  const scratch = arena + alignUp(arenaBytes);
  return { weights, unpacked, columns, arena, scratch, bytes: scratch + bytes.scratch };
}

/** Whether an operand is an int4 tensor in an int8 one's place. */
export function isInt4({ field }: Pick<Operand, 'field'>, entry: Pick<TensorEntry, 'dtype'> | undefined): boolean {
  return field.kind === 'tensor' && (field.role === 'int8' || field.role === 'table') && entry?.dtype === 'U8';
}

/** Bytes of the int8 tensor that an int4 operand becomes. */
export function unpackedBytes({ field, shape }: Pick<Operand, 'field' | 'shape'>): number {
  const [rows, columns] = shape;
  const isPacked = field.kind === 'tensor' && field.role === 'int8';
  return alignUp(elementCount(isPacked ? packedShape('I8', rows, columns) : shape));
}

/**
 * Bytes of an int8 weight's columns, which are made with the engine: for each panel eight scales, sums of weights and
 * biases.
 */
export function columnBytes(outputs: number): number {
  return Math.ceil(outputs / PANEL) * 3 * 4 * PANEL;
}

import type { Artifact } from '../artifact/artifact.ts';
import {
  columnBytes,
  isInt4,
  type MemoryLayout,
  type Operand,
  operandsOf,
  unpackedBytes,
} from '../artifact/plan-memory.ts';
import { ACTIVATIONS, factorName, scaleName } from '../artifact/steps.ts';
import type { Kernels } from '../kernels/kernels.ts';

/** A kernel call on a sequence of that many tokens. */
export type Call = (tokens: number) => void;

/**
 * The plan's kernel calls with their operands settled, so that running it computes no address and allocates nothing.
 * Unpacks int4 tensors and prepares the columns of int8 weights. An address of 0 stands for what is not there.
 */
export function bindSteps(
  { manifest: { plan }, entries }: Artifact,
  layout: MemoryLayout,
  kernels: Kernels,
): readonly Call[] {
  const addressOf = (tensor: unknown): number =>
    tensor === null ? 0 : layout.weights + entries.get(tensor as string)!.begin;
  const scalesOf = (tensor: unknown): number =>
    entries.get(tensor as string)!.dtype === 'F32' ? 0 : addressOf(scaleName(tensor as string));
  let nextUnpacked = layout.unpacked;
  let nextColumns = layout.columns;

  /** Where a tensor's int8 or f32 values lie; an int4 one's are made there. */
  function valuesOf(operand: Operand): number {
    const name = operand.value as string;
    const at = addressOf(name);
    if (!isInt4(operand, entries.get(name))) return at;
    const out = nextUnpacked;
    nextUnpacked += unpackedBytes(operand);
    const [rows, columns] = operand.shape;
    const unpack = operand.field.kind === 'tensor' && operand.field.role === 'int8' ? 'unpackWeight' : 'unpackTable';
    kernels[unpack](at, addressOf(factorName(name)), out, rows, columns);
    return out;
  }

  /** A step's bias is added to what has as many columns as its outputs. */
  function prepareColumns(weight: number, { value, shape }: Operand, bias: unknown): number {
    const [outputs, inputs] = shape;
    const columns = nextColumns;
    nextColumns += columnBytes(outputs);
    kernels.prepareColumns(weight, scalesOf(value), addressOf(bias), columns, inputs, outputs);
    return columns;
  }

  /** What the kernel takes for an operand: nothing, one argument, or a tensor with what belongs to it. */
  function argumentsOf(operand: Operand, bias: unknown): readonly unknown[] {
    const { field, value } = operand;
    switch (field.kind) {
      case 'scratch':
        return [layout.scratch];
      case 'buffer':
        return [value === null ? 0 : layout.arena + (value as number)];
      case 'activation':
        return [(ACTIVATIONS as readonly unknown[]).indexOf(value)];
      case 'tensor':
        if (field.role === 'bias') return [];
        if (field.role === 'int8') {
          const weight = valuesOf(operand);
          return [weight, prepareColumns(weight, operand, field.shape[0] === 'outputs' ? bias : null)];
        }
        return field.role === 'table' ? [valuesOf(operand), scalesOf(value)] : [addressOf(value)];
      default:
        return [value];
    }
  }

  return plan.steps.map((step) => {
    const operands = operandsOf(step, plan.tokens).flatMap((operand) =>
      argumentsOf(operand, 'bias' in step ? step.bias : null),
    );
    const args = operands.map(Number);
    const varying = [...operands.keys()].filter((i) => operands[i] === 'tokens');
    const kernel = kernels[step.op] as (...args: number[]) => void;
    return (tokens) => {
      for (const i of varying) args[i] = tokens;
      kernel(...args);
    };
  });
}

import type { Artifact } from '../artifact/artifact.ts';
import { columnBytes, type MemoryLayout, type Operand, operandsOf } from '../artifact/plan-memory.ts';
import { ACTIVATIONS, scaleName } from '../artifact/steps.ts';
import type { Kernels } from '../kernels/kernels.ts';

/** A kernel call on a sequence of that many tokens. */
export type Call = (tokens: number) => void;

/**
 * The plan's kernel calls with their operands settled, so that running it computes no address and allocates nothing.
 * Prepares the columns of int8 weights. An address of 0 stands for what is not there.
 */
export function bindSteps(
  { manifest: { plan }, entries }: Artifact,
  layout: MemoryLayout,
  kernels: Kernels,
): readonly Call[] {
  const addressOf = (tensor: unknown): number =>
    tensor === null ? 0 : layout.weights + entries.get(tensor as string)!.begin;
  const scalesOf = (tensor: unknown): number =>
    entries.get(tensor as string)!.dtype === 'I8' ? addressOf(scaleName(tensor as string)) : 0;
  let nextColumns = layout.columns;

  /** A step's bias is added to what has as many columns as its outputs. */
  function prepareColumns(weight: unknown, [outputs, inputs]: readonly number[], bias: unknown): number {
    const columns = nextColumns;
    nextColumns += columnBytes(outputs);
    kernels.prepareColumns(addressOf(weight), scalesOf(weight), addressOf(bias), columns, inputs, outputs);
    return columns;
  }

  /** What the kernel takes for an operand: nothing, one argument, or a tensor with what belongs to it. */
  function argumentsOf({ field, value, shape }: Operand, bias: unknown): readonly unknown[] {
    switch (field.kind) {
      case 'scratch':
        return [layout.scratch];
      case 'buffer':
        return [value === null ? 0 : layout.arena + (value as number)];
      case 'activation':
        return [(ACTIVATIONS as readonly unknown[]).indexOf(value)];
      case 'tensor':
        if (field.role === 'bias') return [];
        if (field.role === 'int8')
          return [addressOf(value), prepareColumns(value, shape, field.shape[0] === 'outputs' ? bias : null)];
        return field.role === 'table' ? [addressOf(value), scalesOf(value)] : [addressOf(value)];
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

import type { Step } from '../artifact/plan.ts';
import { ACTIVATIONS, fieldsOf, type Field } from '../artifact/steps.ts';
import type { Kernels } from '../kernels/kernels.ts';

/** Turns a step's operands into addresses in linear memory. */
export interface Addresses {
  arena(offset: number): number;
  tensor(name: string): number;
  /** Of the scales of an int8 tensor; 0 for one that is f32. */
  scales(name: string): number;
  /** Of the prepared columns of an int8 weight. */
  columns(step: Step, field: string): number;
  readonly scratch: number;
}

/** A kernel call on a sequence of that many tokens. */
export type Call = (tokens: number) => void;

/** A kernel call with its operands settled, so that running a plan computes no address and allocates nothing. */
export function bindStep(step: Step, kernels: Kernels, addresses: Addresses): Call {
  const operands = fieldsOf(step.op).flatMap(([name, field]) => operandsOf(step, name, field, addresses));
  const args = operands.map((operand) => (operand === 'tokens' ? 0 : operand));
  const varying = operands.flatMap((operand, i) => (operand === 'tokens' ? [i] : []));
  const kernel = kernels[step.op] as (...args: number[]) => void;
  return (tokens) => {
    for (const i of varying) args[i] = tokens;
    kernel(...args);
  };
}

/** What the kernel takes for a field: nothing, one argument, or a tensor with what belongs to it. 0 stands for what is not there. */
function operandsOf(step: Step, name: string, field: Field, { arena, tensor, scales, columns, scratch }: Addresses): readonly (number | 'tokens')[] {
  const value = (step as unknown as Readonly<Record<string, unknown>>)[name];
  switch (field.kind) {
    case 'offset':
    case 'offset?':
      return [value === null ? 0 : arena(value as number)];
    case 'tensor':
    case 'tensor?': {
      if (field.role === 'bias') return [];
      const at = value === null ? 0 : tensor(value as string);
      if (field.role === 'int8') return [at, columns(step, name)];
      return field.role === 'table' ? [at, scales(value as string)] : [at];
    }
    case 'scratch':
      return [scratch];
    case 'activation':
      return [(ACTIVATIONS as readonly unknown[]).indexOf(value)];
    default:
      return [value as number | 'tokens'];
  }
}

/** What memory a plan needs beside its weights and its arena, and where all lies. */
import type { Plan, Step } from './plan.ts';
import { alignUp, fieldsOf, PANEL, type Sizes } from './steps.ts';

/** The kernels' constants lie below this address. 0 is never an operand: to a kernel it means that there is none. */
const KERNEL_BYTES = 1024;

export interface MemoryLayout {
  readonly weights: number;
  readonly columns: number;
  readonly arena: number;
  readonly scratch: number;
  readonly bytes: number;
}

export function memoryLayout(weightBytes: number, { steps, arenaBytes, tokens }: Plan): MemoryLayout {
  const weights = KERNEL_BYTES;
  const columns = weights + alignUp(weightBytes);
  let arena = columns;
  let scratchBytes = 0;
  for (const step of steps) {
    const sizes = sizesOf(step, tokens);
    for (const [, field] of fieldsOf(step.op)) {
      if (field.kind === 'scratch') scratchBytes = Math.max(scratchBytes, field.bytes(sizes));
      else if (field.kind === 'tensor' && field.role === 'int8') arena += columnBytes(field.shape(sizes)[0]);
    }
  }
  const scratch = arena + alignUp(arenaBytes);
  return { weights, columns, arena, scratch, bytes: scratch + scratchBytes };
}

/** Bytes of an int8 weight's columns, which are made with the engine: for each panel eight scales, sums of weights and biases. */
export function columnBytes(outputs: number): number {
  return Math.ceil(outputs / PANEL) * 96;
}

/** A step's numbers by field, with rows that follow the sequence at its longest; NaN where there is no sequence. */
export function sizesOf(step: Step, tokens: number | null): Sizes {
  return Object.fromEntries(Object.entries(step).map(([name, value]) => [name, value === 'tokens' && name !== 'op' ? (tokens ?? NaN) : value])) as Sizes;
}

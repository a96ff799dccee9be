/** What memory a plan needs beside its weights and its arena, and where all lies. The kernels' files tell how they use it. */
import { alignUp, PANEL, type Plan, type Rows, type Step } from './plan.ts';

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
  const arena = columns + steps.reduce((sum, step) => sum + int8Weights(step).reduce((bytes, { outputs }) => bytes + columnBytes(outputs), 0), 0);
  const scratch = arena + alignUp(arenaBytes);
  const bytes = scratch + steps.reduce((most, step) => Math.max(most, scratchBytes(step, tokens)), 0);
  return { weights, columns, arena, scratch, bytes };
}

/** One int8 weight of a step, whose columns are prepared when the engine is made. */
export interface Int8Weight {
  readonly weight: string;
  readonly scales: string;
  readonly bias: string | null;
  readonly inputs: number;
  readonly outputs: number;
}

/** The int8 weights of a step, in the order in which its kernel takes them. */
export function int8Weights(step: Step): readonly Int8Weight[] {
  if (step.op === 'linearInt8') return [step];
  if (step.op !== 'lowRankInt8') return [];
  const { loraA, scalesA, loraB, scalesB, bias, inputs, rank, outputs } = step;
  return [{ weight: loraA, scales: scalesA, bias: null, inputs, outputs: rank }, { weight: loraB, scales: scalesB, bias, inputs: rank, outputs }];
}

/** Bytes of a weight's columns: for each panel eight scales, sums and biases. */
export function columnBytes(outputs: number): number {
  return Math.ceil(outputs / PANEL) * 96;
}

/** Bytes of a row of `columns` quantized values, with its scale and zero point. */
export function quantizedRowBytes(columns: number): number {
  return alignUp(columns) + 16;
}

/** How many rows at most. */
export function mostRows(rows: Rows, tokens: number | null): number {
  return rows === 'tokens' ? (tokens ?? NaN) : rows;
}

function scratchBytes(step: Step, tokens: number | null): number {
  switch (step.op) {
    case 'linear':
      return 160;
    case 'linearInt8':
      return 128 + 4 * 16 * alignUp(Math.max(step.inputs, step.outputs));
    case 'lowRankInt8':
      return 128 + 4 * 16 * alignUp(Math.max(step.inputs, step.rank, step.outputs));
    case 'layerNorm':
      return 4 * step.columns;
    case 'attention': {
      const { keySize, valueSize } = step;
      const rows = mostRows(step.tokens, tokens);
      const [padded, columns] = [toPanels(rows), toPanels(valueSize)];
      return 160 + 16 * keySize + 16 * padded + 4 * padded * keySize + 4 * columns * rows;
    }
    case 'attentionInt16': {
      const { keySize, valueSize } = step;
      const rows = mostRows(step.tokens, tokens);
      const [padded, columns, keyBytes] = [toPanels(rows), toPanels(valueSize), 2 * 4 * Math.ceil(keySize / 4)];
      return 144 + 4 * keyBytes + (16 + 8 + 4) * padded + 4 * columns + padded * keyBytes + 2 * columns * padded;
    }
    default:
      return 0;
  }
}

function toPanels(count: number): number {
  return Math.ceil(count / PANEL) * PANEL;
}

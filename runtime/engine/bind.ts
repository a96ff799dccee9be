import { ACTIVATIONS, type Rows, type Step } from '../artifact/plan.ts';
import type { Kernels } from '../kernels/kernels.ts';

/** Turns a step's operands into addresses in linear memory; 0 for one that is not there. */
export interface Addresses {
  arena(offset: number | null): number;
  tensor(name: string | null): number;
  /** Of the prepared columns of one of the step's int8 weights. */
  columns(step: Step, index: number): number;
  readonly scratch: number;
}

/** A kernel call on a sequence of that many tokens. */
export type Call = (tokens: number) => void;

/** A kernel call with its operands settled, so that running a plan computes no address and allocates nothing. */
export function bindStep(step: Step, kernels: Kernels, { arena, tensor, columns: columnsOf, scratch }: Addresses): Call {
  switch (step.op) {
    case 'patchify': {
      const { channels, height, width, patch } = step;
      const [pixels, out] = [arena(step.pixels), arena(step.out)];
      return () => kernels.patchify(pixels, out, channels, height, width, patch);
    }
    case 'quantizeRows': {
      const { columns } = step;
      const [x, quantized, rows] = [arena(step.x), arena(step.quantized), rowsOf(step.rows)];
      return (tokens) => kernels.quantizeRows(x, quantized, rows(tokens), columns);
    }
    case 'linear': {
      const { inputs, outputs } = step;
      const [x, weight, bias, residual, out] = [arena(step.x), tensor(step.weight), tensor(step.bias), arena(step.residual), arena(step.out)];
      const [rows, activation] = [rowsOf(step.rows), ACTIVATIONS.indexOf(step.activation)];
      return (tokens) => kernels.linear(x, weight, bias, residual, out, scratch, rows(tokens), inputs, outputs, activation);
    }
    case 'linearInt8': {
      const { inputs, outputs } = step;
      const [x, weight, columns] = [arena(step.x), tensor(step.weight), columnsOf(step, 0)];
      const [residual, out, quantized] = [arena(step.residual), arena(step.out), arena(step.quantized)];
      const [rows, activation] = [rowsOf(step.rows), ACTIVATIONS.indexOf(step.activation)];
      return (tokens) => kernels.linearInt8(x, weight, columns, residual, out, quantized, scratch, rows(tokens), inputs, outputs, activation);
    }
    case 'lowRankInt8': {
      const { inputs, rank, outputs } = step;
      const [x, loraA, loraB] = [arena(step.x), tensor(step.loraA), tensor(step.loraB)];
      const [columnsA, columnsB] = [columnsOf(step, 0), columnsOf(step, 1)];
      const [residual, out, quantized] = [arena(step.residual), arena(step.out), arena(step.quantized)];
      const [rows, activation] = [rowsOf(step.rows), ACTIVATIONS.indexOf(step.activation)];
      return (tokens) => kernels.lowRankInt8(
        x, loraA, columnsA, loraB, columnsB, residual, out, quantized, scratch, rows(tokens), inputs, rank, outputs, activation);
    }
    case 'tokens': {
      const { patchCount, columns } = step;
      const [patches, cls, out] = [arena(step.patches), tensor(step.cls), arena(step.out)];
      const [position, positionScales] = [tensor(step.position), tensor(step.positionScales)];
      return () => kernels.tokens(patches, cls, position, positionScales, out, patchCount, columns);
    }
    case 'textEmbedding': {
      const { columns, words, kinds } = step;
      const [ids, types, out, rows] = [arena(step.ids), arena(step.types), arena(step.out), rowsOf(step.tokens)];
      const [word, wordScales, position] = [tensor(step.word), tensor(step.wordScales), tensor(step.position)];
      const [positionScales, type, typeScales] = [tensor(step.positionScales), tensor(step.type), tensor(step.typeScales)];
      return (tokens) => kernels.textEmbedding(
        ids, types, word, wordScales, position, positionScales, type, typeScales, out, rows(tokens), columns, words, kinds);
    }
    case 'layerNorm': {
      const { columns, epsilon } = step;
      const [x, gamma, beta, rows] = [arena(step.x), tensor(step.gamma), tensor(step.beta), rowsOf(step.rows)];
      const [out, quantized] = [arena(step.out), arena(step.quantized)];
      return (tokens) => kernels.layerNorm(x, gamma, beta, out, quantized, scratch, rows(tokens), columns, epsilon);
    }
    case 'attention':
    case 'attentionInt16': {
      const { op, heads, keyHeads, keySize, valueSize, scale } = step;
      const [q, k, v, out] = [arena(step.q), arena(step.k), arena(step.v), arena(step.out)];
      const [queries, rows] = [rowsOf(step.queries), rowsOf(step.tokens)];
      return (tokens) => kernels[op](
        q, k, v, out, scratch, queries(tokens), rows(tokens), heads, keyHeads, keySize, valueSize, scale);
    }
    case 'gelu':
    case 'tanh': {
      const { op, columns } = step;
      const [x, out, rows] = [arena(step.x), arena(step.out), rowsOf(step.rows)];
      return (tokens) => kernels[op](x, out, rows(tokens) * columns);
    }
    case 'add': {
      const { columns } = step;
      const [a, b, out, rows] = [arena(step.a), arena(step.b), arena(step.out), rowsOf(step.rows)];
      return (tokens) => kernels.add(a, b, out, rows(tokens) * columns);
    }
    case 'selectRow': {
      const { columns } = step;
      const [row, out] = [arena(step.x) + 4 * step.index * columns, arena(step.out)];
      return () => kernels.copy(row, out, columns);
    }
    default:
      throw new Error(`no kernel for ${(step satisfies never as Step).op}`);
  }
}

function rowsOf(rows: Rows): (tokens: number) => number {
  return rows === 'tokens' ? (tokens) => tokens : () => rows;
}

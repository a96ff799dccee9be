import type { Step } from '../artifact/plan.ts';
import type { Kernels } from '../kernels/kernels.ts';

/** Turns a step's operands into addresses in linear memory. */
export interface Addresses {
  arena(offset: number): number;
  tensor(name: string): number;
}

/** A kernel call with its operands settled, so that running a plan computes no address and allocates nothing. */
export function bindStep(step: Step, kernels: Kernels, { arena, tensor }: Addresses): () => void {
  const optional = (name: string | null): number => (name === null ? 0 : tensor(name));
  switch (step.op) {
    case 'patchify': {
      const { channels, height, width, patch } = step;
      const [pixels, out] = [arena(step.pixels), arena(step.out)];
      return () => kernels.patchify(pixels, out, channels, height, width, patch);
    }
    case 'linear': {
      const { rows, inputs, outputs } = step;
      const [x, weight, bias, out] = [arena(step.x), tensor(step.weight), optional(step.bias), arena(step.out)];
      return () => kernels.linear(x, weight, bias, out, rows, inputs, outputs);
    }
    case 'quantizeRows': {
      const { rows, columns } = step;
      const [x, quantized, scales, zeros] = [arena(step.x), arena(step.quantized), arena(step.scales), arena(step.zeros)];
      return () => kernels.quantizeRows(x, quantized, scales, zeros, rows, columns);
    }
    case 'sumRows': {
      const { rows, columns } = step;
      const [weight, out] = [tensor(step.weight), arena(step.out)];
      return () => kernels.sumRows(weight, out, rows, columns);
    }
    case 'linearInt8': {
      const { rows, inputs, outputs } = step;
      const [quantized, scales, zeros, out] = [arena(step.quantized), arena(step.scales), arena(step.zeros), arena(step.out)];
      const [weight, weightScales, weightSums] = [tensor(step.weight), tensor(step.weightScales), arena(step.weightSums)];
      const bias = optional(step.bias);
      return () => kernels.linearInt8(quantized, scales, zeros, weight, weightScales, weightSums, bias, out, rows, inputs, outputs);
    }
    case 'tokens': {
      const { patchCount, columns } = step;
      const [patches, cls, position, out] = [arena(step.patches), tensor(step.cls), tensor(step.position), arena(step.out)];
      return () => kernels.tokens(patches, cls, position, out, patchCount, columns);
    }
    case 'layerNorm': {
      const { rows, columns, epsilon } = step;
      const [x, gamma, beta, out] = [arena(step.x), tensor(step.gamma), tensor(step.beta), arena(step.out)];
      return () => kernels.layerNorm(x, gamma, beta, out, rows, columns, epsilon);
    }
    case 'attention': {
      const { tokens, columns, heads } = step;
      const [q, k, v, scores, out] = [arena(step.q), arena(step.k), arena(step.v), arena(step.scores), arena(step.out)];
      return () => kernels.attention(q, k, v, scores, out, tokens, columns, heads);
    }
    case 'gelu':
    case 'tanh': {
      const { op, count } = step;
      const [x, out] = [arena(step.x), arena(step.out)];
      return () => kernels[op](x, out, count);
    }
    case 'add': {
      const { count } = step;
      const [a, b, out] = [arena(step.a), arena(step.b), arena(step.out)];
      return () => kernels.add(a, b, out, count);
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

import { describe, expect, it } from 'vitest';
import { softmaxOf, sumOver } from '../../support/reference.ts';
import {
  ATTENTION_CASES,
  type AttentionOp,
  type AttentionShape,
  normalOperands,
  type Operands,
  runAttention,
  shapeName,
  shapesOf,
} from './attention.cases.ts';
import { BUILDS, expectNear, testCases } from './expect-case.ts';

testCases(ATTENTION_CASES);

/** softmax(scale · q · kᵀ) · v in f64. */
function trueAttention(
  { queries, tokens, heads, keyHeads, keySize, valueSize }: AttentionShape,
  { q, k, v, scale }: Operands,
): Float64Array {
  const out = new Float64Array(queries * heads * valueSize);
  for (let t = 0; t < queries; t++) {
    for (let h = 0; h < heads; h++) {
      const kv = keyHeads === 1 ? 0 : h;
      const scores = Array.from(
        { length: tokens },
        (_, s) =>
          scale * sumOver(keySize, (i) => q[(t * heads + h) * keySize + i] * k[(s * keyHeads + kv) * keySize + i]),
      );
      const weights = softmaxOf(scores);
      for (let i = 0; i < valueSize; i++) {
        out[(t * heads + h) * valueSize + i] = sumOver(
          tokens,
          (s) => weights[s] * v[(s * keyHeads + kv) * valueSize + i],
        );
      }
    }
  }
  return out;
}

/**
 * How far results may be from the true ones, of the largest value. Measured on these shapes: in f32 9.2e-7 and 6.6e-6,
 * where one token has nearly all the weight. In integers 1.3e-3 (197 tokens: a weight of 1/197 is rounded to 1/32767)
 * and 3.0e-3 (scores of ±60, rounded); 1.6e-3 and 6.6e-3 for keys of 768, whose integers must be small for their sums
 * to fit.
 */
const PRECISION: Readonly<
  Record<AttentionOp, Readonly<Record<'even' | 'peaked', { readonly narrow: number; readonly wide: number }>>>
> = {
  attention: { even: { narrow: 1e-6, wide: 1e-6 }, peaked: { narrow: 1e-5, wide: 1e-5 } },
  attentionInt16: { even: { narrow: 1.5e-3, wide: 2e-3 }, peaked: { narrow: 4e-3, wide: 8e-3 } },
};

const SHAPES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 17]
  .flatMap((tokens) => shapesOf(tokens))
  .concat(
    shapesOf(197, [
      [2, 2, 64, 64],
      [2, 1, 33, 9],
    ]),
  );

describe.each(BUILDS)('$name', ({ side }) => {
  const valuesOf = (op: AttentionOp, shape: AttentionShape, operands: Operands): Float32Array => {
    const { close } = side.run({
      kernel: op,
      name: shapeName(shape),
      run: () => ({ close: [runAttention(side, op, shape, operands)] }),
    });
    return close![0].slice();
  };

  describe.each(['attention', 'attentionInt16'] as const)('%s is near the true one', (op) => {
    it.each([
      ['even', 1],
      ['peaked', 20],
    ] as const)('%s', (name, spread) => {
      for (const shape of SHAPES) {
        const operands = normalOperands(shape, spread);
        const precision = PRECISION[op][name][shape.keySize <= 64 ? 'narrow' : 'wide'];
        expectNear(valuesOf(op, shape, operands), trueAttention(shape, operands), 0, precision);
      }
    });
  });

  /** The weight of the first of two tokens whose scores are x and 0: 1 / (1 + e^-x), which is e^x far below zero. */
  it('computes e^x to 1e-5 of itself, down to e^-80', () => {
    const x = Float32Array.from({ length: 80 * 256 + 1 }, (_, i) => -i / 256);
    const shape: AttentionShape = { queries: x.length, tokens: 2, heads: 1, keyHeads: 1, keySize: 1, valueSize: 1 };
    const weights = valuesOf('attention', shape, {
      q: x,
      k: Float32Array.of(1, 0),
      v: Float32Array.of(1, 0),
      scale: 1,
    });
    const worst = weights.reduce((most, weight, i) => Math.max(most, Math.abs(weight * (1 + Math.exp(-x[i])) - 1)), 0);
    expect(worst).toBeLessThan(1e-5);
  });
});

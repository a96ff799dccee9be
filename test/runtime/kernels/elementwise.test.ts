import { describe, expect, it } from 'vitest';
import type { Activation } from '../../../runtime/artifact/plan.ts';
import { erf } from '../../support/reference.ts';
import { ELEMENTWISE_CASES } from './elementwise.cases.ts';
import { BUILDS, testCases, worstDifference } from './expect-case.ts';
import { ACTIVATION_ERROR, ACTIVATION_KERNELS } from './harness.ts';

testCases(ELEMENTWISE_CASES);

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

/** -12 to 12 in steps of 2^-13. */
const SWEEP = Float32Array.from({ length: 24 * 8192 + 1 }, (_, i) => -12 + i / 8192);
const TRUE: Readonly<Record<Exclude<Activation, 'none'>, (x: number) => number>> = {
  gelu: (x) => (Math.abs(x) > 9 ? Math.max(x, 0) : 0.5 * x * (1 + erf(x / Math.SQRT2))),
  tanh: Math.tanh,
  relu: (x) => Math.max(x, 0),
  sigmoid: logistic,
  silu: (x) => x * logistic(x),
  quickGelu: (x) => x * logistic(1.702 * x),
  geluTanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  mish: (x) => x * Math.tanh(Math.log(1 + Math.exp(x))),
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  reluSquared: (x) => Math.max(x, 0) ** 2,
  leakyRelu: (x) => Math.max(x, x / 100),
  hardSwish: (x) => x * (Math.min(Math.max(x + 3, 0), 6) / 6),
};

describe.each(BUILDS)('$name', ({ side }) => {
  function valuesOf(kernel: Exclude<Activation, 'none'>, x: Float32Array): Float32Array {
    const { close } = side.run({
      kernel,
      name: 'sweep',
      run: () => {
        const out = side.floats(x.length);
        side.kernels[kernel](side.put(x), out.byteOffset, 1, x.length);
        return { close: [out] };
      },
    });
    return close![0].slice();
  }

  it.each(ACTIVATION_KERNELS)('%s is near the true one everywhere', (kernel) => {
    const error = worstDifference(valuesOf(kernel, SWEEP), Array.from(SWEEP, TRUE[kernel]));
    expect(error).toBeLessThanOrEqual(ACTIVATION_ERROR[kernel]);
  });

  it('gelu is 0 below and x above, however far', () => {
    expect([...valuesOf('gelu', Float32Array.of(-100, -1e30, 100, 2 ** 100))].map((v) => v + 0)).toEqual([
      0,
      0,
      100,
      2 ** 100,
    ]);
  });

  it.each(['silu', 'quickGelu', 'geluTanh', 'mish', 'hardSwish'] as const)('%s is 0 below and x above', (kernel) => {
    expect([...valuesOf(kernel, Float32Array.of(-100, -1e30, 100, 1e30))].map((v) => v + 0)).toEqual([
      0,
      0,
      100,
      Math.fround(1e30),
    ]);
  });

  it('tanh is -1 below and 1 above, however far', () => {
    expect([...valuesOf('tanh', Float32Array.of(-10, -1e30, -Infinity, 10, 1e30, Infinity))]).toEqual([
      -1, -1, -1, 1, 1, 1,
    ]);
  });
});

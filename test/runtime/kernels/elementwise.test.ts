import { describe, expect, it } from 'vitest';
import { erf } from '../../support/reference.ts';
import { ELEMENTWISE_CASES } from './elementwise.cases.ts';
import { BUILDS, testCases, worstDifference } from './expect-case.ts';
import { ACTIVATION_ERROR } from './harness.ts';

testCases(ELEMENTWISE_CASES);

/** -12 to 12 in steps of 2^-13. */
const SWEEP = Float32Array.from({ length: 24 * 8192 + 1 }, (_, i) => -12 + i / 8192);
const TRUE = {
  gelu: (x: number) => (Math.abs(x) > 9 ? Math.max(x, 0) : 0.5 * x * (1 + erf(x / Math.SQRT2))),
  tanh: Math.tanh,
} as const;

describe.each(BUILDS)('$name', ({ side }) => {
  function valuesOf(kernel: 'gelu' | 'tanh', x: Float32Array): Float32Array {
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

  it.each(['gelu', 'tanh'] as const)('%s is near the true one everywhere', (kernel) => {
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

  it('tanh is -1 below and 1 above, however far', () => {
    expect([...valuesOf('tanh', Float32Array.of(-10, -1e30, -Infinity, 10, 1e30, Infinity))]).toEqual([
      -1, -1, -1, 1, 1, 1,
    ]);
  });
});

/** Runs cases on each build of the kernels that this host has, and on the reference, and compares what they wrote. */
import { describe, expect, it } from 'vitest';
import { BUILDS as BUILD_NAMES, kernelsModule } from '../kernels-module.ts';
import { compiledSide, type KernelCase, type Outputs, referenceSide, type Side } from './harness.ts';

/** Float results may differ by this much of the largest of them: sums of f32 in another order. */
const TOLERANCE = 1e-5;
/** The smallest normal number: below it f32 has no relative precision left. */
const SMALLEST_NORMAL = 2 ** -126;

const reference = referenceSide();

/** The builds that this host runs; builds.test.ts has another host run the relaxed one. */
export const BUILDS: readonly { readonly name: string; readonly side: Side }[] = await Promise.all(
  BUILD_NAMES.map(async (name) => ({ name, side: compiledSide(await kernelsModule(name)) })),
);

/** One test for each case and build. */
export function testCases(cases: readonly KernelCase[]): void {
  describe.each(BUILDS)('$name', ({ side }) => {
    it.each(cases)('$kernel: $name', (kernelCase) => {
      expectAlike(side.run(kernelCase), reference.run(kernelCase));
    });
  });
}

function expectAlike(got: Outputs, expected: Outputs): void {
  const absolute = SMALLEST_NORMAL + (got.absolute ?? 0);
  got.exact?.forEach((values, i) => expectSameBits(values, expected.exact![i]));
  got.close?.forEach((values, i) => expectNear(values, expected.close![i], absolute));
  for (const { rows, of, columns } of [...(got.quantized ?? []), ...(expected.quantized ?? [])]) {
    expectSameBits(rows, quantizedByReference(of, columns, rows.length));
  }
  for (const values of [...(got.nan ?? []), ...(expected.nan ?? [])])
    expect([...values.filter((v) => !Number.isNaN(v))]).toEqual([]);
}

const quantizer = referenceSide();

function quantizedByReference(values: Float32Array, columns: number, byteCount: number): Uint8Array {
  const { exact } = quantizer.run({
    kernel: 'quantizeRows',
    name: 'of an output',
    run: (side) => {
      const quantized = side.bytes(byteCount);
      side.kernels.quantizeRows(side.put(values), quantized.byteOffset, values.length / columns, columns);
      return { exact: [quantized] };
    },
  });
  return exact![0] as Uint8Array;
}

function expectSameBits(got: Uint8Array | Float32Array, expected: Uint8Array | Float32Array): void {
  const [a, b] = [got, expected].map((values) => Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  if (a.equals(b)) return;
  const at = got.findIndex((v, i) => !Object.is(v, expected[i]));
  expect.fail(
    `expected the same bits; of ${got.length} values, number ${at} is ${got[at]}, the reference's is ${expected[at]}`,
  );
}

/** Every value within TOLERANCE of the largest expected one, and `absolute`. */
export function expectNear(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  absolute = 0,
  tolerance = TOLERANCE,
): void {
  expect(got.length).toBe(expected.length);
  const difference = worstDifference(got, expected);
  expect(difference, 'largest difference').toBeLessThanOrEqual(absolute + tolerance * largestOf(expected));
}

export function worstDifference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(got[i] - expected[i]);
    // NaN differs from everything.
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference;
  }
  return worst;
}

export function largestOf(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]));
  return largest;
}

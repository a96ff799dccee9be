import { describe, expect, it } from 'vitest';
import { BUILDS, testCases } from './expect-case.ts';
import { packedI8, SMALL_SIZES } from './harness.ts';
import { INT4_CASES, INT4_KERNELS, randomInt4 } from './int4.cases.ts';

testCases(INT4_CASES);

/** What the format says of each value: four bits, low ones first, sixteen values apart, times their group's factor. */
function valuesOf(rows: number, columns: number): Int8Array {
  const { values, factors } = randomInt4(rows, columns);
  const groups = Math.ceil(columns / 32);
  const unpacked: number[] = [];
  for (let r = 0; r < rows; r++) {
    for (let g = 0; g < groups; g++) {
      const bytes = values.subarray(16 * (r * groups + g), 16 * (r * groups + g + 1));
      const bits = [...bytes].map((byte) => byte % 16).concat([...bytes].map((byte) => Math.floor(byte / 16)));
      const signed = bits.map((four) => (four > 7 ? four - 16 : four) * factors[r * groups + g]);
      unpacked.push(...signed.slice(0, columns - 32 * g));
    }
  }
  return Int8Array.from(unpacked);
}

describe.each(BUILDS)('$name', ({ side }) => {
  const rows = 11;

  function unpacked(kernel: keyof typeof INT4_KERNELS, columns: number): Int8Array {
    const { values, factors } = randomInt4(rows, columns);
    const { exact } = side.run({
      kernel,
      name: `${columns} columns`,
      run: () => {
        const out = side.bytes(INT4_KERNELS[kernel](rows, columns));
        side.kernels[kernel](side.put(values), side.put(factors), out.byteOffset, rows, columns);
        return { exact: [out] };
      },
    });
    return Int8Array.from(exact![0]);
  }

  it.each(SMALL_SIZES)('unpacks rows of %i as the format says', (columns) => {
    const expected = valuesOf(rows, columns);
    expect(unpacked('unpackTable', columns)).toEqual(expected);
    // What pads a panel's rows may be anything in a file; it is multiplied with zeros.
    const isValue = packedI8(new Int8Array(rows * columns).fill(1), rows, columns);
    const kept = (packed: ArrayLike<number>): number[] => Array.from(packed).filter((_, at) => isValue[at] === 1);
    expect(kept(unpacked('unpackWeight', columns))).toEqual(kept(Int8Array.from(packedI8(expected, rows, columns))));
  });
});

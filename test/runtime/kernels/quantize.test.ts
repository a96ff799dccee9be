import { describe, expect, it } from 'vitest';
import { alignUp, quantizedRowBytes } from '../../../runtime/artifact/steps.ts';
import { BUILDS, testCases } from './expect-case.ts';
import { normals, SIZES } from './harness.ts';
import { QUANTIZE_CASES } from './quantize.cases.ts';

testCases(QUANTIZE_CASES);

describe.each(BUILDS)('$name', ({ side }) => {
  it.each(SIZES)('%i quantized values come back within half a step, zero exactly', (columns) => {
    side.run({
      kernel: 'quantizeRows',
      name: 'round trip',
      run: () => {
        const values = normals(columns, 3).map((v, i) => (i === columns >> 1 ? 0 : v));
        const row = side.bytes(quantizedRowBytes(columns));
        side.kernels.quantizeRows(side.put(values), row.byteOffset, 1, columns);
        const [scale, zero] = [
          new Float32Array(row.buffer, row.byteOffset + alignUp(columns), 1)[0],
          new Int32Array(row.buffer, row.byteOffset + alignUp(columns) + 4, 1)[0],
        ];
        const back = values.map((_, i) => scale * (row[i] - zero));
        values.forEach((v, i) => expect(Math.abs(back[i] - v)).toBeLessThanOrEqual(scale * 0.5001));
        expect(back[columns >> 1]).toBe(0);
        return {};
      },
    });
  });
});

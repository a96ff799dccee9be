import { describe, expect, it } from 'vitest';
import { columnBytes } from '../../../runtime/artifact/plan-memory.ts';
import { quantizedRowBytes } from '../../../runtime/artifact/steps.ts';
import { BUILDS, expectNear, testCases } from './expect-case.ts';
import { integers, normals, packedI8, SIZES } from './harness.ts';
import { LINEAR_INT8_CASES, LOW_RANK_INT8_CASES } from './linear-int8.cases.ts';

testCases(LINEAR_INT8_CASES);
testCases(LOW_RANK_INT8_CASES);

describe.each(BUILDS)('$name', ({ side }) => {
  /** One row of x, whose scale is 1 and zero point 0, times a weight of one output, whose scale is 1 too. */
  function dot(x: (inputs: number) => Float32Array, weight: number, inputs: number): number {
    const values = side.run({
      kernel: 'linearInt8',
      name: 'one output',
      run: () => {
        const quantized = side.bytes(quantizedRowBytes(inputs)).byteOffset;
        side.kernels.quantizeRows(side.put(x(inputs)), quantized, 1, inputs);
        const packed = side.put(packedI8(new Int8Array(inputs).fill(weight), 1, inputs));
        const columns = side.bytes(columnBytes(1)).byteOffset;
        side.kernels.prepareColumns(packed, side.put(Float32Array.of(1)), 0, columns, inputs, 1);
        const out = side.floats(1);
        side.kernels.linearInt8(
          quantized,
          packed,
          columns,
          0,
          out.byteOffset,
          0,
          side.scratch('linearInt8', { inputs, outputs: 1 }),
          1,
          inputs,
          1,
          0,
        );
        return { exact: [out] };
      },
    });
    return values.exact![0][0];
  }

  it.each(SIZES)('adds up %i of the largest products exactly', (inputs) => {
    for (const weight of [127, -127, -128]) {
      expect(dot((count) => new Float32Array(count).fill(127), weight, inputs)).toBe(127 * weight * inputs);
      expect(dot((count) => new Float32Array(count).fill(-127), weight, inputs)).toBe(-127 * weight * inputs);
    }
  });

  it('multiplies what its rows stand for with what its weights stand for', () => {
    const [rows, inputs, outputs] = [5, 197, 33];
    const [x, scales, bias] = [normals(rows * inputs, 1), normals(outputs, 2).map(Math.abs), normals(outputs, 3)];
    const weight = Int8Array.from(integers(outputs * inputs, -128, 127, 4));
    side.run({
      kernel: 'linearInt8',
      name: 'in f64',
      run: () => {
        const stride = quantizedRowBytes(inputs);
        const quantized = side.bytes(rows * stride);
        side.kernels.quantizeRows(side.put(x), quantized.byteOffset, rows, inputs);
        const packed = side.put(packedI8(weight, outputs, inputs));
        const columns = side.bytes(columnBytes(outputs)).byteOffset;
        side.kernels.prepareColumns(packed, side.put(scales), side.put(bias), columns, inputs, outputs);
        const out = side.floats(rows * outputs);
        const scratch = side.scratch('linearInt8', { inputs, outputs });
        side.kernels.linearInt8(
          quantized.byteOffset,
          packed,
          columns,
          0,
          out.byteOffset,
          0,
          scratch,
          rows,
          inputs,
          outputs,
          0,
        );
        const expected = Array.from(out, (_, at) => {
          const [r, o] = [Math.floor(at / outputs), at % outputs];
          const trailer = new DataView(quantized.buffer, quantized.byteOffset + (r + 1) * stride - 16);
          let sum = bias[o];
          for (let i = 0; i < inputs; i++) {
            sum +=
              trailer.getFloat32(0, true) *
              (quantized[r * stride + i] - trailer.getInt32(4, true)) *
              scales[o] *
              weight[o * inputs + i];
          }
          return sum;
        });
        // Three roundings to f32.
        expectNear(out, expected, 0, 3 * 2 ** -24);
        return {};
      },
    });
  });
});

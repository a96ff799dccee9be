import { describe, expect, it } from 'vitest';
import { packWeight } from '../../cli/compress/packed-weights.ts';
import { f32Tensor, f32Values, i8Tensor, i8Values } from '../../cli/compress/stored-tensors.ts';
import { packedShape } from '../../runtime/artifact/steps.ts';

/** Around a panel of eight outputs and two groups of four inputs. */
const SIZES = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33];
const SHAPES = SIZES.flatMap((outputs) => SIZES.map((inputs) => [outputs, inputs] as const));

/** Values that are all different from 0, and mostly from each other. */
const floats = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => i + 0.5);
const bytes = (count: number): Int8Array =>
  Int8Array.from({ length: count }, (_, i) => (i % 254 < 127 ? (i % 254) - 128 : (i % 254) - 126));

/** Element `index` of a tensor whose values lie row by row. */
function element(values: ArrayLike<number>, shape: readonly number[], ...index: readonly number[]): number {
  return values[index.reduce((at, i, axis) => at * shape[axis] + i, 0)];
}

describe.each(SHAPES)('%i outputs, %i inputs', (outputs, inputs) => {
  it('f32: panels of eight outputs, input by input', () => {
    const values = floats(outputs * inputs);
    const packed = packWeight(f32Tensor(values, [outputs, inputs]));
    expect([packed.dtype, packed.shape]).toEqual(['F32', [Math.ceil(outputs / 8), inputs, 8]]);
    expect(packed.shape).toEqual(packedShape('F32', outputs, inputs));
    for (let panel = 0; panel < packed.shape[0]; panel++)
      for (let i = 0; i < inputs; i++)
        for (let lane = 0; lane < 8; lane++) {
          const o = 8 * panel + lane;
          expect(element(f32Values(packed), packed.shape, panel, i, lane)).toBe(
            o < outputs ? values[o * inputs + i] : 0,
          );
        }
  });

  it('int8: panels of eight outputs, four inputs of each side by side', () => {
    const values = bytes(outputs * inputs);
    const packed = packWeight(i8Tensor(values, [outputs, inputs]));
    expect([packed.dtype, packed.shape]).toEqual(['I8', [Math.ceil(outputs / 8), 2 * Math.ceil(inputs / 8), 8, 4]]);
    expect(packed.shape).toEqual(packedShape('I8', outputs, inputs));
    for (let panel = 0; panel < packed.shape[0]; panel++)
      for (let group = 0; group < packed.shape[1]; group++)
        for (let lane = 0; lane < 8; lane++)
          for (let place = 0; place < 4; place++) {
            const [o, i] = [8 * panel + lane, 4 * group + place];
            const expected = o < outputs && i < inputs ? values[o * inputs + i] : 0;
            expect(element(i8Values(packed), packed.shape, panel, group, lane, place)).toBe(expected);
          }
  });
});

it('reads values wherever they lie in a file', () => {
  const file = new Uint8Array(64);
  const values = Float32Array.of(1, 2, 3);
  file.set(new Uint8Array(values.buffer), 5);
  const packed = packWeight({ dtype: 'F32', shape: [3, 1], data: file.subarray(5, 17) });
  expect([...f32Values(packed)]).toEqual([1, 2, 3, 0, 0, 0, 0, 0]);
});

/** Float tensors of every width, and files that lie. */
import { truncate, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../cli/io/errors.ts';
import { halfToFloat, openTensorFile, saveTensors } from '../../cli/pretrained/tensor-file.ts';
import { type Dtype, writeSafetensors } from '../../runtime/artifact/safetensors.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();

/** Writes one tensor `x` of a dtype and reads it back. */
async function readBack(dtype: Dtype, elements: ArrayBufferView, count: number): Promise<number[]> {
  const data = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
  const path = `${folder}/${dtype}.safetensors`;
  await writeFile(path, writeSafetensors(new Map([['x', { dtype, shape: [count], data }]])));
  const file = await openTensorFile(path);
  const values = await file.read('x');
  await file.close();
  return [...values];
}

describe('halfToFloat', () => {
  // IEEE 754-2019, table 3.5 and the usual landmarks of binary16.
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0xfbff, -65504],
    [0x0400, 2 ** -14],
    [0x03ff, 1023 * 2 ** -24],
    [0x0001, 2 ** -24],
    [0x8001, -(2 ** -24)],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
    [0x7e00, NaN],
    [0xfc01, NaN],
  ])('reads %i as %d', (half, value) => {
    expect(halfToFloat(half)).toBe(value);
  });

  it('rises through all positive halves', () => {
    for (let half = 1; half <= 0x7c00; half++) expect(halfToFloat(half)).toBeGreaterThan(halfToFloat(half - 1));
  });
});

describe('a tensor file', () => {
  it('reads F32, F64, F16 and BF16 as float32', async () => {
    expect(await readBack('F32', Float32Array.of(1.5, -0.1), 2)).toEqual([1.5, Math.fround(-0.1)]);
    expect(await readBack('F64', Float64Array.of(1.5, -0.1, 1e300), 3)).toEqual([1.5, Math.fround(-0.1), Infinity]);
    expect(await readBack('F16', Uint16Array.of(0x3c00, 0x3555, 0x8001), 3)).toEqual([1, 0.333251953125, -(2 ** -24)]);
    // bfloat16 is float32's upper half.
    expect(await readBack('BF16', Uint16Array.of(0x3f80, 0xc049, 0x0080, 0xff80), 4)).toEqual([
      1,
      -3.140625,
      2 ** -126,
      -Infinity,
    ]);
  });

  it('refuses integers, naming the tensor', async () => {
    await expect(readBack('I64', BigInt64Array.of(1n), 1)).rejects.toThrow(
      `tensor x in ${folder}/I64.safetensors: expected F32, F16, BF16 or F64, got I64`,
    );
  });

  it('names a tensor that it lacks', async () => {
    const path = `${folder}/one.safetensors`;
    await saveTensors(path, [['x', { shape: [2], data: Float32Array.of(1, 2) }]], { step: '7' });
    const file = await openTensorFile(path);
    expect(file.header.metadata.get('step')).toBe('7');
    await expect(file.read('y')).rejects.toThrow(`tensor y is missing in ${path}`);
    await file.close();
  });

  it.each([
    ['no bytes', 0, 'expected a safetensors file of at least 8 bytes, got 0'],
    ['half a length', 4, 'expected a safetensors file of at least 8 bytes, got 4'],
    ['half a header', 20, 'expected a safetensors file of at least 72 bytes, got 20'],
    ['half a tensor', -3, 'expected a safetensors file of at least 472 bytes, got 469'],
  ])('with %s is damaged', async (_, length, message) => {
    const path = `${folder}/cut.safetensors`;
    await saveTensors(path, [['x', { shape: [10, 10], data: new Float32Array(100) }]]);
    const whole = await openTensorFile(path);
    const size = whole.header.dataOffset + 400;
    await whole.close();
    await truncate(path, length < 0 ? size + length : length);
    const opening = openTensorFile(path);
    await expect(opening).rejects.toThrow(UserError);
    await expect(opening).rejects.toThrow(`${path} is damaged: ${message}`);
  });

  it('that is not there is named', async () => {
    await expect(openTensorFile(`${folder}/none.safetensors`)).rejects.toThrow(`can't read ${folder}/none.safetensors`);
  });

  it('refuses to save a tensor whose values do not fill its shape', async () => {
    await expect(
      saveTensors(`${folder}/x.safetensors`, [['x', { shape: [3], data: new Float32Array(2) }]]),
    ).rejects.toThrow('tensor x: 2 values for shape (3)');
  });
});

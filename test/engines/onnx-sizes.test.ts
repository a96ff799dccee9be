/** Numbers of a graph that follow its inputs' sizes. */
import { expect, it } from 'vitest';
import { writePortable } from '../../cli/engines/onnx/portable.ts';
import { extentOf, PROBES, type Sizes } from '../../cli/engines/onnx/sizes.ts';
import { add } from '../../cli/graph/ops/binary.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { reshape } from '../../cli/graph/ops/reshape.ts';
import { slice } from '../../cli/graph/ops/slice.ts';
import { transpose } from '../../cli/graph/ops/transpose.ts';
import { openOnnx } from '../support/onnx-file.ts';

const seen = (number: (sizes: Sizes) => number): number[] => PROBES.map(number);

it('are told as what they are made of', () => {
  expect(extentOf(seen(() => 12))).toEqual({ factor: 12, by: [] });
  expect(extentOf(seen(() => 0))).toEqual({ factor: 0, by: [] });
  expect(extentOf(seen(({ batch }) => batch))).toEqual({ factor: 1, by: ['batch'] });
  expect(extentOf(seen(({ batch, tokens }) => 5 * batch * tokens))).toEqual({ factor: 5, by: ['batch', 'tokens'] });
});

it('are refused where they are no product', () => {
  for (const number of [
    ({ batch }: Sizes) => batch + 1,
    ({ tokens }: Sizes) => tokens ** 2,
    ({ batch, tokens }: Sizes) => batch + tokens,
  ])
    expect(() => extentOf(seen(number))).toThrow('does not follow batch and tokens');
});

const options = {
  inputs: { pixels: { name: 'pixel_values', dtype: 'f32' } },
  constants: {},
  version: '0',
  metadata: {},
} as const;

it('are computed when a model runs', async () => {
  // (B, T) → every second half turned round: shapes with one open size, with two, and the end of a slice.
  const bytes = writePortable(({ batch, tokens }) => {
    const pixels = input('pixels', [batch, tokens, 2]);
    const flat = reshape(pixels, [batch * tokens, 2]);
    const apart = transpose(reshape(flat, [batch, tokens, 2, 1]), [0, 2, 1, 3]); // (B, 2, T, 1)
    const longest = slice(reshape(apart, [batch, 2, tokens]), 2, 0, tokens);
    return { outputs: { logits: reshape(add(longest, longest), [batch, 2 * tokens]) } };
  }, options);
  const file = await openOnnx(bytes, [3, 2]);
  const one = { pixels: Float32Array.of(1, 2, 3, 4, 5, 6) };
  expect(await file.ask([one])).toEqual([[2, 6, 10, 4, 8, 12]]);
  expect(await file.ask([one, one])).toEqual([
    [2, 6, 10, 4, 8, 12],
    [2, 6, 10, 4, 8, 12],
  ]);
  await file.close();
});

it('are refused where a graph is another at another size', () => {
  expect(() =>
    writePortable(({ batch }) => {
      const pixels = input('pixels', [batch, 2]);
      return { outputs: { logits: batch === 2 ? pixels : add(pixels, pixels) } };
    }, options),
  ).toThrow('graphs of two sizes differ in more than sizes');
});

import { expect, it } from 'vitest';
import { absorb } from '../../cli/compress/absorb.ts';
import { dequantizeTensors, quantizeTensors, quantizeWeight } from '../../cli/compress/quantize.ts';
import { f32Values, i8Values, storedTensors, tensorNamed } from '../../cli/compress/stored-tensors.ts';
import { scaleName } from '../../runtime/artifact/steps.ts';
import { smallBert, TOKENS } from './small-bert.ts';
import { smallVit } from './small-vit.ts';

it('scales each row by its largest value', () => {
  const { quantized, scales } = quantizeWeight(Float32Array.of(1, -2, 0.5, 0, 0, 0, 127, 64, -127), 3, 'w');
  expect([...scales]).toEqual([Math.fround(2 / 127), 0, 1]);
  expect([...quantized]).toEqual([64, -127, 32, 0, 0, 0, 127, 64, -127]);
});

it('keeps tiny and huge rows in range', () => {
  const { quantized, scales } = quantizeWeight(Float32Array.of(1e-45, -1e-44, 3e38, -3e38), 2, 'w');
  expect([...scales].every((scale) => Number.isFinite(scale) && scale >= 0)).toBe(true);
  expect([...quantized].every((q) => q >= -127 && q <= 127)).toBe(true);
});

it.each([NaN, Infinity])('refuses %d, naming the weight', (bad) => {
  expect(() => quantizeWeight(Float32Array.of(1, 2, bad, 3), 2, 'block.0.up.weight')).toThrow(
    'block.0.up.weight: row 1',
  );
});

it('quantizes the weights of linear layers, and nothing else of a ViT', () => {
  const { logits, values } = smallVit('low-rank');
  const quantized = quantizeTensors(storedTensors(logits, values), logits);
  const int8 = [...quantized].filter(([, { dtype }]) => dtype === 'I8').map(([name]) => name);
  expect(int8).toHaveLength(2 + 3 * 6 * 2);
  expect(int8.every((name) => /^(patch|head)\.weight$|\.lora[AB]$/.test(name))).toBe(true);
  expect(quantized.get(scaleName('block.1.up.loraB'))?.shape).toEqual([70]);
  expect(quantized.get('block.1.up.loraC')?.dtype).toBe('F32');
});

it('comes back within half a step', () => {
  const { logits, values } = smallVit('dense');
  const tensors = storedTensors(logits, values);
  const quantized = quantizeTensors(tensors, logits);
  const back = dequantizeTensors(quantized, logits);
  expect([...back.keys()].sort()).toEqual([...tensors.keys()].sort());
  for (const [name, tensor] of tensors) {
    const restored = f32Values(tensorNamed(back, name));
    const scales = quantized.get(scaleName(name));
    const half = scales ? Math.max(...f32Values(scales)) * 0.5001 : 0;
    const worst = f32Values(tensor).reduce((worst, value, i) => Math.max(worst, Math.abs(value - restored[i])), 0);
    expect(worst).toBeLessThanOrEqual(half);
  }
  expect(i8Values(tensorNamed(quantized, 'patch.weight')).some((q) => Math.abs(q) === 127)).toBe(true);
});

it.each([
  ['embedding.word', 0],
  ['embedding.word.loraB', 5],
])('quantizes the rows of the tables that texts look up: %s', (word, embeddingRank) => {
  const { logits: given, values } = smallBert(TOKENS, { embeddingRank });
  const { logits, derive } = absorb(given);
  const quantized = quantizeTensors(derive(storedTensors(given, values)), logits);
  for (const name of [word, 'embedding.position', 'embedding.type']) {
    expect(quantized.get(name)?.dtype).toBe('I8');
    expect(quantized.get(scaleName(name))?.shape).toEqual([quantized.get(name)?.shape[0]]);
  }
});

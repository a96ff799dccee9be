/** Int4: what is stored against a float64 reference, and what runs against the int8 that it stands for. */
import { describe, expect, it } from 'vitest';
import { absorb } from '../../cli/compress/absorb.ts';
import { quantizeInt4, unpackInt4 } from '../../cli/compress/int4.ts';
import { type Description, pack } from '../../cli/compress/pack.ts';
import { dequantizeTensors, quantizeTensors } from '../../cli/compress/quantize.ts';
import { f32Values, i8Tensor, i8Values, type StoredTensors, storedTensors } from '../../cli/compress/stored-tensors.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { memoryLayout } from '../../runtime/artifact/plan-memory.ts';
import type { Tensor } from '../../runtime/artifact/safetensors.ts';
import { factorName } from '../../runtime/artifact/steps.ts';
import { createEngine, createEngineWith, type Inputs } from '../../runtime/engine/engine.ts';
import { referenceKernels } from '../../runtime/kernels/reference.ts';
import { normals } from '../runtime/kernels/harness.ts';
import { BUILDS, kernelsModule } from '../runtime/kernels-module.ts';
import { smallBert, smallText, TOKENS, textDescription } from './small-bert.ts';
import { description, smallVit } from './small-vit.ts';

describe.each([1, 7, 31, 32, 33, 64, 100])('rows of %i', (columns) => {
  const rows = 5;
  // Groups of very different sizes, and one of zeros.
  const values = normals(rows * columns, columns).map((v, at) => {
    const group = Math.floor((at % columns) / 32);
    return Math.floor(at / columns) === 3 ? 0 : v * 10 ** -group;
  });
  const { packed, factors, scales } = quantizeInt4(values, rows, columns, 'w');
  const groups = Math.ceil(columns / 32);
  const restored = unpackInt4({ packed, factors }, rows, columns);

  it('takes half a byte a value, and a byte a group', () => {
    expect([packed.length, factors.length, scales.length]).toEqual([rows * groups * 16, rows * groups, rows]);
  });

  it('has each value at the nearest of sixteen steps, as large as the largest value of its group wants them', () => {
    for (let r = 0; r < rows; r++) {
      const row = [...values.subarray(r * columns, (r + 1) * columns)];
      expect(scales[r]).toBe(Math.fround(Math.max(...row.map(Math.abs)) / 120));
      for (let g = 0; g < groups; g++) {
        const group = row.slice(32 * g, 32 * (g + 1));
        const factor = factors[r * groups + g];
        const size = Math.max(...group.map(Math.abs));
        const wanted = scales[r] === 0 ? 0 : Math.max(1, Math.round(size / (8 * scales[r])));
        expect(Math.abs(factor)).toBe(wanted);
        // The largest is below 0 in steps: there is one more of these.
        if (wanted > 0) expect(factor * group.find((value) => Math.abs(value) === size)!).toBeLessThan(0);
        const steps = Array.from({ length: 16 }, (_, i) => (i - 8) * factor * scales[r]);
        group.forEach((value, i) => {
          const left = Math.abs(value - scales[r] * restored[r * columns + 32 * g + i]);
          expect(left).toBeCloseTo(Math.min(...steps.map((step) => Math.abs(value - step))), 12);
        });
      }
    }
  });

  it('pads rows with zeros', () => {
    const padded = unpackInt4({ packed, factors }, rows, 32 * groups);
    padded.forEach((value, at) => {
      if (at % (32 * groups) >= columns) expect(value).toBe(0);
    });
  });
});

it.each([NaN, Infinity])('refuses %d, naming the weight', (bad) => {
  expect(() => quantizeInt4(Float32Array.of(1, 2, bad, 3), 2, 2, 'block.0.up.weight')).toThrow(
    'block.0.up.weight: row 1',
  );
});

/** The int8 tensors that int4 ones stand for. */
function asInt8(tensors: StoredTensors, shapes: StoredTensors): Map<string, Tensor> {
  return new Map(
    [...tensors].flatMap(([name, tensor]): [string, Tensor][] => {
      if (name.endsWith('.groups')) return [];
      if (tensor.dtype !== 'U8') return [[name, tensor]];
      const { shape } = shapes.get(name)!;
      const factors = i8Values(tensors.get(factorName(name))!);
      return [[name, i8Tensor(unpackInt4({ packed: tensor.data, factors }, shape[0], shape[1]), shape)]];
    }),
  );
}

const { pixels } = smallVit('dense');
const CASES: readonly (readonly [
  string,
  { readonly logits: Node; readonly values: ReadonlyMap<string, Float32Array> },
  Description,
  Inputs,
])[] = [
  ['a dense ViT', smallVit('dense'), description, { pixels }],
  ['a low-rank ViT with scaling 0.5', smallVit('low-rank', 0.5), description, { pixels }],
  ['a BERT', smallBert(), textDescription, { ...smallText(TOKENS) }],
  ['a BERT whose words have factors', smallBert(TOKENS, { embeddingRank: 5 }), textDescription, { ...smallText(4) }],
];

describe.each(CASES)('%s', (_, { logits: given, values }, about, inputs) => {
  const { logits, derive } = absorb(given);
  const stored = derive(storedTensors(given, values));
  const int4 = quantizeTensors(stored, logits, 'int4');
  const packed = pack(logits, int4, about);

  it('answers with the same bits as the int8 artifact that it stands for, on every build', async () => {
    const artifact = await readArtifact(await packed);
    const int8 = await readArtifact(await pack(logits, asInt8(int4, stored), about));
    expect([artifact.manifest.precision, int8.manifest.precision]).toEqual(['int4', 'int8']);
    expect(artifact.manifest.plan).toEqual(int8.manifest.plan);
    expect(createEngineWith(artifact, referenceKernels).infer(inputs)).toEqual(
      createEngineWith(int8, referenceKernels).infer(inputs),
    );
    for (const build of BUILDS) {
      const module = await kernelsModule(build);
      expect(createEngine(artifact, module).infer(inputs)).toEqual(createEngine(int8, module).infer(inputs));
    }
  });

  it('stores what int8 does, but for rows below a group, in about half the bytes', () => {
    const int8 = quantizeTensors(stored, logits);
    for (const [name, tensor] of int8) {
      const columns = stored.get(name)?.shape[1] ?? 0;
      if (tensor.dtype !== 'I8') expect(int4.has(name)).toBe(true);
      else if (columns < 32) expect(int4.get(name)).toEqual(tensor);
      else {
        expect(int4.get(name)!.dtype).toBe('U8');
        const bytes = [name, factorName(name)].reduce((sum, each) => sum + int4.get(each)!.data.length, 0);
        expect(bytes).toBe(stored.get(name)!.shape[0] * Math.ceil(columns / 32) * 17);
      }
    }
    expect([...int4.values()].some(({ dtype }) => dtype === 'U8')).toBe(true);
  });

  it('comes back within what four bits leave', () => {
    const back = dequantizeTensors(int4, logits);
    expect([...back.keys()].sort()).toEqual([...stored.keys()].sort());
    for (const [name, tensor] of stored) {
      const exact = f32Values(tensor);
      const restored = f32Values(back.get(name)!);
      const norm = Math.hypot(...exact);
      // 16 levels of normal values: 8 to 10 % of them, as published for groups of 32.
      expect(Math.hypot(...exact.map((value, i) => value - restored[i]))).toBeLessThanOrEqual(0.12 * norm);
    }
  });

  it('tells what memory it takes', async () => {
    const artifact = await readArtifact(await packed);
    const { bytes, unpacked, columns } = memoryLayout(artifact.data.length, artifact.manifest.plan, artifact.entries);
    expect(columns).toBeGreaterThan(unpacked);
    expect(createEngineWith(artifact, referenceKernels).memoryBytes).toBe(65_536 * Math.ceil(bytes / 65_536));
  });
});

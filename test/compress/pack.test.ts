/** A packed model, run by the runtime, agrees with the same graph on onnxruntime. */
import { describe, expect, it } from 'vitest';
import { pack } from '../../cli/compress/pack.ts';
import { dequantizeTensors, quantizeTensors } from '../../cli/compress/quantize.ts';
import { f32Values, storedTensors, type StoredTensors } from '../../cli/compress/stored-tensors.ts';
import { evaluate, floats } from '../../cli/engines/engine.ts';
import { createOnnxEngine } from '../../cli/engines/onnx/engine.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine, createEngineWith } from '../../runtime/engine/engine.ts';
import { referenceKernels } from '../../runtime/kernels/reference.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { description, smallVit } from './small-vit.ts';

const module = await kernelsModule();
const onnx = createOnnxEngine({ threads: 1 });

async function onnxLogits(logits: Node, tensors: StoredTensors, pixels: Float32Array): Promise<Float32Array> {
  const inputs = new Map([...tensors].map(([name, tensor]) => [name, floats(f32Values(tensor), tensor.shape)]));
  const result = await evaluate(onnx, { outputs: { logits } }, { ...Object.fromEntries(inputs), pixels: floats(pixels, [1, 3, 12, 20]) });
  return result.logits.data as Float32Array;
}

/** The largest difference, relative to the largest logit. */
function difference(got: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return got.reduce((worst, v, i) => Math.max(worst, Math.abs(v - expected[i])), 0) / largest;
}

const MODELS = [['dense', 'vit', 1], ['low-rank', 'vit', 1], ['low-rank', 'vit', 0.5], ['low-rank', 'deit', 1], ['dense', 'deit-with-teacher', 1], ['low-rank', 'deit-with-teacher', 1]] as const;
describe.each(MODELS)('a %s %s with scaling %d', (kind, variant, scaling) => {
  const { logits, values, pixels } = smallVit(kind, scaling, 7, variant);
  const tensors = storedTensors(logits, values);

  it('in f32 gives the logits of onnxruntime', async () => {
    const artifact = await readArtifact(await pack(logits, tensors, description));
    expect(artifact.manifest.precision).toBe('f32');
    const got = createEngine(artifact, module).infer({ pixels });
    expect(difference(got, await onnxLogits(logits, tensors, pixels))).toBeLessThan(1e-5);
  });

  it('in int8 gives the logits of its dequantized weights, up to the rounding of activations', async () => {
    const quantized = quantizeTensors(tensors, logits);
    const artifact = await readArtifact(await pack(logits, quantized, description));
    expect(artifact.manifest.precision).toBe('int8');
    const got = createEngine(artifact, module).infer({ pixels });
    expect(difference(got, await onnxLogits(logits, dequantizeTensors(quantized), pixels))).toBeLessThan(0.05);
    expect(difference(got, await onnxLogits(logits, tensors, pixels))).toBeLessThan(0.06);
  });

  it('gives the same on the scalar kernels', async () => {
    for (const stored of [tensors, quantizeTensors(tensors, logits)]) {
      const artifact = await readArtifact(await pack(logits, stored, description));
      const expected = createEngineWith(artifact, referenceKernels).infer({ pixels });
      expect(difference(createEngine(artifact, module).infer({ pixels }), expected)).toBeLessThan(stored === tensors ? 1e-5 : 1e-3);
    }
  });

  it('gives the same bytes and the same logits twice', async () => {
    const [first, second] = [await pack(logits, tensors, description), await pack(logits, new Map([...tensors].reverse()), description)];
    expect(Buffer.compare(first, second)).toBe(0);
    const engine = createEngine(await readArtifact(first), module);
    const once = engine.infer({ pixels });
    engine.infer({ pixels: pixels.map((v) => -v) });
    expect(engine.infer({ pixels })).toEqual(once);
  });
});

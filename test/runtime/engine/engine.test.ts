import { describe, expect, it } from 'vitest';
import { pack } from '../../../cli/compress/pack.ts';
import { quantizeTensors } from '../../../cli/compress/quantize.ts';
import { storedTensors } from '../../../cli/compress/stored-tensors.ts';
import { readArtifact } from '../../../runtime/artifact/artifact.ts';
import { createEngine } from '../../../runtime/engine/engine.ts';
import { description, smallVit } from '../../compress/small-vit.ts';
import { kernelsModule } from '../kernels-module.ts';

const { logits, values, pixels } = smallVit('low-rank');
const packed = await pack(logits, quantizeTensors(storedTensors(logits, values), logits), description);
const artifact = await readArtifact(packed);
const module = await kernelsModule();

describe('an engine', () => {
  it('tells its input and its memory', () => {
    const engine = createEngine(artifact, module);
    expect(engine.inputShape).toEqual([1, 3, 12, 20]);
    expect(engine.weightBytes).toBe(artifact.data.length);
    expect(engine.arenaBytes).toBe(artifact.manifest.plan.arenaBytes);
  });

  it('refuses an input of the wrong length', () => {
    expect(() => createEngine(artifact, module).infer(new Float32Array(3))).toThrow('infer: expected 720 values for shape [1,3,12,20], got 3');
  });

  it('keeps no state between calls', () => {
    const engine = createEngine(artifact, module);
    const first = engine.infer(pixels);
    const kept = first.slice();
    engine.infer(pixels.map((v) => 3 - v));
    expect(engine.infer(pixels)).toEqual(first);
    expect(first).toEqual(kept);
  });

  it('carries a NaN to the logits', () => {
    expect([...createEngine(artifact, module).infer(pixels.map((v, i) => (i === 5 ? NaN : v)))]).toEqual(Array(5).fill(NaN));
  });

  it('needs the bytes of the artifact no more', async () => {
    const bytes = packed.slice();
    const engine = createEngine(await readArtifact(bytes), module);
    bytes.fill(0);
    expect(engine.infer(pixels)).toEqual(createEngine(artifact, module).infer(pixels));
  });
});

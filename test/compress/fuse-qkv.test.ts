/** An A that query, key and value share, in the artifact: what three equal A's answer, to the bit, from fewer bytes. */
import { describe, expect, it } from 'vitest';
import { absorb } from '../../cli/compress/absorb.ts';
import { pack } from '../../cli/compress/pack.ts';
import { dequantizeTensors, quantizeTensors, WEIGHTS } from '../../cli/compress/quantize.ts';
import { f32Values, type StoredTensors, storedTensors } from '../../cli/compress/stored-tensors.ts';
import { evaluate, floats } from '../../cli/engines/engine.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine, createEngineWith } from '../../runtime/engine/engine.ts';
import { referenceKernels } from '../../runtime/kernels/reference.ts';
import { BUILDS, kernelsModule } from '../runtime/kernels-module.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';
import { description, type SmallVit, smallVit } from './small-vit.ts';

const onnx = await onnxEngine();

/** The same model with an A for each of the three, all equal. */
function apart(shared: SmallVit, scaling: number, rank: number): SmallVit {
  const given = smallVit('low-rank', scaling, rank);
  const values = [...given.values.keys()].map((name): [string, Float32Array] => [
    name,
    shared.values.get(name) ?? shared.values.get(name.replace(/\.(query|key|value)\./, '.qkv.'))!,
  ]);
  return { ...given, values: new Map(values) };
}

/** Rank 7 is below the heads' width of 9: there attention is absorbed. */
describe.each([
  ['absorbed', 7, 1],
  ['absorbed, with scaling 0.5', 7, 0.5],
  ['not absorbed', 11, 1],
  ['not absorbed, with scaling 0.5', 11, 0.5],
])('%s', (_, rank, scaling) => {
  const shared = smallVit('low-rank', scaling, rank, 'vit', { fuseQkv: true });
  const { pixels } = shared;
  const made = [shared, apart(shared, scaling, rank)].map(({ logits, values }) => {
    const { logits: graph, derive } = absorb(logits);
    return { graph, tensors: derive(storedTensors(logits, values)) };
  });
  const packed = (how: (tensors: StoredTensors, i: number) => StoredTensors) =>
    Promise.all(made.map(({ graph, tensors }, i) => pack(graph, how(tensors, i), description)));

  it('answers in f32 as the training engine does', async () => {
    const [bytes] = await packed((tensors) => tensors);
    const [{ graph, tensors }] = made;
    const weights = [...tensors].map(([name, tensor]) => [name, floats(f32Values(tensor), tensor.shape)]);
    const feeds = { ...Object.fromEntries(weights), pixels: floats(pixels, [1, 3, 12, 20]) };
    const { logits } = await evaluate(onnx, { outputs: { logits: graph } }, feeds);
    const engine = createEngineWith(await readArtifact(bytes), referenceKernels);
    expectClose(engine.infer({ pixels }), logits.data, 1e-5, 'logits');
  });

  it.each(WEIGHTS)('answers with the same bits in %s, from fewer bytes, on every build', async (weights) => {
    const files = await packed((tensors, i) => quantizeTensors(tensors, made[i].graph, weights));
    const [one, three] = await Promise.all(files.map((file) => readArtifact(file)));
    expect(files[0].length).toBeLessThan(files[1].length);
    const names = [...one.entries.keys()];
    expect(names.filter((name) => name.startsWith('block.0.') && name.endsWith('.qkv.loraA'))).toHaveLength(1);
    expect(names.some((name) => /\.(query|key|value)\.loraA/.test(name))).toBe(false);
    expect(createEngineWith(one, referenceKernels).infer({ pixels })).toEqual(
      createEngineWith(three, referenceKernels).infer({ pixels }),
    );
    for (const build of BUILDS) {
      const module = await kernelsModule(build);
      expect(createEngine(one, module).infer({ pixels })).toEqual(createEngine(three, module).infer({ pixels }));
    }
  });

  it.each(WEIGHTS)('comes back from %s as each of three does', (weights) => {
    const [one, three] = made.map(({ graph, tensors }) =>
      dequantizeTensors(quantizeTensors(tensors, graph, weights), graph),
    );
    expect(one.get('block.0.qkv.loraA')).toEqual(three.get('block.0.key.loraA'));
  });

  it('multiplies x with A once', async () => {
    const [bytes] = await packed((tensors, i) => quantizeTensors(tensors, made[i].graph));
    const { plan } = (await readArtifact(bytes)).manifest;
    const reads = plan.steps.filter((step) => Object.values(step).includes('block.1.qkv.loraA'));
    expect(reads).toMatchObject([{ op: 'linearInt8', outputs: rank }]);
  });
});

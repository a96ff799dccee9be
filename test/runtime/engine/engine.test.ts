import { describe, expect, it } from 'vitest';
import { pack } from '../../../cli/compress/pack.ts';
import { quantizeTensors } from '../../../cli/compress/quantize.ts';
import { storedTensors } from '../../../cli/compress/stored-tensors.ts';
import { readArtifact } from '../../../runtime/artifact/artifact.ts';
import { memoryLayout } from '../../../runtime/artifact/plan-memory.ts';
import { createEngine } from '../../../runtime/engine/engine.ts';
import { profileArtifact } from '../../../runtime/engine/profile.ts';
import { smallBert, smallText, TOKENS, textDescription, VOCABULARY } from '../../compress/small-bert.ts';
import { description, smallVit } from '../../compress/small-vit.ts';
import { kernelsModule } from '../kernels-module.ts';

const { logits, values, pixels } = smallVit('low-rank');
const packed = await pack(logits, quantizeTensors(storedTensors(logits, values), logits), description);
const artifact = await readArtifact(packed);
const module = await kernelsModule();

describe('an engine', () => {
  it('tells its input and its memory', () => {
    const engine = createEngine(artifact, module);
    expect(engine.inputs).toEqual([{ name: 'pixels', dtype: 'F32', shape: [1, 3, 12, 20], vocabulary: null }]);
    const { bytes } = memoryLayout(artifact.data.length, artifact.manifest.plan, artifact.entries);
    expect(engine.memoryBytes).toBe(65_536 * Math.ceil(bytes / 65_536));
  });

  it('refuses an input of the wrong length', () => {
    expect(() => createEngine(artifact, module).infer({ pixels: new Float32Array(3) })).toThrow(
      'infer: expected 720 values for pixels of shape [1,3,12,20], got 3',
    );
  });

  it('keeps no state between calls', () => {
    const engine = createEngine(artifact, module);
    const first = engine.infer({ pixels });
    const kept = first.slice();
    engine.infer({ pixels: pixels.map((v) => 3 - v) });
    expect(engine.infer({ pixels })).toEqual(first);
    expect(first).toEqual(kept);
  });

  it('gives nothing of an answer to the next, also where a plan reads what it has not written', async () => {
    const add = { op: 'add' as const, rows: 1, columns: 4 };
    const [a, b] = [16, 32].map((from) => from + 4 * pixels.length);
    const plan = {
      ...artifact.manifest.plan,
      arenaBytes: b + 64,
      inputs: [{ ...artifact.manifest.plan.inputs[0], offset: 0 }],
      output: { offset: b, shape: [1, 4] },
      steps: [
        { ...add, a, b: a, out: b },
        { ...add, a: 0, b: 0, out: a },
      ],
    };
    const odd = createEngine({ ...artifact, manifest: { ...artifact.manifest, plan } }, module);
    expect([...odd.infer({ pixels: pixels.map(() => 7) })]).toEqual([0, 0, 0, 0]);
    expect([...odd.infer({ pixels: pixels.map(() => 1) })]).toEqual([0, 0, 0, 0]);
  });

  it('carries a NaN to the logits', () => {
    expect([...createEngine(artifact, module).infer({ pixels: pixels.map((v, i) => (i === 5 ? NaN : v)) })]).toEqual(
      Array(5).fill(NaN),
    );
  });

  it('needs the bytes of the artifact no more', async () => {
    const bytes = packed.slice();
    const engine = createEngine(await readArtifact(bytes), module);
    bytes.fill(0);
    expect(engine.infer({ pixels })).toEqual(createEngine(artifact, module).infer({ pixels }));
  });
});

describe('an engine for texts', async () => {
  const { logits: textLogits, values: textValues } = smallBert();
  const stored = storedTensors(textLogits, textValues);
  const textArtifacts = await Promise.all(
    [stored, quantizeTensors(stored, textLogits)].map(async (tensors) =>
      readArtifact(await pack(textLogits, tensors, textDescription)),
    ),
  );

  it('tells its inputs and their vocabularies', () => {
    expect(createEngine(textArtifacts[0], module).inputs).toEqual([
      { name: 'ids', dtype: 'I32', shape: [1, TOKENS], vocabulary: VOCABULARY },
      { name: 'types', dtype: 'I32', shape: [1, TOKENS], vocabulary: 2 },
    ]);
  });

  it.each([1, 2, 3, 8, 10, TOKENS])(
    'answers a text of %i tokens as a plan for just that length does',
    async (tokens) => {
      const { logits: exact } = smallBert(tokens);
      for (const [i, artifact] of textArtifacts.entries()) {
        const tensors =
          i === 0 ? storedTensors(exact, textValues) : quantizeTensors(storedTensors(exact, textValues), exact);
        const expected = createEngine(await readArtifact(await pack(exact, tensors, textDescription)), module).infer(
          smallText(tokens),
        );
        expect(createEngine(artifact, module).infer(smallText(tokens))).toEqual(expected);
      }
    },
  );

  it('is not led astray by a longer text before', () => {
    const [artifact] = textArtifacts;
    const engine = createEngine(artifact, module);
    const alone = engine.infer(smallText(4));
    engine.infer(smallText(TOKENS));
    expect(engine.infer(smallText(4))).toEqual(alone);
    expect(engine.inferBatch([smallText(TOKENS), smallText(4)])[1]).toEqual(alone);
  });

  it.each([
    [
      'an id beyond the vocabulary',
      { ids: Int32Array.of(1, VOCABULARY), types: Int32Array.of(0, 0) },
      `expected ids from 0 to ${VOCABULARY - 1}, got ${VOCABULARY}`,
    ],
    ['a negative id', { ids: Int32Array.of(1, -1), types: Int32Array.of(0, 0) }, 'expected ids from 0'],
    ['a text that is too long', smallText(TOKENS + 1), `expected 1 to ${TOKENS} values for ids`],
    ['no token', { ids: new Int32Array(), types: new Int32Array() }, `expected 1 to ${TOKENS} values for ids`],
    [
      'inputs of two lengths',
      { ids: Int32Array.of(1, 2), types: Int32Array.of(0) },
      'expected 2 values for types of shape [1,11], got 1',
    ],
    ['a missing input', { ids: Int32Array.of(1) }, 'expected 1 values for types of shape [1,11], got none'],
  ])('refuses %s', (_, inputs, message) => {
    expect(() => createEngine(textArtifacts[0], module).infer(inputs)).toThrow(message);
  });

  it('tells where its time goes', () => {
    const profile = profileArtifact(textArtifacts[1], module, smallText(5));
    expect(profile.reduce((sum, { calls }) => sum + calls, 0)).toBe(textArtifacts[1].manifest.plan.steps.length);
    expect(profile.every(({ ms }, i) => ms >= 0 && (i === 0 || ms <= profile[i - 1].ms))).toBe(true);
  });
});

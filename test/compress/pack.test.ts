/** A packed model, run by the runtime, agrees with the same graph on onnxruntime. */
import { describe, expect, it } from 'vitest';
import { absorb } from '../../cli/compress/absorb.ts';
import { pack } from '../../cli/compress/pack.ts';
import { dequantizeTensors, quantizeTensors } from '../../cli/compress/quantize.ts';
import { f32Values, type StoredTensors, storedTensors } from '../../cli/compress/stored-tensors.ts';
import { evaluate, floats, type HostTensor, integers } from '../../cli/engines/engine.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { add } from '../../cli/graph/ops/binary.ts';
import { embedding, positionEmbedding } from '../../cli/graph/ops/embedding.ts';
import { input } from '../../cli/graph/ops/leaf.ts';
import { linear } from '../../cli/graph/ops/linear.ts';
import { relu } from '../../cli/graph/ops/relu.ts';
import { selectToken } from '../../cli/graph/ops/vision.ts';
import { readArtifact } from '../../runtime/artifact/artifact.ts';
import { createEngine, createEngineWith } from '../../runtime/engine/engine.ts';
import { referenceKernels } from '../../runtime/kernels/reference.ts';
import { random } from '../../runtime/random.ts';
import { kernelsModule } from '../runtime/kernels-module.ts';
import { onnxEngine } from '../support/engines.ts';
import { smallBert, smallText, TOKENS, textDescription } from './small-bert.ts';
import { description, smallVit } from './small-vit.ts';

const module = await kernelsModule();
const onnx = await onnxEngine();

async function onnxAnswer(
  logits: Node,
  tensors: StoredTensors,
  sample: Readonly<Record<string, HostTensor>>,
): Promise<Float32Array> {
  const inputs = new Map([...tensors].map(([name, tensor]) => [name, floats(f32Values(tensor), tensor.shape)]));
  return (await evaluate(onnx, { outputs: { logits } }, { ...Object.fromEntries(inputs), ...sample })).logits
    .data as Float32Array;
}

function onnxLogits(logits: Node, tensors: StoredTensors, pixels: Float32Array): Promise<Float32Array> {
  return onnxAnswer(logits, tensors, { pixels: floats(pixels, [1, 3, 12, 20]) });
}

/** The largest difference, relative to the largest logit. */
function difference(got: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return got.reduce((worst, v, i) => Math.max(worst, Math.abs(v - expected[i])), 0) / largest;
}

const MODELS = [
  ['dense', 'vit', 1],
  ['low-rank', 'vit', 1],
  ['low-rank', 'vit', 0.5],
  ['low-rank', 'deit', 1],
  ['dense', 'deit-with-teacher', 1],
  ['low-rank', 'deit-with-teacher', 1],
] as const;
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
    expect(difference(got, await onnxLogits(logits, dequantizeTensors(quantized, logits), pixels))).toBeLessThan(0.05);
    expect(difference(got, await onnxLogits(logits, tensors, pixels))).toBeLessThan(0.06);
  });

  it('gives the same on the scalar kernels', async () => {
    for (const stored of [tensors, quantizeTensors(tensors, logits)]) {
      const artifact = await readArtifact(await pack(logits, stored, description));
      const expected = createEngineWith(artifact, referenceKernels).infer({ pixels });
      expect(difference(createEngine(artifact, module).infer({ pixels }), expected)).toBeLessThan(
        stored === tensors ? 1e-5 : 1e-3,
      );
    }
  });

  it('gives the same bytes and the same logits twice', async () => {
    const [first, second] = [
      await pack(logits, tensors, description),
      await pack(logits, new Map([...tensors].reverse()), description),
    ];
    expect(Buffer.compare(first, second)).toBe(0);
    const engine = createEngine(await readArtifact(first), module);
    const once = engine.infer({ pixels });
    engine.infer({ pixels: pixels.map((v) => -v) });
    expect(engine.infer({ pixels })).toEqual(once);
  });
});

describe.each([
  ['its own word table', {}],
  ['a word table of two factors', { embeddingRank: 5 }],
  ['a word table of two factors and scaling 0.5', { embeddingRank: 5, scaling: 0.5 }],
])('a BERT with %s', (_, options) => {
  const { logits, values } = smallBert(TOKENS, options);
  const { logits: absorbed, derive } = absorb(logits);
  const stored = derive(storedTensors(logits, values));
  const quantized = quantizeTensors(stored, absorbed);

  /** The graph as it was before anything was made ahead, for texts of exactly that length. */
  function expected(tokens: number): Promise<Float32Array> {
    const exact = smallBert(tokens, options);
    const { ids, types } = smallText(tokens);
    return onnxAnswer(exact.logits, storedTensors(exact.logits, exact.values), {
      ids: integers(ids, [1, tokens]),
      types: integers(types, [1, tokens]),
    });
  }

  it('in f32 gives the logits of onnxruntime, whatever the length', async () => {
    const engine = createEngine(await readArtifact(await pack(absorbed, stored, textDescription)), module);
    for (const tokens of [1, 4, TOKENS])
      expect(difference(engine.infer({ ...smallText(tokens) }), await expected(tokens))).toBeLessThan(1e-5);
  });

  it('in int8 gives the logits of its dequantized weights, up to the rounding of activations', async () => {
    const engine = createEngine(await readArtifact(await pack(absorbed, quantized, textDescription)), module);
    const { ids, types } = smallText(TOKENS);
    const sample = { ids: integers(ids, [1, TOKENS]), types: integers(types, [1, TOKENS]) };
    const got = engine.infer({ ids, types });
    expect(difference(got, await onnxAnswer(absorbed, dequantizeTensors(quantized, absorbed), sample))).toBeLessThan(
      0.05,
    );
    expect(difference(got, await expected(TOKENS))).toBeLessThan(0.06);
    const tables = [...quantized]
      .filter(([name, { dtype }]) => name.startsWith('embedding') && dtype === 'I8')
      .map(([name, { shape }]) => [name, shape[0]]);
    expect(tables).toHaveLength('embeddingRank' in options ? 4 : 3);
    for (const [name, rows] of tables) expect(quantized.get(`${name}.scale`)?.shape).toEqual([rows]);
  });
});

it('takes a text model that reads no types, and one with a ReLU before its head', async () => {
  const [D, P, V] = [12, 6, 9];
  const [ids, word, position] = [input('ids', [1, P], 'i32'), input('word', [V, D]), input('position', [P, D])];
  const first = selectToken(add(embedding(word, ids), positionEmbedding(position, 1, P)), 1, 0);
  const logits = linear(
    relu(linear(first, input('hidden', [D, D]), null, 'hidden')),
    input('head', [5, D]),
    null,
    'head',
  );
  const source = random(3);
  const sizes = { word: V * D, position: P * D, hidden: D * D, head: 5 * D };
  const tensors = storedTensors(
    logits,
    new Map(
      Object.entries(sizes).map(([name, length]) => [name, Float32Array.from({ length }, () => source.normal())]),
    ),
  );
  const sample = Int32Array.of(7, 1, 8, 0, 0, 2);
  const expected = await onnxAnswer(logits, tensors, { ids: integers(sample, [1, P]) });
  for (const [stored, tolerance] of [
    [tensors, 1e-5],
    [quantizeTensors(tensors, logits), 0.05],
  ] as const) {
    const engine = createEngine(await readArtifact(await pack(logits, stored, textDescription)), module);
    expect(engine.inputs.map(({ name, vocabulary }) => [name, vocabulary])).toEqual([['ids', V]]);
    expect(difference(engine.infer({ ids: sample }), expected)).toBeLessThan(tolerance);
  }
});

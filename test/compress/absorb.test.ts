/** The rewritten graphs compute what the given ones do, told by onnxruntime in f32, and less of it. */
import { describe, expect, it } from 'vitest';
import { absorb } from '../../cli/compress/absorb.ts';
import { selectEarly } from '../../cli/compress/select-early.ts';
import { f32Values, type StoredTensors, storedTensors } from '../../cli/compress/stored-tensors.ts';
import { evaluate, floats, type HostTensor, integers } from '../../cli/engines/engine.ts';
import { inputsOf, macsOf } from '../../cli/graph/cost.ts';
import { type Node, topological } from '../../cli/graph/graph.ts';
import { inputName } from '../../cli/graph/ops/leaf.ts';
import { expectClose } from '../support/compare.ts';
import { onnxEngine } from '../support/engines.ts';
import { smallBert, smallText, TOKENS } from './small-bert.ts';
import { smallVit } from './small-vit.ts';

const onnx = await onnxEngine();

async function logitsOf(
  logits: Node,
  tensors: StoredTensors,
  sample: Readonly<Record<string, HostTensor>>,
): Promise<Float32Array> {
  const weights = Object.fromEntries(
    [...tensors].map(([name, tensor]) => [name, floats(f32Values(tensor), tensor.shape)]),
  );
  return (await evaluate(onnx, { outputs: { logits } }, { ...weights, ...sample })).logits.data as Float32Array;
}

const { ids, types } = smallText(TOKENS);
const text = { ids: integers(ids, [1, TOKENS]), types: integers(types, [1, TOKENS]) };
const { pixels } = smallVit('dense');
const picture = { pixels: floats(pixels, [1, 3, 12, 20]) };

describe.each([
  ['a low-rank ViT', smallVit('low-rank'), picture],
  ['a low-rank ViT with scaling 0.5', smallVit('low-rank', 0.5), picture],
  ['a ViT whose queries, keys and values share A', smallVit('low-rank', 0.5, 7, 'vit', { fuseQkv: true }), picture],
  ['a low-rank BERT', smallBert(), text],
  ['a low-rank BERT with a word table of two factors', smallBert(TOKENS, { embeddingRank: 5 }), text],
  [
    'a low-rank BERT with a word table of two factors and scaling 0.5',
    smallBert(TOKENS, { embeddingRank: 5, scaling: 0.5 }),
    text,
  ],
] as const)('%s', (_, { logits, values }, sample) => {
  const tensors = storedTensors(logits, values);
  const { logits: absorbed, derive } = absorb(logits);

  it('gives the same logits with attention absorbed', async () => {
    expectClose(
      await logitsOf(absorbed, derive(tensors), sample),
      await logitsOf(logits, tensors, sample),
      1e-5,
      'logits',
    );
  });

  it('shares keys and values between heads, and needs fewer products and weights', () => {
    const attentions = topological([absorbed]).filter(({ operation }) => operation.name === 'attention');
    expect(attentions.map(({ attributes }) => attributes.keyHeads)).toEqual([1, 1, 1]);
    expect(macsOf({ outputs: { absorbed } }).total).toBeLessThan(macsOf({ outputs: { logits } }).total);
    const bytes = (stored: StoredTensors): number =>
      [...stored.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect(bytes(derive(tensors))).toBeLessThan(bytes(tensors));
  });

  it('keeps exactly the tensors that the rewritten graph reads', () => {
    const names = inputsOf({ outputs: { absorbed } })
      .map((node) => inputName(node) as string)
      .filter((name) => !(name in sample));
    expect([...derive(tensors).keys()].sort()).toEqual(names.sort());
  });

  it('gives the same logits where only the first row of the last block is computed', async () => {
    const early = selectEarly(absorbed);
    expectClose(
      await logitsOf(early, derive(tensors), sample),
      await logitsOf(absorbed, derive(tensors), sample),
      1e-5,
      'logits',
    );
    const queries = topological([early])
      .filter(({ operation }) => operation.name === 'attention')
      .map(({ attributes }) => attributes.queries);
    expect(queries.slice(-1)).toEqual([1]);
    expect(queries.slice(0, -1).every((count) => (count as number) > 1)).toBe(true);
    // Nothing but the rows that fall away has changed: each attention is computed once.
    expect(queries).toHaveLength(3);
  });
});

it("makes of a word table's second factor the weight of a linear layer: s·Aᵀ", () => {
  const { logits, values } = smallBert(TOKENS, { embeddingRank: 5, scaling: 0.5 });
  const weight = absorb(logits).derive(storedTensors(logits, values)).get('embedding.word.absorbed.loraA')!;
  const loraA = values.get('embedding.word.loraA')!; // (5, 36)
  expect(weight.shape).toEqual([36, 5]);
  expect([...f32Values(weight)]).toEqual(
    Array.from({ length: 36 * 5 }, (_, at) => 0.5 * loraA[(at % 5) * 36 + Math.floor(at / 5)]),
  );
});

it('leaves a dense model, and ranks that reach the width of a head, as they are', () => {
  const { logits } = smallVit('dense');
  expect(absorb(logits).logits).toBe(logits);
  const wide = smallVit('low-rank', 1, 9).logits;
  expect(absorb(wide).logits).toBe(wide);
});

/** Which tensors a run's weights must hold. */
import { expect, it } from 'vitest';
import { absorb } from '../../cli/compress/absorb.ts';
import { f32Tensor } from '../../cli/compress/stored-tensors.ts';
import { inputsOf } from '../../cli/graph/cost.ts';
import { elementCount } from '../../cli/graph/graph.ts';
import { inputName } from '../../cli/graph/ops/leaf.ts';
import { tensorsOf } from '../../cli/models/layers.ts';
import { deployable, logitsOf, weightSpecs } from '../../cli/train/trained-model.ts';
import type { Compression } from '../../runtime/artifact/manifest.ts';
import { adapterOptions, tinyBert } from '../support/tiny-bert.ts';

const { ranks } = adapterOptions('svd');
const compression: Compression = {
  method: 'pc-lora',
  rank: 4,
  ranks: Object.fromEntries(ranks),
  scaling: 0.5,
  schedule: 'sine',
  init: 'svd',
};

it("are the dense model's without a compression", () => {
  expect(weightSpecs(tinyBert, null)).toEqual(tensorsOf(tinyBert.layers));
});

it('are the factors in place of the word table where its rank is recorded', () => {
  const specs = new Map(weightSpecs(tinyBert, compression).map(({ name, shape }) => [name, shape]));
  expect([specs.get('embedding.word.loraA'), specs.get('embedding.word.loraB')]).toEqual([
    [4, 12],
    [40, 4],
  ]);
  expect([specs.has('embedding.word'), specs.has('block.0.up.weight'), specs.get('block.0.up.loraB')]).toEqual([
    false,
    false,
    [20, 3],
  ]);

  const { 'embedding.word': _, ...linears } = compression.ranks;
  const without = weightSpecs(tinyBert, { ...compression, ranks: linears }).map(({ name }) => name);
  expect(without).toContain('embedding.word');
  expect(without).not.toContain('embedding.word.loraB');
});

it('refuses ranks that a table can not have', () => {
  const refused = (rank: number) => () =>
    weightSpecs(tinyBert, { ...compression, ranks: { ...compression.ranks, 'embedding.word': rank } });
  expect(refused(13)).toThrow('rank 13 for layer embedding.word (12×40): expected a whole number from 1 to 12');
  expect(refused(0)).toThrow('expected a whole number from 1 to 12');
});

it('become what the runtime computes with', () => {
  const stored = new Map(
    weightSpecs(tinyBert, compression).map(({ name, shape }) => [
      name,
      f32Tensor(new Float32Array(elementCount(shape)), shape),
    ]),
  );
  const { logits, tensors } = deployable({ model: tinyBert, compression, precision: 'f32', stored });
  const read = inputsOf({ outputs: { logits } })
    .map((node) => inputName(node) as string)
    .filter((name) => !['ids', 'types'].includes(name));
  expect([...tensors.keys()].sort()).toEqual(read.sort());
  expect(tensors.get('embedding.word.absorbed.loraA')?.shape).toEqual([12, 4]);
  expect(logits.shape).toEqual(absorb(logitsOf({ model: tinyBert, compression })).logits.shape);
});

/** A small random BERT, low-rank, whose sizes are no multiples of a SIMD register. */
import type { Description } from '../../cli/compress/pack.ts';
import type { Node } from '../../cli/graph/graph.ts';
import { createBert } from '../../cli/models/bert.ts';
import { blockLinears, tensorsOf, WORD_EMBEDDING } from '../../cli/models/layers.ts';
import { adaptersOnlyParts, adapterTensors } from '../../cli/pclora/linear.ts';
import { random } from '../../runtime/random.ts';
import { description } from './small-vit.ts';

export const TOKENS = 11;
export const VOCABULARY = 23;

/**
 * A graph for texts of exactly `tokens` tokens, always with the same weights; with a rank of the word table, on its
 * factors.
 */
export function smallBert(
  tokens = TOKENS,
  { embeddingRank = 0, scaling = 1, layers = 3 } = {},
): { readonly logits: Node; readonly values: ReadonlyMap<string, Float32Array> } {
  const model = createBert({
    variant: 'bert',
    vocabSize: VOCABULARY,
    maxPositions: 13,
    typeVocabSize: 2,
    embeddingSize: 36,
    activation: 'gelu',
    hiddenSize: 36,
    layers,
    heads: 4,
    intermediateSize: 70,
    layerNormEpsilon: 1e-6,
    initializerRange: 0.2,
    headDropout: 0,
    tokens,
    labels: description.labels,
    problemType: description.problemType,
  });
  const ranks = new Map(blockLinears(model.layers).map(({ name }) => [name, 7]));
  if (embeddingRank > 0) ranks.set(WORD_EMBEDDING, embeddingRank);
  const specs = [...tensorsOf(model.layers), ...adapterTensors(model.layers, ranks)];
  const source = random(4);
  const values = new Map(
    specs.map(({ name, shape, start }) => [
      name,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
        start === 'ones' ? 1 + 0.1 * source.normal() : 0.2 * source.normal(),
      ),
    ]),
  );
  return { logits: model.forward(model.batchInputs(1), 1, adaptersOnlyParts(specs, scaling)).logits, values };
}

export function smallText(tokens: number, seed = 5): { readonly ids: Int32Array; readonly types: Int32Array } {
  const source = random(seed, tokens);
  return {
    ids: Int32Array.from({ length: tokens }, () => source.below(VOCABULARY)),
    types: Int32Array.from({ length: tokens }, (_, i) => (2 * i < tokens ? 0 : 1)),
  };
}

export const textDescription: Description = {
  ...description,
  task: 'text-classification',
  source: { model: 'small-bert', architecture: 'bert' },
  preprocessing: {},
};

/** A BERT of two blocks with random weights, and a batch of padded texts. */
import { floats, type HostTensor, integers } from '../../cli/engines/engine.ts';
import { type BertConfig, createBert } from '../../cli/models/bert.ts';
import { blockLinears, tensorsOf, WORD_EMBEDDING } from '../../cli/models/layers.ts';
import type { AdapterOptions, Init } from '../../cli/pclora/linear.ts';
import { initialTensors } from '../../cli/pretrained/initial.ts';
import { random } from '../../runtime/random.ts';

export const BATCH = 3;
export const TOKENS = 5;
/** Of each text of the batch. */
export const LENGTHS = [5, 2, 4];

export const tinyBertConfig = {
  variant: 'bert',
  vocabSize: 40,
  maxPositions: 7,
  typeVocabSize: 2,
  embeddingSize: 12,
  activation: 'gelu',
  hiddenSize: 12,
  layers: 2,
  heads: 3,
  intermediateSize: 20,
  layerNormEpsilon: 1e-6,
  initializerRange: 0.3,
  headDropout: 0,
  tokens: TOKENS,
  labels: ['a', 'b', 'c'],
  problemType: 'single_label_classification',
} satisfies BertConfig;
export const tinyBert = createBert(tinyBertConfig);

/** Dense weights; biases and norms are random too, so that nothing vanishes by being 0 or 1. */
export const denseTensors = initialTensors(
  tensorsOf(tinyBert.layers).map((spec) => ({ ...spec, start: 'normal' as const })),
  tinyBertConfig.initializerRange,
  random(11),
);

/** Ranks of the blocks' linears and of the word table. */
export function adapterOptions(init: Init, { rank = 3, embeddingRank = 4, scaling = 1 } = {}): AdapterOptions {
  return {
    init,
    scaling,
    ranks: new Map([
      [WORD_EMBEDDING, embeddingRank],
      ...blockLinears(tinyBert.layers).map(({ name }) => [name, rank] as const),
    ]),
  };
}

/** A batch, padded on the right with id 0, and the dense weights under their names. */
export function tinyFeeds(): Record<string, HostTensor> {
  const source = random(12);
  const cells = Array.from({ length: BATCH * TOKENS }, (_, at) => at % TOKENS < LENGTHS[Math.floor(at / TOKENS)]);
  const shape = [BATCH, TOKENS];
  return {
    ids: integers(
      Int32Array.from(cells, (isToken) => (isToken ? 1 + source.below(tinyBertConfig.vocabSize - 1) : 0)),
      shape,
    ),
    types: integers(
      Int32Array.from(cells, (isToken, at) => (isToken && at % TOKENS > 1 ? 1 : 0)),
      shape,
    ),
    mask: floats(Float32Array.from(cells, Number), shape),
    labels: integers(Int32Array.of(0, 2, 1), [BATCH]),
    ...Object.fromEntries(
      tensorsOf(tinyBert.layers).map(({ name, shape: of }) => [name, floats(denseTensors.get(name)!, of)]),
    ),
  };
}

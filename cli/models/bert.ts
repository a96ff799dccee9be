/**
 * Text classifiers of the BERT family: BERT (Devlin et al. 2018), RoBERTa (Liu et al. 2019), DistilBERT (Sanh et al.
 * 2019), ELECTRA (Clark et al. 2020) and those that compute as one of them, as Hugging Face's
 * ...ForSequenceClassification do. They differ in their heads, in the types of tokens and in ELECTRA's narrow
 * embeddings.
 *
 * The dropout before the head is modelled (`Model.dropouts`); the dropout within the blocks, on attention's
 * probabilities and on the embeddings is not: a fine-tuned model answers the same, a training step is not Hugging
 * Face's to the digit.
 */
import type { Activation } from '../../runtime/artifact/plan.ts';
import type { ProblemType } from '../../runtime/artifact/problem-type.ts';
import type { Node } from '../graph/graph.ts';
import { attention } from '../graph/ops/attention.ts';
import { add, multiply } from '../graph/ops/binary.ts';
import { embedding, positionEmbedding } from '../graph/ops/embedding.ts';
import { layerNorm } from '../graph/ops/layer-norm.ts';
import { input } from '../graph/ops/leaf.ts';
import { linear } from '../graph/ops/linear.ts';
import { selectToken } from '../graph/ops/vision.ts';
import { activate } from './activation.ts';
import { embeddingLayer, type Layer, linearLayer, normLayer, WORD_EMBEDDING, wordEmbeddingLayer } from './layers.ts';
import { type Dropout, type Forward, layerNamed, type Model, type Parts } from './model.ts';

/**
 * What is between the first token's last state and the logits, x → logits:
 * bert: tanh(pooler), dropout, head; roberta: dropout, tanh(pooler), dropout, head; distilbert: relu(pooler), dropout,
 * head; electra: dropout, gelu(pooler), dropout, head.
 */
export type BertVariant = 'bert' | 'roberta' | 'distilbert' | 'electra';

/** The pooler's activation, and whether values are dropped before it, too. */
const HEADS: Readonly<Record<BertVariant, { readonly activation: Activation; readonly dropsBefore: boolean }>> = {
  bert: { activation: 'tanh', dropsBefore: false },
  roberta: { activation: 'tanh', dropsBefore: true },
  distilbert: { activation: 'relu', dropsBefore: false },
  electra: { activation: 'gelu', dropsBefore: true },
};

/** Sizes of a text classifier, as a checkpoint's config.json tells them. */
export interface BertConfig {
  readonly variant: BertVariant;
  readonly vocabSize: number;
  /** Longest sequence that has position embeddings. */
  readonly maxPositions: number;
  /** Kinds of tokens (first and second text); 0 where the model knows none, as DistilBERT. */
  readonly typeVocabSize: number;
  /** ERNIE's tasks, whose first one every text is of; absent where the model knows none. */
  readonly taskTypes?: number;
  /** Width of the embeddings: a linear layer leads to the blocks where it is not `hiddenSize`. */
  readonly embeddingSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly layerNormEpsilon: number;
  /** Between `up` and `down` of every block. */
  readonly activation: Activation;
  readonly initializerRange: number;
  /** The longest sequence that the model is to take, at most `maxPositions`. */
  readonly tokens: number;
  /** Share of the values that each dropout of the head drops while training. */
  readonly headDropout: number;
  readonly labels: readonly string[];
  readonly problemType: ProblemType;
}

/** The layer from narrow embeddings to the blocks. */
const PROJECTION = 'embedding.projection';

function bertLayers(config: BertConfig): Layer[] {
  const {
    hiddenSize: D,
    embeddingSize: E,
    intermediateSize: F,
    vocabSize,
    maxPositions,
    typeVocabSize,
    labels,
  } = config;
  const blocks = Array.from({ length: config.layers }, (_, i) => [
    ...['query', 'key', 'value', 'attention'].map((name) => linearLayer(`block.${i}.${name}`, D, D, 'linear', i)),
    normLayer(`block.${i}.norm1`, D, i),
    linearLayer(`block.${i}.up`, D, F, 'linear', i),
    linearLayer(`block.${i}.down`, F, D, 'linear', i),
    normLayer(`block.${i}.norm2`, D, i),
  ]);
  return [
    wordEmbeddingLayer(vocabSize, E),
    embeddingLayer('embedding', [
      { name: 'embedding.position', shape: [maxPositions, E], start: 'normal' },
      ...(typeVocabSize > 0 ? [{ name: 'embedding.type', shape: [typeVocabSize, E], start: 'normal' as const }] : []),
    ]),
    normLayer('norm', E, null),
    ...(E === D ? [] : [linearLayer(PROJECTION, E, D, 'embedding', null)]),
    ...blocks.flat(),
    linearLayer('pooler', D, D, 'pooler', null),
    linearLayer('head', D, labels.length, 'head', null),
  ];
}

/** Where the head drops values, in the order of its calculation. */
function headDropouts({ variant, hiddenSize: width, headDropout: rate }: BertConfig): Dropout[] {
  if (rate === 0) return [];
  const names = HEADS[variant].dropsBefore ? ['poolerDropout', 'dropout'] : ['dropout'];
  return names.map((name) => ({ name, width, rate }));
}

/**
 * Builds a text classifier from its config: the layer table and the forward pass. Post-norm blocks, logits from the
 * first token.
 */
export function createBert(config: BertConfig): Model {
  const layers = bertLayers(config);
  const { variant, heads, vocabSize, typeVocabSize } = config;
  const hasTypes = typeVocabSize > 0;
  const dropouts = headDropouts(config);

  function forward(inputs: Readonly<Record<string, Node>>, batch: number, parts: Parts): Forward {
    const { ids, types, mask } = inputs;
    const { tensor } = parts;
    const dense = (name: string, x: Node): Node => linear(x, tensor(`${name}.weight`), tensor(`${name}.bias`), name);
    const norm = (name: string, x: Node): Node =>
      layerNorm(x, tensor(`${name}.weight`), tensor(`${name}.bias`), config.layerNormEpsilon);

    const [, T] = ids.shape;
    const words = parts.embedding(layerNamed(layers, WORD_EMBEDDING), ids); // (B·T, E)
    const positions = positionEmbedding(tensor('embedding.position'), batch, T);
    const places = types ? add(positions, embedding(tensor('embedding.type'), types)) : positions;
    const embedded = norm('norm', add(words, places)); // (B·T, E)
    let x = layers.some(({ name }) => name === PROJECTION) ? dense(PROJECTION, embedded) : embedded; // (B·T, D)
    const blocks: Node[] = [];
    for (let i = 0; i < config.layers; i++) {
      const block = (name: string, y: Node): Node => parts.linear(layerNamed(layers, `block.${i}.${name}`), y);
      const mixed = attention(block('query', x), block('key', x), block('value', x), mask ?? null, {
        batch,
        tokens: T,
        heads,
      });
      x = norm(`block.${i}.norm1`, add(x, block('attention', mixed)));
      x = norm(`block.${i}.norm2`, add(x, block('down', activate(config.activation, block('up', x)))));
      blocks.push(x);
    }
    const dropped = (name: string, y: Node): Node => (inputs[name] ? multiply(y, inputs[name]) : y);
    const first = selectToken(x, batch, 0); // (B, D)
    const pooled = activate(HEADS[variant].activation, dense('pooler', dropped('poolerDropout', first))); // (B, D)
    return { logits: dense('head', dropped('dropout', pooled)), blocks };
  }

  return {
    architecture: variant,
    labels: config.labels,
    problemType: config.problemType,
    layers,
    initializerRange: config.initializerRange,
    vocabularies: { ids: vocabSize, ...(hasTypes ? { types: typeVocabSize } : {}) },
    tokens: config.tokens,
    dropouts,
    batchInputs: (batch, { padded = false, tokens = config.tokens, dropout = false } = {}) => ({
      ids: input('ids', [batch, tokens], 'i32'),
      ...(hasTypes ? { types: input('types', [batch, tokens], 'i32') } : {}),
      ...(padded ? { mask: input('mask', [batch, tokens]) } : {}),
      ...(dropout ? Object.fromEntries(dropouts.map(({ name, width }) => [name, input(name, [batch, width])])) : {}),
    }),
    forward,
  };
}

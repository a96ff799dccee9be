import {
  type Attributes,
  apply,
  expansionOf,
  expectShapes,
  type Node,
  type Operation,
  sameShape,
  topological,
} from '../graph.ts';
import { paddingScores, splitHeads } from '../heads.ts';
import { add, multiply, scale, subtract } from './binary.ts';
import { broadcastTo } from './broadcast.ts';
import { matmul } from './matmul.ts';
import { sum, sumTo } from './reduce.ts';
import { reshape } from './reshape.ts';
import { softmax } from './softmax.ts';
import { transpose } from './transpose.ts';

/** How rows divide into sequences, and columns into heads. */
export interface AttentionSizes {
  readonly batch: number;
  /** Keys and values of a sequence. */
  readonly tokens: number;
  readonly heads: number;
  /** Queries of a sequence; as many as tokens unless given. */
  readonly queries?: number;
  /** 1 where all heads share keys and values; as many as heads unless given. */
  readonly keyHeads?: number;
  /** What scores are multiplied with; 1/√(key's width) unless given. */
  readonly scale?: number;
}

/** The same with nothing left out. */
export type AttentionAttributes = Attributes & Required<AttentionSizes>;

const attentionOperation: Operation<AttentionAttributes> = {
  name: 'attention',
  infer(inputs, { batch, tokens, heads, queries, keyHeads }) {
    const [query, key, value, mask] = inputs;
    const [width, keyWidth, valueWidth] = [query, key, value].map(({ shape }) => shape[1]);
    const rows = query.shape[0] === batch * queries && [key, value].every(({ shape }) => shape[0] === batch * tokens);
    const fits =
      rows &&
      width % heads === 0 &&
      keyWidth % keyHeads === 0 &&
      valueWidth % keyHeads === 0 &&
      width / heads === keyWidth / keyHeads;
    expectShapes(
      fits,
      'attention',
      `query, key, value (${batch * tokens}, width), width divisible by ${heads} heads`,
      inputs,
    );
    expectShapes(
      !mask || sameShape(mask.shape, [batch, tokens]),
      'attention',
      `a mask of shape (${batch}, ${tokens})`,
      inputs,
    );
    return { dtype: 'f32', shape: [batch * queries, (valueWidth / keyHeads) * heads] };
  },
  expand([query, key, value, mask], { batch, tokens, heads, queries, keyHeads, scale: factor }) {
    const shared = (x: Node): Node => {
      const stacked = splitHeads(x, batch, tokens, keyHeads);
      return keyHeads === heads ? stacked : broadcastTo(stacked, [batch, heads, tokens, x.shape[1] / keyHeads]);
    };
    const scores = matmul(scale(splitHeads(query, batch, queries, heads), factor), shared(key), { transB: true }); // (B, H, Q, T)
    const padded = mask ? add(scores, paddingScores(mask)) : scores;
    return joined(matmul(softmax(padded), shared(value)));
  },
  gradient(mixed, dy) {
    const [query, key, value] = (['query', 'key', 'value'] as const).map((of) =>
      apply(attentionGradientOperation, [mixed as Node, dy], { ...mixed.attributes, of }),
    );
    return [query, key, value, null];
  },
};

/** (B, parts, rows, d) → (B·rows, parts·d) */
function joined(x: Node): Node {
  const [batch, parts, rows, width] = x.shape;
  return reshape(transpose(x, [0, 2, 1, 3]), [batch * rows, parts * width]);
}

/** Of which of attention's inputs the gradient is. */
interface GradientAttributes extends AttentionAttributes {
  readonly of: 'query' | 'key' | 'value';
}

/**
 * d loss / d query, key or value of an attention, given that and dy = d loss / d its output. An operation of its own, so
 * that a target can use a fused kernel, which keeps no probabilities.
 */
const attentionGradientOperation: Operation<GradientAttributes> = {
  name: 'attentionGradient',
  infer: ([mixed], { of }) => ({
    dtype: 'f32',
    shape: mixed.inputs[['query', 'key', 'value'].indexOf(of)].shape,
  }),
  expand: ([mixed, dy], { of }) => backward(mixed as Node<AttentionAttributes>, dy)[of],
  /** Of the value one product; of query and key one each, and the scores' gradient, which both take, is the query's. */
  macs({ inputs: [mixed], attributes: { of, batch, heads, queries, tokens } }) {
    const [width, valueWidth] = [mixed.inputs[0], mixed].map(({ shape }) => shape[1] / heads);
    const widths = { query: width + valueWidth, key: width, value: valueWidth };
    return batch * heads * queries * tokens * widths[of];
  },
};

type Backward = Readonly<Record<GradientAttributes['of'], Node>>;
const backwards = new WeakMap<Node, WeakMap<Node, Backward>>();

/** The three gradients, made once, so that they share the scores' gradient. */
function backward(mixed: Node<AttentionAttributes>, dy: Node): Backward {
  const known = backwards.get(mixed)?.get(dy);
  if (known) return known;
  const made = makeBackward(mixed, dy);
  backwards.set(mixed, (backwards.get(mixed) ?? new WeakMap<Node, Backward>()).set(dy, made));
  return made;
}

/**
 * With P the probabilities, O = P·V: dV = Pᵀ·dO; dS = P ∘ (dO·Vᵀ - Σ dO∘O), the sum over a row's head, which is softmax's
 * Σ P∘dP without a pass over the scores (Dao et al. 2022, appendix B.2).
 */
function makeBackward(mixed: Node<AttentionAttributes>, dy: Node): Backward {
  const { batch, tokens, heads, queries, keyHeads, scale: factor } = mixed.attributes;
  const { query, key, value, probabilities, output } = insideOf(mixed);
  const dO = splitHeads(dy, batch, queries, heads); // (B, H, Q, e)
  const toValue = matmul(swapLast(probabilities), dO); // (B, H, T, e)
  const toScores = multiply(
    probabilities,
    subtract(matmul(dO, value, { transB: true }), sum(multiply(dO, output), [3])),
  ); // (B, H, Q, T)
  const toQuery = scale(matmul(toScores, key), factor); // (B, H, Q, d)
  const toKey = matmul(swapLast(toScores), query); // (B, H, T, d)
  const ofShared = (x: Node): Node => joined(sumTo(x, [batch, keyHeads, tokens, x.shape[3]]));
  return { query: joined(toQuery), key: ofShared(toKey), value: ofShared(toValue) };
}

/** What an attention's expansion computes on its way; the query is scaled already. */
function insideOf(mixed: Node<AttentionAttributes>) {
  const output = expansionOf(mixed as Node)!.inputs[0].inputs[0]; // (B, H, Q, e)
  const [probabilities, value] = output.inputs;
  const [padded] = probabilities.inputs;
  const hasMask = mixed.inputs.length > 3;
  const [query, key] = hasMask ? padded.inputs[0].inputs : padded.inputs;
  return { query, key, value, probabilities, output };
}

/** The attentions that an output comes from, the first block's first. */
export function attentionsOf(output: Node): Node<AttentionAttributes>[] {
  const isAttention = ({ operation }: Node): boolean => operation === (attentionOperation as Operation);
  return topological([output]).filter(isAttention) as Node<AttentionAttributes>[];
}

/** (B, H, Q, T): how much each query takes of each token's value. An engine that fuses attention computes it apart. */
export function attentionProbabilities(mixed: Node<AttentionAttributes>): Node {
  return insideOf(mixed).probabilities;
}

function swapLast(x: Node): Node {
  return transpose(x, [0, 1, 3, 2]);
}

/**
 * Multi-head scaled dot-product attention (Vaswani et al. 2017): softmax(scale·QKᵀ)·V per head, heads side by side.
 * query (B·Q, H·d), key (B·T, H·d), value (B·T, H·e); where all heads share one key and value (Shazeer 2019), key
 * (B·T, d), value (B·T, e). mask (B, T) or null: 1 for a token, 0 for padding, which comes behind all tokens and which
 * nothing attends to. → (B·Q, H·e)
 */
export function attention(query: Node, key: Node, value: Node, mask: Node | null, sizes: AttentionSizes): Node {
  const {
    heads,
    queries = sizes.tokens,
    keyHeads = heads,
    scale: factor = 1 / Math.sqrt(query.shape[1] / heads),
  } = sizes;
  return apply(attentionOperation, mask ? [query, key, value, mask] : [query, key, value], {
    ...sizes,
    queries,
    keyHeads,
    scale: factor,
  });
}

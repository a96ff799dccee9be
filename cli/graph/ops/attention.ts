import { type Attributes, apply, expectShapes, type Node, type Operation, sameShape } from '../graph.ts';
import { add, scale } from './binary.ts';
import { broadcastTo } from './broadcast.ts';
import { matmul } from './matmul.ts';
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
    const [query, key, value, bias] = inputs;
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
      !bias || sameShape(bias.shape, [batch, 1, 1, tokens]),
      'attention',
      `a bias of shape (${batch}, 1, 1, ${tokens})`,
      inputs,
    );
    return { dtype: 'f32', shape: [batch * queries, (valueWidth / keyHeads) * heads] };
  },
  expand([query, key, value, bias], { batch, tokens, heads, queries, keyHeads, scale: factor }) {
    const split = (x: Node, rows: number, parts: number): Node =>
      transpose(reshape(x, [batch, rows, parts, x.shape[1] / parts]), [0, 2, 1, 3]); // (B, parts, rows, d)
    const shared = (x: Node): Node => {
      const stacked = split(x, tokens, keyHeads);
      return keyHeads === heads ? stacked : broadcastTo(stacked, [batch, heads, tokens, x.shape[1] / keyHeads]);
    };
    const scores = matmul(scale(split(query, queries, heads), factor), shared(key), { transB: true }); // (B, H, Q, T)
    const mixed = matmul(softmax(bias ? add(scores, bias) : scores), shared(value)); // (B, H, Q, d)
    return reshape(transpose(mixed, [0, 2, 1, 3]), [batch * queries, heads * mixed.shape[3]]);
  },
};

/**
 * Multi-head scaled dot-product attention (Vaswani et al. 2017): softmax(scale·QKᵀ + bias)·V per head, heads side by
 * side. query (B·Q, H·d), key (B·T, H·d), value (B·T, H·e); where all heads share one key and value (Shazeer 2019),
 * key (B·T, d), value (B·T, e). bias (B, 1, 1, T) or null, large and negative where a token is padding. → (B·Q, H·e)
 */
export function attention(query: Node, key: Node, value: Node, bias: Node | null, sizes: AttentionSizes): Node {
  const {
    heads,
    queries = sizes.tokens,
    keyHeads = heads,
    scale: factor = 1 / Math.sqrt(query.shape[1] / heads),
  } = sizes;
  return apply(attentionOperation, bias ? [query, key, value, bias] : [query, key, value], {
    ...sizes,
    queries,
    keyHeads,
    scale: factor,
  });
}

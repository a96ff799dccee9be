import { apply, expectShapes, sameShape, type Attributes, type Node, type Operation } from '../graph.ts';
import { add, scale } from './binary.ts';
import { matmul } from './matmul.ts';
import { reshape } from './reshape.ts';
import { softmax } from './softmax.ts';
import { transpose } from './transpose.ts';

export interface AttentionAttributes extends Attributes {
  readonly batch: number;
  readonly tokens: number;
  readonly heads: number;
}

const attentionOperation: Operation<AttentionAttributes> = {
  name: 'attention',
  infer(inputs, { batch, tokens, heads }) {
    const [query, key, value, bias] = inputs;
    const [rows, width] = query.shape;
    const fits = rows === batch * tokens && width % heads === 0 && [key, value].every(({ shape }) => sameShape(shape, query.shape));
    expectShapes(fits, 'attention', `query, key, value (${batch * tokens}, width), width divisible by ${heads} heads`, inputs);
    expectShapes(!bias || sameShape(bias.shape, [batch, 1, 1, tokens]), 'attention', `a bias of shape (${batch}, 1, 1, ${tokens})`, inputs);
    return { dtype: 'f32', shape: query.shape };
  },
  expand([query, key, value, bias], { batch, tokens, heads }) {
    const width = query.shape[1];
    const perHead = width / heads;
    const split = (x: Node): Node => transpose(reshape(x, [batch, tokens, heads, perHead]), [0, 2, 1, 3]); // (B, H, T, d)
    const scores = matmul(scale(split(query), 1 / Math.sqrt(perHead)), split(key), { transB: true }); // (B, H, T, T)
    const mixed = matmul(softmax(bias ? add(scores, bias) : scores), split(value)); // (B, H, T, d)
    return reshape(transpose(mixed, [0, 2, 1, 3]), [batch * tokens, width]);
  },
};

/**
 * Multi-head scaled dot-product attention (Vaswani et al. 2017): softmax(QKᵀ/√d + bias)·V per head, heads side by side.
 * query, key, value (B·T, D); bias (B, 1, 1, T) or null, large and negative where a token is padding. → (B·T, D)
 */
export function attention(query: Node, key: Node, value: Node, bias: Node | null, sizes: { batch: number; tokens: number; heads: number }): Node {
  return apply(attentionOperation, bias ? [query, key, value, bias] : [query, key, value], { ...sizes });
}

/** What a text encoder does before its first block. */
import { apply, elementCount, expectShapes, sameShape, type Node, type Operation } from '../graph.ts';
import { add } from './binary.ts';
import { gather } from './gather.ts';
import { flatten, reshape } from './reshape.ts';
import { slice } from './slice.ts';

const textEmbeddingOperation: Operation = {
  name: 'textEmbedding',
  infer(inputs) {
    const [word, position, type, ids, types] = inputs;
    const width = word.shape[1];
    const tables = [word, position, type].every(({ shape }) => shape.length === 2 && shape[1] === width);
    const tokens = [ids, types].every(({ dtype, shape }) => dtype === 'i32' && shape.length === 2 && sameShape(shape, ids.shape));
    const fits = tables && tokens && ids.shape[1] <= position.shape[0];
    expectShapes(fits, 'textEmbedding', 'word (V, D), position (P, D), type (Y, D), i32 ids and types (B, T) with T up to P', inputs);
    return { dtype: 'f32', shape: [elementCount(ids.shape), width] };
  },
  expand([word, position, type, ids, types]) {
    const [batch, tokens] = ids.shape;
    const width = word.shape[1];
    const kinds = add(gather(word, flatten(ids)), gather(type, flatten(types))); // (B·T, D)
    const placed = add(reshape(kinds, [batch, tokens, width]), slice(position, 0, 0, tokens)); // (B, T, D)
    return reshape(placed, [batch * tokens, width]);
  },
};

/**
 * The embedding of BERT (Devlin et al. 2018), before its layer norm: the sum of a token's word, its place and its sentence.
 * word (V, D), position (P, D), type (Y, D), ids (B, T), types (B, T) → (B·T, D)
 */
export function textEmbedding(word: Node, position: Node, type: Node, ids: Node, types: Node): Node {
  return apply(textEmbeddingOperation, [word, position, type, ids, types], {});
}

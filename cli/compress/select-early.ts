/**
 * Where only one token of the last block is used, nothing but keys and values needs the others: `selectToken` moves up
 * through whatever works row by row, and through attention to its queries. The same logits; of a ViT-B's twelve blocks,
 * most of one falls away.
 */
import { isActivation } from '../../runtime/artifact/steps.ts';
import { apply, type Node, sameShape, topological } from '../graph/graph.ts';
import { type AttentionAttributes, attention } from '../graph/ops/attention.ts';
import { type SelectAttributes, selectToken } from '../graph/ops/vision.ts';
import { rewrite } from '../graph/rewrite.ts';

/** Rewrites a model's graph, whatever its batch. */
export function selectEarly(logits: Node): Node {
  // What is averaged is needed whole: a row of it computed apart would be computed twice.
  if (topological([logits]).some(({ operation }) => operation.name === 'meanTokens')) return logits;
  return rewrite({ outputs: { logits } }, ({ operation, attributes }, [x]) =>
    operation.name === 'selectToken' ? rowsAlone(x, attributes as SelectAttributes)(x) : null,
  ).outputs.logits;
}

/** What keys and values need of all tokens, and so there is no use in computing a row of it apart. */
function neededWhole(x: Node): ReadonlySet<Node> {
  const rowwise = topological([x], (node) => (node.operation.name === 'attention' ? [] : node.inputs));
  return new Set(
    topological(
      rowwise.filter(({ operation }) => operation.name === 'attention').flatMap(({ inputs }) => inputs.slice(1)),
    ),
  );
}

/** Gives row `index` of each sequence of values that `x` is made of, computed of as few other rows as possible, once each. */
function rowsAlone(x: Node, { batch, index }: SelectAttributes): (node: Node) => Node {
  const whole = neededWhole(x);
  const made = new Map<Node, Node>();
  function make(node: Node): Node {
    const [first, ...others] = node.inputs;
    if (whole.has(node)) return selectToken(node, batch, index);
    if (isActivation(node.operation.name)) return apply(node.operation, [row(first)], node.attributes);
    switch (node.operation.name) {
      case 'linear':
      case 'lowRankLinear':
      case 'layerNorm':
        return apply(node.operation, [row(first), ...others], node.attributes);
      case 'add':
      case 'multiply':
        if (!node.inputs.every(({ shape }) => sameShape(shape, node.shape))) return selectToken(node, batch, index);
        return apply(node.operation, node.inputs.map(row), node.attributes);
      case 'attention': {
        const [key, value, mask = null] = others;
        return attention(row(first), key, value, mask, { ...(node.attributes as AttentionAttributes), queries: 1 });
      }
      default:
        return selectToken(node, batch, index);
    }
  }
  function row(node: Node): Node {
    const known = made.get(node) ?? make(node);
    made.set(node, known);
    return known;
  }
  return row;
}

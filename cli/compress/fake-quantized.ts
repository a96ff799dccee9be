/**
 * The graph as the runtime computes it in int8, in f32 and with gradients that pass straight through: attention
 * absorbed (./absorb), the weights and tables that `quantizeTensors` would quantize rounded as it does, and before each
 * layer the rows that the kernels would quantize, those between two factors too. Attention stays as it is: it runs in
 * 16 bits.
 */
import { apply, type Graph, type Node } from '../graph/graph.ts';
import { fakeQuantizeInt4, fakeQuantizeRows, fakeQuantizeWeight } from '../graph/ops/fake-quantize.ts';
import { gemm } from '../graph/ops/gemm.ts';
import type { LinearAttributes, LowRankAttributes } from '../graph/ops/linear.ts';
import { rewrite } from '../graph/rewrite.ts';
import { absorbInGraph } from './absorb.ts';
import { takesInt4 } from './int4.ts';
import type { Weights } from './quantize.ts';

/**
 * The same outputs by the same names, with what int8 costs them, or int8 with weights in int4. Biases of absorbed keys
 * are no longer in it.
 */
export function fakeQuantized(graph: Graph, weights: Weights = 'int8'): Graph {
  const rounded = (weight: Node): Node =>
    weights === 'int4' && takesInt4(weight.shape[1]) ? fakeQuantizeInt4(weight) : fakeQuantizeWeight(weight);
  const known = new Map<Node, Node>();
  // Query, key and value read the same rows, of x or of an A·x that they share: the runtime quantizes them once.
  const rows = (x: Node): Node => {
    const made = known.get(x) ?? fakeQuantizeRows(x);
    known.set(x, made);
    return made;
  };
  return rewrite(absorbInGraph(graph), (node, inputs) => {
    switch (node.operation.name) {
      case 'linear': {
        const [x, weight, bias = null] = inputs;
        const { scaling: alpha = 1 } = node.attributes as LinearAttributes;
        return gemm(rows(x), rounded(weight), bias, { transB: true, alpha });
      }
      case 'lowRankLinear': {
        const [x, loraA, loraB, loraC] = inputs;
        const { scaling: alpha } = node.attributes as LowRankAttributes;
        const inner = gemm(rows(x), rounded(loraA), null, { transB: true }); // (rows, r)
        return gemm(fakeQuantizeRows(inner), rounded(loraB), loraC, { transB: true, alpha });
      }
      // A table's rows have scales of their own: those that are looked up are rounded alone.
      case 'embedding':
      case 'positionEmbedding':
        return rounded(apply(node.operation, inputs, node.attributes));
      default:
        return null;
    }
  });
}

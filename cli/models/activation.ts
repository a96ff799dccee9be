/** The activation between a block's two wide layers, by the name that the edge runtime has for it. */
import type { Activation } from '../../runtime/artifact/plan.ts';
import type { Node } from '../graph/graph.ts';
import { geluTanh, hardSwish, leakyRelu, mish, quickGelu, relu6, reluSquared, silu } from '../graph/ops/activations.ts';
import { gelu } from '../graph/ops/gelu.ts';
import { relu } from '../graph/ops/relu.ts';
import { sigmoid, tanh } from '../graph/ops/unary.ts';

const OPERATIONS: Readonly<Record<Activation, (x: Node) => Node>> = {
  none: (x) => x,
  gelu,
  tanh,
  relu,
  sigmoid,
  silu,
  quickGelu,
  geluTanh,
  mish,
  relu6,
  reluSquared,
  leakyRelu,
  hardSwish,
};

/** Applies an activation, element by element; `none` gives x itself. */
export function activate(activation: Activation, x: Node): Node {
  return OPERATIONS[activation](x);
}

/** A graph with some of its operations in another spelling. */
import { apply, type Graph, type Node, topological } from './graph.ts';

/**
 * The same graph, where `replace` may give another node for each one; null keeps it. `inputs` are the node's inputs
 * after their own replacement. What nothing needs any more is gone.
 */
export function rewrite(graph: Graph, replace: (node: Node, inputs: readonly Node[]) => Node | null): Graph {
  const made = new Map<Node, Node>();
  for (const node of topological(Object.values(graph.outputs))) {
    const inputs = node.inputs.map((input) => made.get(input)!);
    const kept = (): Node =>
      inputs.every((input, i) => input === node.inputs[i]) ? node : apply(node.operation, inputs, node.attributes);
    made.set(node, replace(node, inputs) ?? kept());
  }
  return { outputs: Object.fromEntries(Object.entries(graph.outputs).map(([name, node]) => [name, made.get(node)!])) };
}

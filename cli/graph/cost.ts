/** What a graph costs, told by walking it. 1 MAC = 2 FLOPs. */
import { elementCount, expansionOf, type Graph, type Node, topological } from './graph.ts';
import { inputName } from './ops/leaf.ts';

/**
 * Multiply-accumulates of all matrix products that the outputs need, in total and by layer.
 * Products outside a named layer (attention's) are told under their operation's name.
 */
export function macsOf(graph: Graph): { readonly total: number; readonly byLayer: ReadonlyMap<string, number> } {
  const byLayer = new Map<string, number>();
  let total = 0;
  for (const node of topological(Object.values(graph.outputs))) {
    const macs = macsOfNode(node);
    if (macs === 0) continue;
    const layer = typeof node.attributes.layer === 'string' ? node.attributes.layer : node.operation.name;
    byLayer.set(layer, (byLayer.get(layer) ?? 0) + macs);
    total += macs;
  }
  return { total, byLayer };
}

/** A node's own products; a composite's are those that its expansion adds to its inputs. */
function macsOfNode(node: Node): number {
  if (node.operation.macs) return node.operation.macs(node);
  const expansion = expansionOf(node);
  if (!expansion) return 0;
  const outside = new Set(node.inputs);
  const inside = topological([expansion], (inner) => (outside.has(inner) ? [] : inner.inputs)).filter(
    (inner) => !outside.has(inner),
  );
  return inside.reduce((sum, inner) => sum + macsOfNode(inner), 0);
}

/** How many values all nodes that the outputs need have together, those within expansions among them. */
export function valuesOf(graph: Graph): number {
  const nodes = topological(Object.values(graph.outputs), (node) => {
    const expansion = expansionOf(node);
    return expansion ? [expansion] : node.inputs;
  });
  return nodes.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** The named inputs that the outputs reach, expansions included, in the order of first use. */
export function inputsOf(graph: Graph): Node[] {
  return topological(Object.values(graph.outputs)).filter((node) => inputName(node) !== null);
}

/** The number of elements of the named inputs that `counts` picks: parameters, if it picks the weights. */
export function parametersOf(graph: Graph, counts: (name: string) => boolean): number {
  return inputsOf(graph).reduce((sum, node) => (counts(inputName(node)!) ? sum + elementCount(node.shape) : sum), 0);
}

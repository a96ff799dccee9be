/** Reverse-mode differentiation: the gradient of a graph is another graph. */
import { expansionOf, type Node, ShapeError, topological } from './graph.ts';
import { add } from './ops/binary.ts';
import { scalar } from './ops/leaf.ts';

/**
 * d loss / d each of `targets`, as nodes of the targets' shapes.
 * A composite without a rule of its own is differentiated through its expansion.
 *
 * @param loss a value of shape ()
 * @throws ShapeError when loss is no scalar, a target doesn't influence it, or an operation on the way has no gradient
 */
export function gradients(loss: Node, targets: readonly Node[]): Node[] {
  if (loss.shape.length !== 0)
    throw new ShapeError(`gradients: expected a loss of shape (), got (${loss.shape.join(', ')})`);
  const order = topological([loss], differentiatedInputs);
  const active = influencedBy(targets, order);
  const byNode = new Map<Node, Node>([[loss, scalar(1)]]);
  const accumulate = (node: Node, dy: Node | null): void => {
    if (!dy || !active.has(node)) return;
    const known = byNode.get(node);
    byNode.set(node, known ? add(known, dy) : dy);
  };

  for (const node of order.reverse()) {
    const dy = byNode.get(node);
    if (!dy || !active.has(node) || node.inputs.length === 0) continue;
    if (node.operation.gradient) {
      node.operation.gradient(node, dy).forEach((dx, i) => accumulate(node.inputs[i], dx));
    } else {
      const expansion = expansionOf(node);
      if (!expansion) throw new ShapeError(`gradients: operation ${node.operation.name} has no gradient`);
      accumulate(expansion, dy);
    }
  }
  return targets.map((target, i) => {
    const dy = byNode.get(target);
    if (!dy)
      throw new ShapeError(
        `gradients: the loss does not depend on target ${i} ` +
          `(${String(target.attributes.name ?? target.operation.name)})`,
      );
    return dy;
  });
}

/** What a node's gradient flows to: its inputs, or its expansion where that is what gets differentiated. */
function differentiatedInputs(node: Node): readonly Node[] {
  if (node.operation.gradient) return node.inputs;
  const expansion = expansionOf(node);
  return expansion ? [expansion] : node.inputs;
}

/** The nodes that some target influences: gradients are computed along these only. */
function influencedBy(targets: readonly Node[], order: readonly Node[]): Set<Node> {
  const active = new Set<Node>(targets);
  for (const node of order)
    if (differentiatedInputs(node).some((dependency) => active.has(dependency))) active.add(node);
  return active;
}

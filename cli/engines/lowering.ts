/** What every engine does alike with a graph: its named inputs, and operations that the engine has no spelling for. */
import { describeType, expansionOf, type Node } from '../graph/graph.ts';
import { inputName } from '../graph/ops/leaf.ts';
import { EngineError } from './engine.ts';

/** In what an operation says itself, a field of `Operation`. */
export type Spelling = 'onnx' | 'stablehlo' | 'tfjs';

/** Input nodes by name. The same name may stand for several nodes, if they agree on dtype and shape. */
export function distinctInputs(engine: string, inputs: readonly Node[]): Map<string, Node> {
  const byName = new Map<string, Node>();
  for (const node of inputs) {
    const name = inputName(node)!;
    const known = byName.get(name);
    if (known && describeType(known) !== describeType(node)) {
      throw new EngineError(`${engine}: input ${name} is both ${describeType(known)} and ${describeType(node)}`);
    }
    byName.set(name, node);
  }
  return byName;
}

/** What a node is computed from: its inputs, or its expansion where the operation has no such spelling. */
export function loweredInputs(spelling: Spelling): (node: Node) => readonly Node[] {
  return (node) => {
    if (node.operation[spelling]) return node.inputs;
    const expansion = expansionOf(node);
    return expansion ? [expansion] : node.inputs;
  };
}

/**
 * What a node becomes, told from what those before it became: as `spell` says it, or what its expansion is.
 * @throws EngineError where the operation has neither
 */
export function lowerNode<Value>(
  spelling: Spelling,
  node: Node,
  values: ReadonlyMap<Node, Value>,
  spell: (inputs: readonly Value[]) => Value,
): Value {
  if (node.operation[spelling]) return spell(node.inputs.map((x) => values.get(x)!));
  const expansion = expansionOf(node);
  if (!expansion)
    throw new EngineError(`operation ${node.operation.name} has neither a spelling in ${spelling} nor an expansion`);
  return values.get(expansion)!;
}

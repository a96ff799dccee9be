/** The named inputs of a graph, as every engine takes them. */
import { describeType, type Node } from '../graph/graph.ts';
import { inputName } from '../graph/ops/leaf.ts';
import { EngineError } from './engine.ts';

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

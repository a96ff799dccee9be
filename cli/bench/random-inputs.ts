import type { Random } from '../../runtime/random.ts';
import { floats, type HostTensor, integers } from '../engines/engine.ts';
import { elementCount, type Node } from '../graph/graph.ts';
import type { Model } from '../models/model.ts';

/**
 * A batch of random samples for the inputs that the model asked for: normal pixels, ids from its vocabularies, no
 * padding.
 */
export function randomInputs(
  { vocabularies }: Model,
  inputs: Readonly<Record<string, Node>>,
  source: Random,
): Record<string, HostTensor> {
  const draw = (name: string, { dtype, shape }: Node): HostTensor => {
    const length = elementCount(shape);
    if (dtype === 'i32')
      return integers(
        Int32Array.from({ length }, () => source.below(vocabularies[name])),
        shape,
      );
    return floats(
      Float32Array.from({ length }, () => (name === 'mask' ? 1 : source.normal())),
      shape,
    );
  };
  return Object.fromEntries(Object.entries(inputs).map(([name, node]) => [name, draw(name, node)]));
}

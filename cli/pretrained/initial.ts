/** Fresh tensors for a model from scratch, for a new head, and for benches. */
import type { Random } from '../../runtime/random.ts';
import { elementCount } from '../graph/graph.ts';
import type { TensorSpec } from '../models/layers.ts';
import type { Tensors } from './tensor-file.ts';

/** Draws every tensor as its table entry says: normal with `initializerRange`, zeros or ones. */
export function initialTensors(specs: readonly TensorSpec[], initializerRange: number, source: Random): Tensors {
  return new Map(
    specs.map(({ name, shape, start }) => {
      const data = new Float32Array(elementCount(shape));
      if (start === 'normal') for (let i = 0; i < data.length; i++) data[i] = initializerRange * source.normal();
      if (start === 'ones') data.fill(1);
      return [name, data];
    }),
  );
}

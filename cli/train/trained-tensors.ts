/** What a run trains, as one vector, and what it leaves frozen. */
import { createHash } from 'node:crypto';
import { type DeviceTensor, type Engine, floats } from '../engines/engine.ts';
import { elementCount } from '../graph/graph.ts';
import type { TensorSpec } from '../models/layers.ts';
import type { Tensors } from '../pretrained/tensor-file.ts';
import type { FlatLayout } from './optimizer.ts';

/** Uploads tensors under their names. */
export function uploadTensors(
  engine: Engine,
  specs: readonly TensorSpec[],
  tensors: Tensors,
  rename: (name: string) => string = (name) => name,
): Record<string, DeviceTensor> {
  return Object.fromEntries(
    specs.map(({ name, shape }) => [rename(name), engine.upload(floats(tensorNamed(tensors, name), shape))]),
  );
}

/** Tells whether weights are the same ones: of their names and bytes. */
export function tensorsDigest(tensors: Tensors): string {
  const hash = createHash('sha256');
  for (const [name, values] of tensors) hash.update(`${name}\n`).update(values);
  return `sha256:${hash.digest('hex')}`;
}

/** The tensors of a layout, one after another. */
export function packVector(layout: FlatLayout, tensors: Tensors): Float32Array {
  const vector = new Float32Array(layout.size);
  layout.tensors.forEach(({ name }, i) => vector.set(tensorNamed(tensors, name), layout.offsets[i]));
  return vector;
}

/** `packVector`'s inverse: copies. */
export function unpackVector(layout: FlatLayout, vector: Float32Array): Tensors {
  return new Map(
    layout.tensors.map(({ name, shape }, i) => [
      name,
      vector.slice(layout.offsets[i], layout.offsets[i] + elementCount(shape)) as Float32Array<ArrayBuffer>,
    ]),
  );
}

/**
 * The tensor of that name.
 * @throws Error where there is no tensor of that name: a mistake of the caller's, since names come from the layer table
 */
export function tensorNamed(tensors: Tensors, name: string): Float32Array<ArrayBuffer> {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`no tensor ${name}`);
  return tensor;
}

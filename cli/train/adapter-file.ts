/** A, B and C of --method lora, which its weights hold already: what an adapter is exported from. */
import { UserError } from '../io/errors.ts';
import type { TensorSpec } from '../models/layers.ts';
import { openTensorFile, saveTensors, type Tensors } from '../pretrained/tensor-file.ts';
import { tensorNamed } from './trained-tensors.ts';

/** Adapters by the layer table's names, with the rank of each layer that has A of its own, and s. */
export interface SavedAdapter {
  readonly tensors: Tensors;
  readonly ranks: ReadonlyMap<string, number>;
  readonly scaling: number;
}

/** Writes them, whole or not at all. */
export async function saveAdapterFile(
  path: string,
  specs: readonly TensorSpec[],
  { tensors, scaling }: Pick<SavedAdapter, 'tensors' | 'scaling'>,
): Promise<void> {
  const named = specs.map(({ name, shape }) => [name, { shape, data: tensorNamed(tensors, name) }] as const);
  await saveTensors(path, named, { scaling: String(scaling) });
}

/** Reads them. @throws UserError for a file that holds anything else */
export async function readAdapter(path: string): Promise<SavedAdapter> {
  const file = await openTensorFile(path);
  try {
    const scaling = Number(file.header.metadata.get('scaling'));
    if (!(scaling > 0)) throw new UserError(`${path} does not tell its scaling`, 'Train it again.');
    const tensors: Tensors = new Map();
    for (const name of file.shapes.keys()) tensors.set(name, await file.read(name));
    const ranks = [...file.shapes].flatMap(([name, [rank]]) =>
      name.endsWith('.loraA') ? [[name.slice(0, -'.loraA'.length), rank] as const] : [],
    );
    return { tensors, ranks: new Map(ranks), scaling };
  } finally {
    await file.close();
  }
}

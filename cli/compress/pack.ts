/** The last stage: a model's graph, its tensors and what is known of it become the bytes of one `.slim` file. */

import { artifactBytes, readArtifact, writeArtifact } from '../../runtime/artifact/artifact.ts';
import { FORMAT_VERSION, type Manifest } from '../../runtime/artifact/manifest.ts';
import type { Tensor, TensorType } from '../../runtime/artifact/safetensors.ts';
import { factorName, isQuantized, scaleName } from '../../runtime/artifact/steps.ts';
import { type Node, topological } from '../graph/graph.ts';
import { inputName } from '../graph/ops/leaf.ts';
import type { LinearAttributes } from '../graph/ops/linear.ts';
import { packedType, packWeight } from './packed-weights.ts';
import { planOf } from './plan.ts';
import { linearWeights } from './quantize.ts';
import { selectEarly } from './select-early.ts';
import {
  f32Tensor,
  f32Values,
  precisionOf,
  type StoredTensors,
  type StoredTypes,
  tensorNamed,
} from './stored-tensors.ts';

/** What the manifest tells beside what packing works out itself. */
export type Description = Omit<Manifest, 'formatVersion' | 'precision' | 'plan' | 'digest'>;

/**
 * Packs the model that computes `logits` for a batch of one. `tensors` are f32 or what `quantizeTensors` made of them;
 * those that the graph does not use are left out; `attachments` are packed as they are. Reads the result back before
 * returning it. The same inputs give the same bytes.
 * @throws ArtifactError when what would be written is not valid.
 */
export async function pack(
  logits: Node,
  tensors: StoredTensors,
  description: Description,
  attachments: StoredTensors = new Map(),
): Promise<Uint8Array<ArrayBuffer>> {
  const graph = selectEarly(logits);
  const used = foldScaling(graph, usedTensors(graph, tensors));
  const bytes = await writeArtifact(
    new Map([...packWeights(graph, used), ...attachments]),
    manifestOf(graph, used, description),
  );
  await readArtifact(bytes);
  return bytes;
}

/** How many bytes `pack` would give for tensors of these types, which are not needed for it. */
export function packedBytes(
  logits: Node,
  tensors: StoredTypes,
  description: Description,
  attachments: StoredTypes = new Map(),
): number {
  const graph = selectEarly(logits);
  const used = usedTensors(graph, tensors);
  const weights = linearWeights(graph);
  const packed = [...used].map(([name, type]) => [name, weights.has(name) ? packedType(type) : type] as const);
  return artifactBytes(new Map([...packed, ...attachments]), manifestOf(graph, used, description));
}

function manifestOf(graph: Node, used: StoredTypes, description: Description): Omit<Manifest, 'digest'> {
  return {
    ...description,
    formatVersion: FORMAT_VERSION,
    precision: precisionOf(used),
    plan: planOf(graph, used),
  };
}

function usedTensors<T extends TensorType>(logits: Node, tensors: ReadonlyMap<string, T>): Map<string, T> {
  const used = new Map<string, T>();
  for (const node of topological([logits])) {
    const name = inputName(node);
    if (name === null || !tensors.has(name)) continue;
    const tensor = tensorNamed(tensors, name);
    used.set(name, tensor);
    if (isQuantized(tensor.dtype)) used.set(scaleName(name), tensorNamed(tensors, scaleName(name)));
    if (tensor.dtype === 'U8') used.set(factorName(name), tensorNamed(tensors, factorName(name)));
  }
  return used;
}

/** y = s·B(A x) + C runs as (s·B)(A x) + C: the factor goes into B, or into its scales; so it does where A is shared. */
function foldScaling(logits: Node, tensors: StoredTensors): Map<string, Tensor> {
  const folded = new Map(tensors);
  for (const { operation, inputs, attributes } of topological([logits])) {
    const { scaling = 1 } = attributes as Pick<LinearAttributes, 'scaling'>;
    const scaled = { lowRankLinear: inputs[2], linear: inputs[1] }[operation.name];
    if (scaled === undefined || scaling === 1) continue;
    const loraB = inputName(scaled) as string;
    const name = isQuantized(tensorNamed(tensors, loraB).dtype) ? scaleName(loraB) : loraB;
    const { shape } = tensorNamed(tensors, name);
    folded.set(
      name,
      f32Tensor(
        f32Values(tensorNamed(tensors, name)).map((value) => value * scaling),
        shape,
      ),
    );
  }
  return folded;
}

function packWeights(logits: Node, tensors: StoredTensors): Map<string, Tensor> {
  const weights = linearWeights(logits);
  // Int4 ones are laid out when they are unpacked.
  const isPacked = (name: string, { dtype }: Tensor): boolean => weights.has(name) && dtype !== 'U8';
  return new Map([...tensors].map(([name, tensor]) => [name, isPacked(name, tensor) ? packWeight(tensor) : tensor]));
}
